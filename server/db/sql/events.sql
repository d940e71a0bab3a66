-- name: events_insert
-- Parallel arrays: id, occurred, name, resource id, resource, related, payload, follows.  Rows: ids of those that were not known.
WITH stored AS (
    INSERT INTO event (id, occurred, event, resource_id, resource, related, related_ids, payload, follows)
    SELECT n.id, n.occurred, n.event, n.resource_id, n.resource, n.related,
           ARRAY(SELECT r->>'prefect.resource.id' FROM jsonb_array_elements(n.related) r), n.payload, n.follows
      FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::jsonb[], $6::jsonb[], $7::json[], $8::uuid[])
           AS n (id, occurred, event, resource_id, resource, related, payload, follows)
     ORDER BY n.id
        ON CONFLICT DO NOTHING
    RETURNING id, occurred, received
), queued AS (
    INSERT INTO event_pending (event_id)
    SELECT id FROM stored WHERE (SELECT events_wanted()) ORDER BY occurred, id
)
SELECT id, received FROM stored;

-- name: events_by_id
SELECT e.id, e.occurred, e.received, e.event, e.resource, e.related, e.payload, e.follows FROM event e WHERE e.id = ANY($1::uuid[]);

-- name: events_since
-- $1 when they came, NULL: two seconds ago; $2 at most.
SELECT e.id, e.occurred, e.received, e.event, e.resource, e.related, e.payload, e.follows
  FROM event e WHERE e.received >= coalesce($1::timestamptz, now() - interval '2 seconds')
 ORDER BY e.received, e.id LIMIT $2::bigint;

-- name: logs_since
-- The same of log lines.
SELECT l.id, l.name, l.level, l.message, l."timestamp", l.flow_run_id, l.task_run_id
  FROM log l WHERE l.id >= uuid_floor(coalesce($1::timestamptz, now() - interval '2 seconds')) AND l.id < uuid_floor(now() + interval '1 hour')
 ORDER BY l.id LIMIT $2::bigint;

-- name: flow_run_event_facts
-- Parallel arrays: state, state before or NULL, run count.  States whose run is gone are left out.
SELECT s.id, s.flow_run_id, s."timestamp", s.type, s.name, s.message, s.state_details->>'pause_reschedule',
       p.id, p."timestamp", p.type, p.name, p.message, p.state_details->>'pause_reschedule',
       n.run_count, fr.name, fr.tags, fr.created_by, fr.parent_task_run_id, tr.name,
       f.id, f.name, f.tags, d.id, d.name, d.tags, q.id, q.name, wp.id, wp.name, wp.type
  FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS n (id, previous, run_count)
  JOIN flow_run_state s ON s.id = n.id
  LEFT JOIN flow_run_state p ON p.id = n.previous
  JOIN flow_run fr ON fr.id = s.flow_run_id
  JOIN flow f ON f.id = fr.flow_id
  LEFT JOIN deployment d ON d.id = fr.deployment_id
  LEFT JOIN task_run tr ON tr.id = fr.parent_task_run_id
  LEFT JOIN work_queue q ON q.id = fr.work_queue_id
  LEFT JOIN work_pool wp ON wp.id = q.work_pool_id;

-- name: flow_run_event_sweep_lock
-- Where the sweep stands, for one server at a time, and up to where it may go: no transaction that still runs can have made an older state.
SELECT swept,
       uuid_floor(least(now(), (SELECT min(xact_start) FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND datname = current_database()))
                  - $1::float8 * interval '1 second')
  FROM flow_run_event_sweep FOR UPDATE SKIP LOCKED;

-- name: flow_run_event_missing
-- $1 from, $2 up to, $3 at most.  States without their event, with the state before and the run's count by then.
SELECT s.id, before.id, before.run_count
  FROM flow_run_state s
  CROSS JOIN LATERAL (
       SELECT (array_agg(p.id ORDER BY p.id DESC) FILTER (WHERE p.id < s.id))[1] AS id, count(*) FILTER (WHERE p.type = 'RUNNING') AS run_count
         FROM flow_run_state p WHERE p.flow_run_id = s.flow_run_id AND p.id <= s.id) before
 WHERE s.id >= $1::uuid AND s.id < $2::uuid
   AND NOT EXISTS (SELECT FROM event e WHERE e.id = s.id AND e.id >= $1::uuid AND e.id < $2::uuid)
 ORDER BY s.id
 LIMIT $3::bigint;

-- name: flow_run_event_swept
UPDATE flow_run_event_sweep SET swept = $1::uuid WHERE swept < $1::uuid;

-- name: recorder_states
-- Parallel arrays: id, task run, timestamp, type, name, message, details, data.
INSERT INTO task_run_state (id, task_run_id, "timestamp", type, name, message, state_details, data)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::jsonb[], $8::json[])
    ON CONFLICT DO NOTHING;

-- name: recorder_runs
-- Parallel arrays, one row per task run, in the order of the names after AS.  A run whose natural key another id has
-- already keeps that id.
WITH n AS (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::jsonb[], $8::json[],
                         $9::uuid[], $10::text[], $11::text[], $12::text[], $13::text[], $14::timestamptz[], $15::text[],
                         $16::jsonb[], $17::jsonb[], $18::jsonb[], $19::json[], $20::bigint[], $21::bigint[], $22::timestamptz[],
                         $23::timestamptz[], $24::timestamptz[], $25::timestamptz[], $26::float8[])
        AS n (state_id, id, ts, type, state_name, message, details, data, flow_run_id, name, task_key, dynamic_key, cache_key,
              cache_expiration, task_version, policy, tags, labels, inputs, runs, flow_runs, expected, next, start_time, end_time, total)
), known AS (
    SELECT n.id AS given_id, t.id AS id FROM n JOIN task_run t
        ON t.flow_run_id = n.flow_run_id AND t.task_key = n.task_key AND t.dynamic_key = n.dynamic_key
     WHERE t.id <> n.id
)
INSERT INTO task_run AS t (id, name, flow_run_id, task_key, dynamic_key, cache_key, cache_expiration, task_version, empirical_policy,
                           tags, labels, state_id, state_type, state_name, state_timestamp, state_message, state_details, state_data,
                           task_inputs, run_count, flow_run_run_count, expected_start_time, next_scheduled_start_time, start_time,
                           end_time, total_run_time)
SELECT coalesce(k.id, n.id), n.name, n.flow_run_id, n.task_key, n.dynamic_key, n.cache_key, n.cache_expiration, n.task_version, n.policy,
       n.tags, n.labels, n.state_id, n.type, n.state_name, n.ts, n.message, n.details, n.data,
       n.inputs, n.runs, n.flow_runs, n.expected, n.next, n.start_time, n.end_time, n.total
  FROM n LEFT JOIN known k ON k.given_id = n.id
 ORDER BY 1
    ON CONFLICT (id) DO UPDATE
   SET name = excluded.name, cache_key = excluded.cache_key, cache_expiration = excluded.cache_expiration,
       task_version = excluded.task_version, empirical_policy = excluded.empirical_policy, tags = excluded.tags,
       labels = t.labels || excluded.labels, state_id = excluded.state_id, state_type = excluded.state_type,
       state_name = excluded.state_name, state_timestamp = excluded.state_timestamp, state_message = excluded.state_message,
       state_details = excluded.state_details, state_data = excluded.state_data, task_inputs = excluded.task_inputs,
       run_count = excluded.run_count, flow_run_run_count = excluded.flow_run_run_count,
       expected_start_time = coalesce(excluded.expected_start_time, t.expected_start_time),
       next_scheduled_start_time = excluded.next_scheduled_start_time, start_time = excluded.start_time,
       end_time = excluded.end_time, total_run_time = excluded.total_run_time, updated = now()
 WHERE t.state_timestamp IS NULL OR t.state_timestamp < excluded.state_timestamp;
