-- name: task_run_insert
-- $1 id, $2 time, $3 name, $4 flow run, $5 task key, $6 dynamic key, $7 cache key, $8 cache expiration, $9 version, $10 policy,
-- $11 tags, $12 labels, $13 inputs, $14 state, $15 its time, $16 type, $17 name, $18 message, $19 details, $20 data,
-- $21 start, $22 end, $23 expected, $24 next, $25 run count.
-- No row: the id or the natural key is taken, or there is no such flow run.
WITH run AS (
    INSERT INTO task_run (id, created, updated, name, flow_run_id, task_key, dynamic_key, cache_key, cache_expiration, task_version,
                          empirical_policy, tags, labels, task_inputs, state_id, state_timestamp, state_type, state_name, state_message,
                          state_details, state_data, start_time, end_time, expected_start_time, next_scheduled_start_time, run_count)
    SELECT $1::uuid, $2::timestamptz, $2::timestamptz, $3, $4::uuid, $5, $6, $7, $8::timestamptz, $9, $10::jsonb, $11::jsonb,
           coalesce(fr.labels || jsonb_build_object('prefect.flow-run.id', fr.id), '{}') || $12::jsonb,
           $13::json, $14::uuid, $15::timestamptz, $16, $17, $18, $19::jsonb, $20::json,
           $21::timestamptz, $22::timestamptz, $23::timestamptz, $24::timestamptz, $25::bigint
      FROM (SELECT) one
      LEFT JOIN flow_run fr ON fr.id = $4::uuid
     WHERE CASE WHEN $4::uuid IS NULL
                THEN NOT EXISTS (SELECT 1 FROM task_run t WHERE t.flow_run_id IS NULL AND t.task_key = $5 AND t.dynamic_key = $6)
                ELSE fr.id IS NOT NULL END
    ON CONFLICT DO NOTHING
    RETURNING id, state_id, state_timestamp, state_type, state_name, state_message, state_details, state_data
)
INSERT INTO task_run_state (task_run_id, id, "timestamp", type, name, message, state_details, data)
SELECT * FROM run
RETURNING task_run_id;

-- name: task_run_by_key
-- $1 flow run or NULL, $2 task key, $3 dynamic key.
SELECT id FROM task_run WHERE flow_run_id IS NOT DISTINCT FROM $1::uuid AND task_key = $2 AND dynamic_key = $3;

-- name: task_run_update
-- $1 id, $2 name.
UPDATE task_run SET name = $2, updated = now() WHERE id = $1 RETURNING id;

-- name: task_run_delete
-- $1 id.  A subflow stays, without parent.
WITH gone AS (
    DELETE FROM task_run WHERE id = $1 RETURNING id
), states AS (
    DELETE FROM task_run_state s USING gone WHERE s.task_run_id = gone.id
), leases AS (
    DELETE FROM concurrency_lease l USING gone WHERE l.holder_id = gone.id AND l.holder_type = 'task_run'
), subflows AS (
    UPDATE flow_run c SET parent_task_run_id = NULL FROM gone WHERE c.parent_task_run_id = gone.id
)
SELECT id FROM gone;

-- name: task_run_lock
-- $1 id.  What the rules look at besides the row: the flow run around it, and whether it holds slots.
SELECT fr.id, fr.state_type, fr.state_details->>'pause_timeout', coalesce((fr.state_details->>'pause_reschedule')::boolean, false),
       fr.run_count,
       EXISTS (SELECT 1 FROM concurrency_lease l
                WHERE l.holder_id = tr.id AND l.holder_type = 'task_run' AND l.expires > now())
  FROM task_run tr
  LEFT JOIN flow_run fr ON fr.id = tr.flow_run_id
 WHERE tr.id = $1
   FOR UPDATE OF tr;

-- name: task_run_cached
-- $1 cache key.  Columns of state_read_resource.
SELECT s.id, s.type, s.name, s."timestamp", s.message, s.data, s.state_details
  FROM task_run_state_cache c
  JOIN task_run_state s ON s.id = c.task_run_state_id
 WHERE c.cache_key = $1 AND (c.cache_expiration IS NULL OR c.cache_expiration > now())
 ORDER BY c.created DESC
 LIMIT 1;

-- name: task_run_tag_limits
-- $1 names of limits, which are locked.  Live leases are slots in use.
SELECT substr(cl.name, 5), cl.slot_limit,
       coalesce((SELECT sum(slots) FROM concurrency_lease l WHERE l.limit_id = cl.id AND l.expires > now()), 0),
       cl.avg_slot_occupancy_seconds
  FROM concurrency_limit cl
 WHERE cl.name = ANY($1::text[]) AND cl.active
 ORDER BY cl.id;

-- name: task_run_move
-- $1 id, $2 state, $3 its time, $4 type, $5 name, $6 message, $7 details, $8 data, $9 start, $10 end, $11 expected, $12 next,
-- $13 seconds in RUNNING, $14 run count, $15 run count of the flow run.
WITH history AS (
    INSERT INTO task_run_state (id, task_run_id, "timestamp", type, name, message, state_details, data)
    VALUES ($2::uuid, $1::uuid, $3::timestamptz, $4, $5, $6, $7::jsonb, $8::json)
)
UPDATE task_run
   SET state_id = $2::uuid, state_timestamp = $3::timestamptz, state_type = $4, state_name = $5, state_message = $6,
       state_details = $7::jsonb, state_data = $8::json, start_time = $9, end_time = $10, expected_start_time = $11,
       next_scheduled_start_time = $12, total_run_time = $13, run_count = $14, flow_run_run_count = $15, updated = now()
 WHERE id = $1::uuid;

-- name: task_run_take_slots
-- $1 lease, $2 task run, $3 names of limits.  Held until the run lets go of them.
INSERT INTO concurrency_lease (id, limit_id, slots, expires, holder_type, holder_id)
SELECT $1::uuid, cl.id, 1, now() + interval '100 years', 'task_run', $2::uuid
  FROM concurrency_limit cl WHERE cl.name = ANY($3::text[]) AND cl.active;

-- name: task_run_release_slots
DELETE FROM concurrency_lease WHERE holder_id = $1 AND holder_type = 'task_run';

-- name: task_run_write_cache
-- $1 id, $2 cache key, $3 expiration, $4 state.
INSERT INTO task_run_state_cache (id, cache_key, cache_expiration, task_run_state_id) VALUES ($1, $2, $3, $4);

-- name: task_run_states
-- $1 task run.  Columns of state_read_resource.
SELECT id, type, name, "timestamp", message, data, state_details FROM task_run_state WHERE task_run_id = $1 ORDER BY "timestamp", id;

-- name: task_run_state_by_id
SELECT id, type, name, "timestamp", message, data, state_details FROM task_run_state WHERE id = $1;
