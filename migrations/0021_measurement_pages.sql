-- A campaign's measurements page by page in the order of their arrival: export, dashboard.  Equality and order come from one index, so
-- that a page costs what it has, whatever the statistics say.

CREATE INDEX measurement_campaign_created ON measurement (campaign, created, id) WHERE campaign IS NOT NULL;
