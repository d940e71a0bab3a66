-- name: tx_begin
BEGIN;

-- name: transition_lock
-- $1 ids of flow runs, locked in order.
SELECT 1 FROM flow_run WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE;

-- name: transition_facts
-- $1 ids of flow runs.
SELECT fr.id, fr.state_id, fr.state_type, fr.state_name, fr.state_timestamp, fr.state_message, fr.state_details, fr.state_data,
       fr.run_count, fr.total_run_time, fr.start_time, fr.end_time, fr.expected_start_time, fr.next_scheduled_start_time,
       fr.empirical_policy, fr.deployment_id, fr.parent_task_run_id, fr.infrastructure_pid IS NOT NULL,
       d.id IS NOT NULL, d.concurrency_limit_id, d.concurrency_options, fr.xmin
  FROM flow_run fr
  LEFT JOIN deployment d ON d.id = fr.deployment_id
 WHERE fr.id = ANY($1::uuid[])
 ORDER BY fr.id;

-- name: transition_limits
-- $1 ids of concurrency limits, which are locked.  Live leases are slots in use.
SELECT cl.id, cl.slot_limit,
       cl.slot_limit - coalesce((SELECT sum(slots) FROM concurrency_lease l WHERE l.limit_id = cl.id AND l.expires > now()), 0)
  FROM concurrency_limit cl
 WHERE cl.id = ANY($1::uuid[]) AND cl.active
 ORDER BY cl.id;

-- name: transition_holders
-- $1 ids of flow runs: those that hold a live lease of their deployment's limit.
SELECT DISTINCT l.holder_id FROM concurrency_lease l
 WHERE l.holder_id = ANY($1::uuid[]) AND l.holder_type = 'flow_run' AND l.expires > now();

-- name: transition_write
-- Parallel arrays, in the order of the names after AS.  `last` marks the last item of each run, `version` is what its row was
-- when the item was decided: a run that changed since then is left alone.  Ids of the runs that were written.
WITH n AS (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::jsonb[], $8::json[],
                         $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $12::timestamptz[], $13::float8[], $14::bigint[],
                         $15::jsonb[], $16::boolean[], $17::xid[])
        AS n (state_id, id, ts, type, name, message, details, data, start_time, end_time, expected, next, total, runs, policy, last, version)
), written AS (
    UPDATE flow_run fr
       SET state_id = n.state_id, state_timestamp = n.ts, state_type = n.type, state_name = n.name, state_message = n.message,
           state_details = n.details, state_data = n.data, start_time = n.start_time, end_time = n.end_time,
           expected_start_time = n.expected, next_scheduled_start_time = n.next, total_run_time = n.total, run_count = n.runs,
           empirical_policy = coalesce(n.policy, fr.empirical_policy), updated = now()
      FROM n
     WHERE fr.id = n.id AND n.last AND fr.xmin = n.version
    RETURNING fr.id
), history AS (
    INSERT INTO flow_run_state (id, flow_run_id, "timestamp", type, name, message, state_details, data)
    SELECT state_id, id, ts, type, name, message, details, data FROM n WHERE id IN (SELECT id FROM written)
)
SELECT id FROM written;

-- name: transition_take_slots
-- Parallel arrays: lease, flow run, seconds.
INSERT INTO concurrency_lease (id, limit_id, slots, expires, holder_type, holder_id)
SELECT n.lease, d.concurrency_limit_id, 1, now() + n.ttl * interval '1 second', 'flow_run', n.run
  FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS n (lease, run, ttl)
  JOIN flow_run fr ON fr.id = n.run
  JOIN deployment d ON d.id = fr.deployment_id
 WHERE d.concurrency_limit_id IS NOT NULL;

-- name: transition_renew_slots
-- Parallel arrays: flow run, seconds.
UPDATE concurrency_lease l SET expires = now() + n.ttl * interval '1 second'
  FROM unnest($1::uuid[], $2::bigint[]) AS n (run, ttl)
 WHERE l.holder_id = n.run AND l.holder_type = 'flow_run';

-- name: transition_release_slots
-- $1 flow runs.
DELETE FROM concurrency_lease WHERE holder_id = ANY($1::uuid[]) AND holder_type = 'flow_run';

-- name: transition_delete_inputs
-- Parallel arrays: flow run, its run_input_keyset.
DELETE FROM flow_run_input i
 USING unnest($1::uuid[], $2::jsonb[]) AS n (run, keyset)
 WHERE i.flow_run_id = n.run AND i.key IN (SELECT value FROM jsonb_each_text(n.keyset));

-- name: transition_mirror
-- Parallel arrays: state id, task run, timestamp, type, name, message, details, data.  The parent task run of a subflow shows its states.
WITH n AS (
    SELECT u.state_id, u.id, u.ts, u.type, u.name, u.message, u.details || jsonb_build_object('flow_run_id', p.flow_run_id) AS details, u.data
      FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::jsonb[], $8::json[])
        AS u (state_id, id, ts, type, name, message, details, data)
      JOIN task_run p ON p.id = u.id
), written AS (
    INSERT INTO task_run_state (id, task_run_id, "timestamp", type, name, message, state_details, data)
    SELECT state_id, id, ts, type, name, message, details, data FROM n
)
UPDATE task_run tr
   SET state_id = n.state_id, state_timestamp = n.ts, state_type = n.type, state_name = n.name, state_message = n.message,
       state_details = n.details, state_data = n.data,
       run_count = tr.run_count + (n.type = 'RUNNING')::int,
       start_time = CASE WHEN n.type = 'RUNNING' OR n.type IN ('COMPLETED', 'FAILED', 'CANCELLED', 'CRASHED')
                         THEN coalesce(tr.start_time, n.ts) ELSE tr.start_time END,
       end_time = CASE WHEN n.type IN ('COMPLETED', 'FAILED', 'CANCELLED', 'CRASHED') THEN coalesce(tr.end_time, n.ts) END,
       total_run_time = tr.total_run_time
           + CASE WHEN tr.state_type = 'RUNNING' THEN greatest(0, extract(epoch FROM n.ts - tr.state_timestamp)) ELSE 0 END,
       expected_start_time = coalesce(tr.expected_start_time, n.ts), updated = now()
  FROM n
 WHERE tr.id = n.id;
