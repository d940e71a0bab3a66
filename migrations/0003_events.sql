-- Events: who waits for them, and up to where the states of flow runs have theirs.

-- Events that automations have not seen yet, in the order in which they were stored.
CREATE TABLE event_pending (
    seq      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id uuid NOT NULL
);

-- Whether stored events are queued for automations: while there are any that are enabled.
CREATE FUNCTION events_wanted() RETURNS boolean LANGUAGE sql STABLE AS 'SELECT false';

-- One row: every state of a flow run whose id is below has had its event.
CREATE TABLE flow_run_event_sweep (
    swept uuid NOT NULL
);
INSERT INTO flow_run_event_sweep VALUES (uuid_floor(now()));

CREATE INDEX event_related_ids ON event USING gin (related_ids);
