-- name: retention_turn
-- $1 what, $2 now, $3 seconds.  A row: it is our turn; nobody else's before the time is over.
INSERT INTO configuration AS c (key, value, updated) VALUES ('upkeep.' || $1::text, '{}', $2::timestamptz)
    ON CONFLICT (key) DO UPDATE SET updated = $2::timestamptz
 WHERE c.updated <= $2::timestamptz - $3::float8 * interval '1 second'
RETURNING 1;

-- name: retention_last
-- $1 what.
SELECT updated FROM configuration WHERE key = 'upkeep.' || $1::text;

-- name: retention_partitions
-- $1 table, $2 cutoff.
SELECT old_partitions($1, $2);

-- name: retention_events
-- $1 older than, $2 limit.  Those whose ids tell no time, and so lie in no week's partition.
DELETE FROM event_other WHERE id IN (SELECT id FROM event_other WHERE occurred < $1 ORDER BY occurred LIMIT $2) RETURNING 1;

-- name: retention_events_named
-- $1 older than, $2 names, $3 whether these or all others, $4 limit.
DELETE FROM event WHERE id IN (SELECT id FROM event WHERE occurred < $1 AND (event = ANY($2::text[])) = $3::boolean ORDER BY occurred LIMIT $4)
RETURNING 1;

-- name: retention_runs
-- $1 ended before, $2 limit.  Runs that are no subflows; subflows follow when their parent is gone.
WITH old AS (
    SELECT id FROM flow_run fr
     WHERE expected_start_time < $1 AND end_time < $1 AND state_type IN ('COMPLETED', 'FAILED', 'CANCELLED', 'CRASHED')
       AND (parent_task_run_id IS NULL OR NOT EXISTS (SELECT FROM task_run p WHERE p.id = fr.parent_task_run_id))
     ORDER BY expected_start_time LIMIT $2 FOR UPDATE SKIP LOCKED
), tasks AS (
    DELETE FROM task_run t USING old WHERE t.flow_run_id = old.id
), artifacts AS (
    DELETE FROM artifact a USING old WHERE a.flow_run_id = old.id
), leases AS (
    DELETE FROM concurrency_lease l USING old WHERE l.holder_id = old.id AND l.holder_type = 'flow_run'
)
DELETE FROM flow_run fr USING old WHERE fr.id = old.id RETURNING 1;

-- name: retention_artifacts
-- $1 limit.  Artifacts of runs that are gone.
DELETE FROM artifact WHERE id IN (
    SELECT a.id FROM artifact a
     WHERE a.flow_run_id IS NOT NULL AND NOT EXISTS (SELECT FROM flow_run fr WHERE fr.id = a.flow_run_id)
     ORDER BY a.id LIMIT $1)
RETURNING 1;

-- name: retention_collections
-- Keys show their latest artifact, or go with the last one.
WITH broken AS (
    SELECT c.id, c.key, (SELECT a.id FROM artifact a WHERE a.key = c.key ORDER BY a.created DESC, a.id DESC LIMIT 1) AS latest
      FROM artifact_collection c WHERE NOT EXISTS (SELECT FROM artifact a WHERE a.id = c.latest_id)
), gone AS (
    DELETE FROM artifact_collection c USING broken b WHERE c.id = b.id AND b.latest IS NULL
)
UPDATE artifact_collection c SET latest_id = b.latest, updated = now() FROM broken b WHERE c.id = b.id AND b.latest IS NOT NULL;
