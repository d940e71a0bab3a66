-- What the services need: when they have to look, and what keeps them from doing a thing twice.

-- due: when the scheduler has to make runs; NULL: there is nothing to make.  made_until: the fire times
-- up to here are dealt with.  misfire: what becomes of a run that could not begin on time (docs/services.md).
ALTER TABLE deployment_schedule
    ADD COLUMN due timestamptz DEFAULT now(),
    ADD COLUMN made_until timestamptz,
    ADD COLUMN misfire jsonb
        CHECK (misfire->>'policy' IN ('run_all', 'latest_only', 'skip_if_later_than', 'cancel')
               AND (misfire->>'policy' = 'skip_if_later_than') = (misfire ? 'seconds'));
CREATE INDEX deployment_schedule_due ON deployment_schedule (due) WHERE due IS NOT NULL;
CREATE INDEX deployment_schedule_misfire ON deployment_schedule (deployment_id) WHERE misfire IS NOT NULL;

-- One run per schedule and fire time.
CREATE UNIQUE INDEX flow_run_fire ON flow_run ((created_by->>'id'), expected_start_time) WHERE auto_scheduled;

CREATE INDEX flow_run_becomes_late ON flow_run (next_scheduled_start_time)
    WHERE state_type = 'SCHEDULED' AND state_name = 'Scheduled';
CREATE INDEX flow_run_cancelled ON flow_run (end_time) WHERE state_type = 'CANCELLED';
CREATE INDEX deployment_ready ON deployment (last_polled) WHERE status = 'READY';
CREATE INDEX worker_online ON worker (last_heartbeat_time) WHERE status = 'ONLINE';

-- Makes the weekly partitions of a time-series table from one week back to `weeks` ahead.  Ids that are
-- not UUIDv7 lie in the default partition; the few that fall into a new week move.
CREATE OR REPLACE FUNCTION make_partitions(parent text, weeks integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    monday timestamptz := date_trunc('week', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC';
    first uuid;
    next uuid;
    part text;
BEGIN
    EXECUTE format('CREATE TABLE IF NOT EXISTS %I PARTITION OF %I DEFAULT', parent || '_other', parent);
    FOR i IN -1..weeks LOOP
        first := uuid_floor(monday + i * interval '7 days');
        next := uuid_floor(monday + (i + 1) * interval '7 days');
        part := parent || '_' || to_char((monday + i * interval '7 days') AT TIME ZONE 'UTC', 'YYYYMMDD');
        IF to_regclass(part) IS NOT NULL THEN
            CONTINUE;
        END IF;
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', part, parent);
        EXECUTE format('WITH moved AS (DELETE FROM %I WHERE id >= %L AND id < %L RETURNING *) INSERT INTO %I SELECT * FROM moved',
                       parent || '_other', first, next, part);
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, part, first, next);
    END LOOP;
END $$;

-- The partitions of a table that hold weeks before `cutoff` only.
CREATE FUNCTION old_partitions(parent text, cutoff timestamptz) RETURNS SETOF text LANGUAGE sql STABLE AS $$
    SELECT c.relname::text
      FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = parent::regclass AND c.relname ~ (parent || '_[0-9]{8}$')
       AND to_timestamp(right(c.relname, 8), 'YYYYMMDD') + interval '7 days' <= cutoff
     ORDER BY 1
$$;
