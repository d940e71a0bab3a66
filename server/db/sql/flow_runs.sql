-- name: flow_run_insert
-- Parallel arrays, in the order of the names after AS.  Rows whose flow or parent is unknown, whose
-- idempotency key is taken or whose schedule has a run at that time, are left out.
WITH n AS (
    SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::uuid[], $5::uuid[], $6::text[], $7::uuid[], $8::text[], $9::text[],
                         $10::json[], $11::text[], $12::json[], $13::jsonb[], $14::jsonb[], $15::jsonb[], $16::uuid[], $17::uuid[],
                         $18::boolean[], $19::jsonb[], $20::json[],
                         $21::uuid[], $22::timestamptz[], $23::text[], $24::text[], $25::text[], $26::jsonb[], $27::json[],
                         $28::timestamptz[], $29::timestamptz[], $30::timestamptz[], $31::timestamptz[], $32::bigint[])
        AS n (id, created, name, flow_id, deployment_id, deployment_version, work_queue_id, work_queue_name, flow_version,
              parameters, idempotency_key, context, policy, tags, labels, parent, infrastructure, auto_scheduled, created_by, job_variables,
              state_id, ts, type, state_name, message, details, data, start_time, end_time, expected, next, run_count)
), run AS (
    INSERT INTO flow_run (id, created, updated, name, flow_id, deployment_id, deployment_version, work_queue_id, work_queue_name,
                          flow_version, parameters, idempotency_key, context, empirical_policy, tags, labels, parent_task_run_id,
                          infrastructure_document_id, auto_scheduled, created_by, job_variables, state_id, state_timestamp, state_type,
                          state_name, state_message, state_details, state_data, start_time, end_time, expected_start_time,
                          next_scheduled_start_time, run_count)
    SELECT n.id, n.created, n.created, n.name, n.flow_id, n.deployment_id, n.deployment_version, n.work_queue_id, n.work_queue_name,
           n.flow_version, n.parameters, n.idempotency_key, n.context, n.policy, n.tags,
           coalesce(f.labels, '{}') || jsonb_build_object('prefect.flow.id', f.id)
               || CASE WHEN d.id IS NULL THEN '{}'
                       ELSE coalesce(d.labels, '{}') || jsonb_build_object('prefect.deployment.id', d.id) END
               || n.labels,
           n.parent, n.infrastructure, n.auto_scheduled, n.created_by, n.job_variables, n.state_id, n.ts, n.type, n.state_name, n.message,
           n.details, n.data, n.start_time, n.end_time, n.expected, n.next, n.run_count
      FROM n
      JOIN flow f ON f.id = n.flow_id
      LEFT JOIN deployment d ON d.id = n.deployment_id
     WHERE (n.parent IS NULL OR EXISTS (SELECT 1 FROM task_run tr WHERE tr.id = n.parent))
       AND (n.infrastructure IS NULL OR EXISTS (SELECT 1 FROM block_document b WHERE b.id = n.infrastructure))
    ON CONFLICT DO NOTHING
    RETURNING id, state_id, state_timestamp, state_type, state_name, state_message, state_details, state_data
)
INSERT INTO flow_run_state (flow_run_id, id, "timestamp", type, name, message, state_details, data)
SELECT * FROM run
RETURNING flow_run_id;

-- name: flow_run_by_key
-- $1 flow, $2 idempotency key.
SELECT id FROM flow_run WHERE flow_id = $1 AND idempotency_key = $2;

-- name: flow_run_queue
-- $1 work pool, $2 work queue or NULL for the default one.  No row: no such pool.
SELECT q.id
  FROM work_pool p
  LEFT JOIN work_queue q ON q.work_pool_id = p.id AND CASE WHEN $2::text IS NULL THEN q.id = p.default_queue_id ELSE q.name = $2 END
 WHERE p.name = $1;

-- name: flow_run_update
-- $1 id, then pairs of "is it given" and value: name, version, parameters, policy, tags, pid, job variables.
UPDATE flow_run
   SET name = CASE WHEN $2::boolean THEN $3 ELSE name END,
       flow_version = CASE WHEN $4::boolean THEN $5 ELSE flow_version END,
       parameters = CASE WHEN $6::boolean THEN $7::json ELSE parameters END,
       empirical_policy = CASE WHEN $8::boolean THEN $9::jsonb ELSE empirical_policy END,
       tags = CASE WHEN $10::boolean THEN $11::jsonb ELSE tags END,
       infrastructure_pid = CASE WHEN $12::boolean THEN $13 ELSE infrastructure_pid END,
       job_variables = CASE WHEN $14::boolean THEN coalesce($15::json, '{}') ELSE job_variables END,
       updated = now()
 WHERE id = $1
RETURNING id;

-- name: pools_of_queues
-- $1 queues, repeated ones too.  Of each: id, its pool's id and name, its own name.
SELECT q.id, p.id, p.name, q.name
  FROM work_queue q
  JOIN work_pool p ON p.id = q.work_pool_id
 WHERE q.id = ANY($1::uuid[]);

-- name: flow_run_for_job_variables
-- $1 id.  What decides whether its job variables may be changed.
SELECT fr.state_type, d.id, d.job_variables, p.base_job_template
  FROM flow_run fr
  LEFT JOIN deployment d ON d.id = fr.deployment_id
  LEFT JOIN work_queue q ON q.id = d.work_queue_id
  LEFT JOIN work_pool p ON p.id = q.work_pool_id
 WHERE fr.id = $1;

-- name: flow_run_delete
-- $1 ids, with their logs; or $2 a flow, all of whose runs go and leave their logs to retention.
-- Frees the slots they hold.  Subflows stay, without parent.
WITH gone AS (
    DELETE FROM flow_run WHERE id = ANY($1::uuid[]) OR flow_id = $2::uuid RETURNING id
), leases AS (
    DELETE FROM concurrency_lease l USING gone WHERE l.holder_id = gone.id AND l.holder_type = 'flow_run'
), states AS (
    DELETE FROM flow_run_state s USING gone WHERE s.flow_run_id = gone.id
), task_states AS (
    DELETE FROM task_run_state s USING task_run t, gone WHERE t.flow_run_id = gone.id AND s.task_run_id = t.id
), tasks AS (
    DELETE FROM task_run t USING gone WHERE t.flow_run_id = gone.id
), subflows AS (
    UPDATE flow_run c SET parent_task_run_id = NULL FROM task_run t, gone
     WHERE t.flow_run_id = gone.id AND c.parent_task_run_id = t.id AND NOT EXISTS (SELECT FROM gone g WHERE g.id = c.id)
), logs AS (
    DELETE FROM log l USING gone WHERE l.flow_run_id = gone.id AND $2::uuid IS NULL
)
SELECT id FROM gone;

-- name: flow_run_labels
-- $1 id, $2 labels to add.
UPDATE flow_run SET labels = labels || $2::jsonb, updated = now() WHERE id = $1 RETURNING id;

-- name: flow_run_input_insert
-- $1 id, $2 flow run, $3 key, $4 value, $5 sender.
INSERT INTO flow_run_input (id, flow_run_id, key, value, sender) VALUES ($1, $2, $3, $4, $5);

-- name: flow_run_input_upsert
-- $1 id, $2 flow run, $3 key, $4 value.
INSERT INTO flow_run_input (id, flow_run_id, key, value) VALUES ($1, $2, $3, $4)
    ON CONFLICT (flow_run_id, key) DO UPDATE SET value = excluded.value, updated = now();

-- name: flow_run_input_filter
-- $1 flow run, $2 prefix, $3 keys to leave out, $4 limit.  Columns of flow_run_input_resource.
SELECT id, created, updated, flow_run_id, key, value, sender
  FROM flow_run_input
 WHERE flow_run_id = $1 AND starts_with(key, $2) AND key <> ALL($3::text[])
 ORDER BY created, id
 LIMIT $4;

-- name: flow_run_input_get
SELECT value FROM flow_run_input WHERE flow_run_id = $1 AND key = $2;

-- name: flow_run_input_delete
DELETE FROM flow_run_input WHERE flow_run_id = $1 AND key = $2 RETURNING id;

-- name: flow_run_logs_page
-- $1 flow run, $2 and $3 timestamp and id of the last line or NULL, $4 limit.
SELECT "timestamp", level, flow_run_id, task_run_id, message, id
  FROM log
 WHERE flow_run_id = $1 AND ($2::timestamptz IS NULL OR ("timestamp", id) > ($2, $3::uuid))
 ORDER BY "timestamp", id
 LIMIT $4;

-- name: flow_run_name
SELECT name FROM flow_run WHERE id = $1;

-- name: flow_run_states
-- $1 flow run.  Columns of state_read_resource.
SELECT id, type, name, "timestamp", message, data, state_details FROM flow_run_state WHERE flow_run_id = $1 ORDER BY "timestamp", id;

-- name: flow_run_state_by_id
SELECT id, type, name, "timestamp", message, data, state_details FROM flow_run_state WHERE id = $1;
