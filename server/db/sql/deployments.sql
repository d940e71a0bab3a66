-- name: deployment_find
-- $1 flow, $2 name.
SELECT id FROM deployment WHERE flow_id = $1 AND name = $2 FOR UPDATE;

-- name: deployment_labels
-- $1 flow, $2 its own labels or null.
SELECT coalesce(labels, '{}')::jsonb || jsonb_build_object('prefect.flow.id', id) || coalesce($2, '{}')::jsonb FROM flow WHERE id = $1;

-- name: deployment_lock
-- What a change is checked against.
SELECT d.id, d.job_variables, p.name, p.base_job_template, d.work_queue_name, d.parameter_openapi_schema, d.enforce_parameter_schema
  FROM deployment d LEFT JOIN work_queue q ON q.id = d.work_queue_id LEFT JOIN work_pool p ON p.id = q.work_pool_id
 WHERE d.id = $1 FOR UPDATE OF d;

-- name: deployment_delete
-- $1 id.  With the limit that was made for it and its runs that have not begun.
WITH gone AS (DELETE FROM deployment WHERE id = $1 RETURNING id),
     its_limit AS (DELETE FROM concurrency_limit WHERE name = 'deployment:' || $1::text AND EXISTS (SELECT 1 FROM gone)),
     its_runs AS (DELETE FROM flow_run WHERE deployment_id = $1::uuid AND state_type = 'SCHEDULED' AND run_count = 0 RETURNING id),
     states AS (DELETE FROM flow_run_state s USING its_runs WHERE s.flow_run_id = its_runs.id)
SELECT id FROM gone;

-- name: deployment_set_limit
-- $1 deployment, $2 id for a new limit, $3 slots.
WITH l AS (
    INSERT INTO concurrency_limit (id, name, slot_limit) VALUES ($2, 'deployment:' || $1::text, $3)
        ON CONFLICT (name) DO UPDATE SET slot_limit = $3, updated = now() RETURNING id
)
UPDATE deployment SET concurrency_limit_id = l.id FROM l WHERE deployment.id = $1::uuid;

-- name: deployment_drop_limit
WITH d AS (UPDATE deployment SET concurrency_limit_id = NULL WHERE id = $1::uuid)
DELETE FROM concurrency_limit WHERE name = 'deployment:' || $1::text;

-- name: deployment_set_paused
UPDATE deployment SET paused = $2, updated = now() WHERE id = $1 RETURNING id;

-- name: deployments_polled
-- $1 ids.  Somebody asks for their runs; those that were not served before: id.
WITH asked AS (
    SELECT id, status FROM deployment
     WHERE id = ANY($1::uuid[]) AND (status <> 'READY' OR last_polled IS NULL OR last_polled < now() - interval '2 seconds')
     ORDER BY id FOR UPDATE
), polled AS (
    UPDATE deployment d SET last_polled = now(), status = 'READY' FROM asked WHERE d.id = asked.id
)
SELECT id FROM asked WHERE status <> 'READY';
