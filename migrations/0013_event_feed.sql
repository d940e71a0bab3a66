-- What other servers stored lately, for /events/out and /logs/out.

CREATE INDEX event_received ON event USING brin (received) WITH (pages_per_range = 16, autosummarize = on);
CREATE INDEX log_made ON log USING brin (id) WITH (pages_per_range = 16, autosummarize = on);
