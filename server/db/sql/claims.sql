-- name: agent_seen
-- $1 agent, $2 name, $3 pool, $4 epoch, $5 slots or NULL.  No row: there is no such pool.
INSERT INTO agent (id, name, work_pool_id, epoch, slots)
SELECT $1::uuid, $2, p.id, $4::bigint, coalesce($5::bigint, 0) FROM work_pool p WHERE p.name = $3
    ON CONFLICT (id) DO UPDATE
   SET name = excluded.name, work_pool_id = excluded.work_pool_id, epoch = greatest(agent.epoch, excluded.epoch),
       slots = coalesce($5::bigint, agent.slots), last_seen = now()
RETURNING epoch;

-- name: claim_look
-- $1 agents.  Of each agent its place among them, from 1, its free slots if something is due, and whether runs of its own are to
-- be stopped; of its pool how many runs are due (up to 64 of a queue are counted), and when the next is, in the past when one is.
WITH asking AS MATERIALIZED (
    SELECT n.place, a.* FROM unnest($1::uuid[]) WITH ORDINALITY AS n (id, place) JOIN agent a ON a.id = n.id),
     pool AS MATERIALIZED (
    SELECT p.id, p.is_paused, count(run.due) FILTER (WHERE run.due <= now()) AS due, min(run.due) AS next
      FROM (SELECT DISTINCT work_pool_id AS id FROM asking) of
      JOIN work_pool p ON p.id = of.id
      LEFT JOIN work_queue q ON q.work_pool_id = p.id
      LEFT JOIN LATERAL (SELECT fr.next_scheduled_start_time AS due FROM flow_run fr
                          WHERE fr.work_queue_id = q.id AND fr.state_type = 'SCHEDULED' AND fr.next_scheduled_start_time IS NOT NULL
                          ORDER BY fr.next_scheduled_start_time LIMIT 64) run ON true
     GROUP BY p.id),
     stop AS MATERIALIZED (
    SELECT DISTINCT c.agent_id FROM flow_run fr JOIN claim c ON c.flow_run_id = fr.id
     WHERE fr.state_type = 'CANCELLING' AND c.state IN ('OFFERED', 'LIVE') AND NOT c.cancel_told)
SELECT a.place, a.epoch,
       CASE WHEN pool.next IS NOT NULL
            THEN a.slots - (SELECT count(*) FROM claim c WHERE c.agent_id = a.id AND c.state IN ('OFFERED', 'LIVE')) ELSE 0 END,
       EXISTS (SELECT FROM stop WHERE stop.agent_id = a.id),
       pool.is_paused, pool.due, pool.next
  FROM asking a JOIN pool ON pool.id = a.work_pool_id;

-- name: claim_lock_agent
-- $1 agent.  One at a time for an agent.
SELECT epoch, work_pool_id FROM agent WHERE id = $1::uuid FOR UPDATE;

-- name: claim_room
-- $1 agent, locked.  Free slots; whether the pool has limits, or runs that may ask for devices; whether it is paused.
SELECT a.slots - (SELECT count(*) FROM claim c WHERE c.agent_id = a.id AND c.state IN ('OFFERED', 'LIVE')),
       p.concurrency_limit IS NOT NULL
           OR EXISTS (SELECT FROM work_queue q WHERE q.work_pool_id = p.id AND q.concurrency_limit IS NOT NULL)
           OR EXISTS (SELECT FROM work_queue q JOIN deployment d ON d.work_queue_id = q.id
                       WHERE q.work_pool_id = p.id AND (d.job_variables->'devices' IS NOT NULL OR d.job_variables->'bench' IS NOT NULL))
           OR EXISTS (SELECT FROM work_queue q JOIN flow_run fr ON fr.work_queue_id = q.id
                       WHERE q.work_pool_id = p.id AND fr.state_type = 'SCHEDULED' AND fr.job_variables->'devices' IS NOT NULL)
           OR EXISTS (SELECT FROM work_queue q JOIN flow_run fr ON fr.work_queue_id = q.id
                       WHERE q.work_pool_id = p.id AND fr.state_type = 'SCHEDULED' AND fr.job_variables->'bench' IS NOT NULL),
       p.is_paused
  FROM agent a JOIN work_pool p ON p.id = a.work_pool_id
 WHERE a.id = $1::uuid;

-- name: claim_cancels
-- $1 agent.  Runs that are to be stopped and of which the agent was not told yet, and why.
UPDATE claim c SET cancel_told = true
  FROM flow_run fr
 WHERE c.agent_id = $1::uuid AND c.state IN ('OFFERED', 'LIVE') AND NOT c.cancel_told
   AND fr.id = c.flow_run_id AND fr.state_type = 'CANCELLING'
RETURNING fr.id, fr.state_message;

-- name: claim_lock_pool
-- $1 pool.  Its limit, while nobody else counts.
SELECT concurrency_limit FROM work_pool WHERE id = $1::uuid FOR UPDATE;

-- name: claim_queues
-- $1 pool.  Per queue: id, limit, runs that occupy it.
SELECT q.id, q.concurrency_limit, count(fr.id)
  FROM work_queue q
  LEFT JOIN flow_run fr ON fr.work_queue_id = q.id AND fr.state_type IN ('PENDING', 'RUNNING')
 WHERE q.work_pool_id = $1::uuid
 GROUP BY q.id;

-- name: placement_devices
-- $1 agent or NULL, $2 pool or NULL: all agents of it, $3 seconds without a word after which an agent counts as offline.
-- Its devices in the order of their names, how many leases they have, in words what is in the way of one, whether it is on probation; its agent's
-- name, and whether that has no free slot.
SELECT d.agent_id, d.name, d.type, d.target, d.bench, d.labels, d.capabilities, d.capacity,
       (SELECT count(*) FROM claim_device cd WHERE cd.agent_id = d.agent_id AND cd.device_name = d.name AND cd.released IS NULL),
       CASE WHEN $1::uuid IS NULL AND a.last_seen < now() - $3::float8 * interval '1 second' THEN 'is of the agent ' || a.name || ', which is offline'
            WHEN d.health->>'quarantined' = 'true' THEN 'is quarantined: ' || coalesce(d.health->>'reason', 'no reason given')
            WHEN d.quarantine_reason IS NOT NULL THEN 'is quarantined: ' || d.quarantine_reason
            WHEN d.maintenance_since IS NOT NULL THEN 'is in maintenance by ' || coalesce(d.maintenance_by, 'somebody')
                 || coalesce(': ' || d.maintenance_comment, '')
            WHEN d.gone_since IS NOT NULL THEN 'is not reported by its agent any more'
            WHEN NOT d.free AND (SELECT count(*) FROM claim_device cd WHERE cd.agent_id = d.agent_id AND cd.device_name = d.name
                                                                      AND cd.released IS NULL) < d.capacity THEN 'is down'
            WHEN d.held_until > now() THEN 'is held by ' || d.held_by || ' until ' || to_char(d.held_until, 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
                 || coalesce(': ' || d.held_comment, '') END,
       d.probation_since IS NOT NULL AND health_deployment(d.agent_id, d.type, d.target) IS NOT NULL,
       a.name, a.slots <= (SELECT count(*) FROM claim c WHERE c.agent_id = a.id AND c.state IN ('OFFERED', 'LIVE'))
  FROM agent a JOIN device d ON d.agent_id = a.id
 WHERE a.id = $1::uuid OR a.work_pool_id = $2::uuid
 ORDER BY d.agent_id, d.name;

-- name: placement_leases
-- $1 agent's id, $2 device.  Who has it, and until when, in words.
SELECT string_agg('the run ' || coalesce(r.name, c.flow_run_id::text) || ' until ' || to_char(c.expires, 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
                  || ' or longer', ', ' ORDER BY c.token)
  FROM claim_device cd JOIN claim c ON c.id = cd.claim_id LEFT JOIN flow_run r ON r.id = c.flow_run_id
 WHERE cd.agent_id = $1::uuid AND cd.device_name = $2 AND cd.released IS NULL;

-- name: claim_candidates
-- $1 pool, $2 queue names or NULL, $3 targets and $4 names of idle devices, $5 limit; what was looked at before: $6 runs that were chosen, $7 what
-- cannot be had, $8 queues that are full.  Due runs: id, queue, what devices they ask for.
-- Those that ask for something of which nothing is idle are left out: there may be thousands.  Each queue is read in its order and only as far as
-- needed, so that a claim costs the same however many runs wait.
SELECT fr.id, q.id, fr.devices
  FROM work_queue q
 CROSS JOIN LATERAL (
        SELECT r.id, r.next_scheduled_start_time, need.devices
          FROM flow_run r
          LEFT JOIN deployment d ON d.id = r.deployment_id
         CROSS JOIN LATERAL (SELECT needed_devices(r.job_variables, d.job_variables, r.parameters) AS devices OFFSET 0) need
         WHERE r.work_queue_id = q.id AND r.state_type = 'SCHEDULED' AND r.next_scheduled_start_time <= now()
           AND r.empirical_policy->>'retry_type' IS DISTINCT FROM 'in_process'
           AND (need.devices = '[]'
                OR need.devices <> ALL($7::jsonb[])
                   AND EXISTS (SELECT FROM jsonb_array_elements(need.devices) s
                                WHERE (NOT s ? 'target' AND cardinality($3::text[]) > 0 OR s->>'target' = ANY($3::text[]))
                                  AND (NOT s ? 'name' OR s->>'name' = ANY($4::text[]))))
           AND NOT EXISTS (SELECT FROM claim c WHERE c.flow_run_id = r.id AND c.state IN ('OFFERED', 'LIVE'))
           AND r.id <> ALL($6::uuid[])
         ORDER BY r.next_scheduled_start_time, r.id
         LIMIT $5::bigint
           FOR UPDATE OF r SKIP LOCKED) fr
 WHERE q.work_pool_id = $1::uuid AND NOT q.is_paused AND q.id <> ALL($8::uuid[])
   AND ($2::text[] IS NULL OR q.name = ANY($2::text[]))
 ORDER BY q.priority, fr.next_scheduled_start_time, fr.id
 LIMIT $5::bigint;

-- name: claim_insert
-- Parallel arrays: id, run; $3 agent, $4 epoch, $5 seconds.
INSERT INTO claim (id, flow_run_id, agent_id, epoch, expires)
SELECT n.id, n.run, $3::uuid, $4::bigint, now() + $5::float8 * interval '1 second'
  FROM unnest($1::uuid[], $2::uuid[]) AS n (id, run);

-- name: claim_lease
-- Parallel arrays: claim, device, place in the run's list, whether it goes with its bench; $5 agent.  Each takes the lowest slots that nobody has.
INSERT INTO claim_device (claim_id, agent_id, device_name, slot, ord, part)
SELECT n.claim, $5::uuid, n.device, slots.slot, n.ord, n.part
  FROM (SELECT *, row_number() OVER (PARTITION BY device ORDER BY at) AS nth
          FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::boolean[]) WITH ORDINALITY AS u (claim, device, ord, part, at)) n
  JOIN device d ON d.agent_id = $5::uuid AND d.name = n.device
  LEFT JOIN LATERAL (SELECT k AS slot FROM generate_series(1, d.capacity) k
                      WHERE NOT EXISTS (SELECT FROM claim_device cd WHERE cd.agent_id = $5::uuid AND cd.device_name = n.device
                                                                      AND cd.slot = k AND cd.released IS NULL)
                      ORDER BY k OFFSET n.nth - 1 LIMIT 1) slots ON true;

-- name: claim_details
-- $1 claims, $2 their agent.  One JSON object per claim, as the protocol has it.
SELECT json_build_object(
           'claim_id', c.id, 'token', c.token, 'expires_at', to_char(c.expires, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
           'flow_run', json_build_object(
               'id', fr.id, 'name', fr.name, 'flow_id', fr.flow_id, 'deployment_id', fr.deployment_id,
               'parameters', fr.parameters, 'tags', fr.tags, 'labels', fr.labels, 'run_count', fr.run_count,
               'expected_start_time', fr.expected_start_time, 'work_queue_name', q.name, 'idempotency_key', fr.idempotency_key,
               'parent_task_run_id', fr.parent_task_run_id, 'job_variables', fr.job_variables),
           'flow', json_build_object('id', f.id, 'name', f.name, 'tags', f.tags),
           'deployment', CASE WHEN d.id IS NOT NULL THEN json_build_object(
               'id', d.id, 'name', d.name, 'version', d.version, 'tags', d.tags, 'entrypoint', d.entrypoint, 'path', d.path) END,
           'work_pool', json_build_object('id', p.id, 'name', p.name, 'type', p.type),
           'job', v.defaults || coalesce(nullif(d.job_variables::jsonb, 'null'), '{}') || coalesce(nullif(fr.job_variables::jsonb, 'null'), '{}')
               || jsonb_build_object('env', coalesce(v.defaults->'env', '{}') || coalesce(d.job_variables::jsonb->'env', '{}')
                                            || coalesce(fr.job_variables::jsonb->'env', '{}')),
           'template', p.base_job_template->'job_configuration',
           'devices', (SELECT coalesce(json_agg(cd.device_name ORDER BY cd.ord), '[]') FROM claim_device cd
                        WHERE cd.claim_id = c.id AND NOT cd.part))::text
  FROM claim c
  JOIN flow_run fr ON fr.id = c.flow_run_id
  JOIN flow f ON f.id = fr.flow_id
  JOIN agent a ON a.id = c.agent_id
  JOIN work_pool p ON p.id = a.work_pool_id
  LEFT JOIN work_queue q ON q.id = fr.work_queue_id
  LEFT JOIN deployment d ON d.id = fr.deployment_id
 CROSS JOIN LATERAL (
        SELECT coalesce(jsonb_object_agg(e.key, e.value->'default'), '{}') AS defaults
          FROM jsonb_each(CASE jsonb_typeof(p.base_job_template::jsonb->'variables'->'properties')
                          WHEN 'object' THEN p.base_job_template::jsonb->'variables'->'properties' ELSE '{}' END) e
         WHERE jsonb_typeof(e.value) = 'object' AND e.value ? 'default' AND e.value->'default' <> 'null') v
 WHERE c.id = ANY($1::uuid[])
   AND c.agent_id = $2::uuid AND c.state = 'OFFERED'  -- so few that their number does not change the plan, which is kept then
 ORDER BY c.token;

-- name: claim_ack
-- Parallel arrays: id, token; $3 agent, $4 epoch, $5 seconds.  The claims that may be executed.
UPDATE claim c SET state = 'LIVE', expires = now() + $5::float8 * interval '1 second'
  FROM unnest($1::uuid[], $2::bigint[]) AS n (id, token)
 WHERE c.id = n.id AND c.token = n.token AND c.agent_id = $3::uuid AND c.epoch = $4::bigint AND c.state IN ('OFFERED', 'LIVE')
RETURNING c.id;

-- name: claim_extend
-- $1 claims, $2 agent, $3 epoch, $4 seconds.
UPDATE claim SET expires = now() + $4::float8 * interval '1 second'
 WHERE id = ANY($1::uuid[]) AND agent_id = $2::uuid AND epoch = $3::bigint AND state = 'LIVE';

-- name: claim_gone
-- $1 claims, $2 agent, $3 epoch.  Those of them that are not this agent's any more.
SELECT n.id FROM unnest($1::uuid[]) AS n (id)
 WHERE NOT EXISTS (SELECT FROM claim c WHERE c.id = n.id AND c.agent_id = $2::uuid AND c.epoch = $3::bigint
                                         AND c.state IN ('OFFERED', 'LIVE'));

-- name: claim_cancelling
-- $1 agent.  Runs that are to be stopped, and why.
SELECT fr.id, fr.state_message FROM claim c JOIN flow_run fr ON fr.id = c.flow_run_id
 WHERE c.agent_id = $1::uuid AND c.state = 'LIVE' AND fr.state_type = 'CANCELLING';

-- name: claim_drop_earlier
-- $1 agent, $2 epoch.  What an earlier start of the agent held.
UPDATE claim SET state = CASE state WHEN 'OFFERED' THEN 'RETURNED' ELSE 'LOST' END, ended = now()
 WHERE agent_id = $1::uuid AND epoch < $2::bigint AND state IN ('OFFERED', 'LIVE')
RETURNING flow_run_id, state;

-- name: claim_drop_expired
-- $1 limit.
UPDATE claim SET state = CASE state WHEN 'OFFERED' THEN 'RETURNED' ELSE 'LOST' END, ended = now()
 WHERE id IN (SELECT id FROM claim WHERE state IN ('OFFERED', 'LIVE') AND expires < now()
               ORDER BY id LIMIT $1::bigint FOR UPDATE SKIP LOCKED)
RETURNING flow_run_id, state;

-- name: claim_end
-- Parallel arrays: token, state (ENDED or LOST).
UPDATE claim c SET state = n.state, ended = now()
  FROM unnest($1::bigint[], $2::text[]) AS n (token, state)
 WHERE c.token = n.token;

-- name: claim_spare
-- $1 seconds.  The server was away: nobody could extend a claim.
UPDATE claim SET expires = now() + $1::float8 * interval '1 second'
 WHERE state = 'LIVE' AND expires < now() + $1::float8 * interval '1 second';

-- name: claim_left_runs
-- $1 runs whose claim is over: id, state, suspended, lost attempts, how many may be lost.  Locks them in order.
SELECT fr.id, fr.state_type, coalesce(fr.state_details->>'pause_reschedule', 'false') = 'true',
       (SELECT count(*) FROM claim c WHERE c.flow_run_id = fr.id AND c.state = 'LOST'),
       coalesce(fr.job_variables->>'lost_attempts', d.job_variables->>'lost_attempts', '3')
  FROM flow_run fr LEFT JOIN deployment d ON d.id = fr.deployment_id
 WHERE fr.id = ANY($1::uuid[])
 ORDER BY fr.id
   FOR UPDATE OF fr;

-- name: claim_end_task_runs
-- $1 runs whose attempt died.  What its tasks were doing died with it; the next attempt makes task runs of its own.
WITH died AS (
    SELECT id, uuid_v7() AS state_id, greatest(now(), state_timestamp + interval '1 microsecond') AS at,
           jsonb_build_object('flow_run_id', flow_run_id, 'task_run_id', id) AS details
      FROM task_run
     WHERE flow_run_id = ANY($1::uuid[]) AND state_type NOT IN ('COMPLETED', 'FAILED', 'CANCELLED', 'CRASHED')
       FOR UPDATE
), history AS (
    INSERT INTO task_run_state (id, task_run_id, "timestamp", type, name, message, state_details)
    SELECT state_id, id, at, 'CRASHED', 'Crashed', 'The agent was lost.', details FROM died
)
UPDATE task_run tr
   SET state_id = d.state_id, state_type = 'CRASHED', state_name = 'Crashed', state_timestamp = d.at,
       state_message = 'The agent was lost.', state_details = d.details, state_data = NULL, end_time = d.at,
       next_scheduled_start_time = NULL, updated = now(),
       total_run_time = tr.total_run_time
           + CASE WHEN tr.state_type = 'RUNNING' THEN greatest(0, extract(epoch FROM d.at - tr.state_timestamp)) ELSE 0 END
  FROM died d
 WHERE tr.id = d.id;

-- name: claim_release_retries
-- $1 runs.  They wait for a retry in a process that is gone: any agent may take them.
UPDATE flow_run SET empirical_policy = jsonb_set(empirical_policy, '{retry_type}', '"reschedule"')
 WHERE id = ANY($1::uuid[]) AND state_type = 'SCHEDULED' AND empirical_policy->>'retry_type' = 'in_process';

-- name: agent_worker
-- $1 agent's name, $2 pool, $3 seconds between heartbeats.  The pool and its queues are served.  What became ready: id, what it is.
WITH pool AS (
    UPDATE work_pool SET status = 'READY', updated = now() WHERE name = $2 AND status = 'NOT_READY' RETURNING id
), q AS (
    SELECT q.id, q.is_paused, q.status FROM work_queue q JOIN work_pool p ON p.id = q.work_pool_id
     WHERE p.name = $2 ORDER BY q.id FOR UPDATE OF q
), queues AS (
    UPDATE work_queue SET last_polled = now(), status = CASE WHEN q.is_paused THEN 'PAUSED' ELSE 'READY' END
      FROM q WHERE q.id = work_queue.id
), d AS (
    SELECT id, status FROM deployment
     WHERE work_queue_id IN (SELECT id FROM q)
       AND (status <> 'READY' OR last_polled IS NULL OR last_polled < now() - interval '30 seconds')
     ORDER BY id FOR UPDATE
), deployments AS (
    UPDATE deployment SET last_polled = now(), status = 'READY' FROM d WHERE d.id = deployment.id
), beat AS (
    INSERT INTO worker (id, name, work_pool_id, last_heartbeat_time, heartbeat_interval_seconds, status)
    SELECT gen_random_uuid(), $1, p.id, now(), $3::bigint, 'ONLINE' FROM work_pool p WHERE p.name = $2
        ON CONFLICT (work_pool_id, name) DO UPDATE
       SET last_heartbeat_time = now(), heartbeat_interval_seconds = excluded.heartbeat_interval_seconds, status = 'ONLINE', updated = now()
)
SELECT id, 'work-pool' FROM pool
 UNION ALL SELECT id, 'work-queue' FROM q WHERE status <> 'READY' AND NOT is_paused
 UNION ALL SELECT id, 'deployment' FROM d WHERE status <> 'READY';

-- name: journal_lock
-- $1 agent.
SELECT epoch, acked_seq FROM agent WHERE id = $1::uuid FOR UPDATE;

-- name: journal_claims
-- $1 tokens, $2 agent.
SELECT token, id, flow_run_id, state, created FROM claim WHERE token = ANY($1::bigint[]) AND agent_id = $2::uuid ORDER BY id FOR UPDATE;

-- name: journal_acked
-- $1 agent, $2 seq.
UPDATE agent SET acked_seq = $2::bigint, last_seen = now() WHERE id = $1::uuid;

-- name: file_name_put
-- $1 name, $2 sha256, $3 bytes.
INSERT INTO file_name (name, sha256, bytes) VALUES ($1, $2, $3::bigint)
    ON CONFLICT (name) DO UPDATE SET sha256 = excluded.sha256, bytes = excluded.bytes, updated = now();

-- name: file_name_get
-- $1 name.
SELECT json_build_object('name', name, 'sha256', sha256, 'bytes', bytes,
                         'created', to_char(created, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                         'updated', to_char(updated, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))::text
  FROM file_name WHERE name = $1;
