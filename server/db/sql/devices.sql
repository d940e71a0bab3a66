-- name: device_sync
-- $1 agent; parallel arrays: name, type, target, labels, health, free.  Rows that changed.
WITH n AS (
    SELECT * FROM unnest($2::text[], $3::text[], $4::text[], $5::jsonb[], $6::jsonb[], $7::boolean[])
        AS n (name, type, target, labels, health, free)
), gone AS (
    DELETE FROM device d WHERE d.agent_id = $1::uuid AND d.name NOT IN (SELECT name FROM n) RETURNING 1
), put AS (
    INSERT INTO device (agent_id, name, type, target, labels, health, free)
    SELECT $1::uuid, name, type, target, labels, health, free FROM n
        ON CONFLICT (agent_id, name) DO UPDATE
       SET type = excluded.type, target = excluded.target, labels = excluded.labels, health = excluded.health, free = excluded.free
     WHERE (device.type, device.target, device.labels, device.health, device.free)
           IS DISTINCT FROM (excluded.type, excluded.target, excluded.labels, excluded.health, excluded.free)
    RETURNING 1
)
SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM put);

-- name: device_list
-- $1 seconds without a word after which an agent counts as offline.
SELECT coalesce(json_agg(json_build_object(
           'name', d.name, 'type', d.type, 'target', d.target, 'labels', d.labels, 'agent', a.id, 'agent_name', a.name,
           'pool', p.name, 'health', d.health,
           'status', CASE WHEN a.last_seen < now() - $1::float8 * interval '1 second' THEN 'OFFLINE'
                          WHEN d.health->>'quarantined' = 'true' THEN 'QUARANTINED'
                          WHEN NOT d.free THEN 'OFFLINE'
                          WHEN c.id IS NOT NULL THEN 'BUSY'
                          WHEN d.held_until > now() THEN 'HELD' ELSE 'FREE' END,
           'flow_run_id', c.flow_run_id, 'token', c.token,
           'held_by', CASE WHEN d.held_until > now() THEN d.held_by END,
           'held_until', CASE WHEN d.held_until > now() THEN to_char(d.held_until, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') END,
           'held_comment', CASE WHEN d.held_until > now() THEN d.held_comment END,
           'last_seen', to_char(a.last_seen, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) ORDER BY d.name, a.name), '[]')::text
  FROM device d
  JOIN agent a ON a.id = d.agent_id
  JOIN work_pool p ON p.id = a.work_pool_id
  LEFT JOIN claim c ON c.agent_id = d.agent_id AND c.device_name = d.name AND c.state IN ('OFFERED', 'LIVE');

-- name: device_hold
-- $1 name, $2 agent's name or NULL, $3 by, $4 minutes, $5 comment or NULL.  Agents that have it, held or not; who holds it when
-- it is somebody else.  Holds it only when it is one, and nobody else's.
WITH found AS (
    SELECT d.agent_id, d.name, CASE WHEN d.held_until > now() AND d.held_by <> $3 THEN d.held_by END AS holder
      FROM device d JOIN agent a ON a.id = d.agent_id
     WHERE d.name = $1 AND ($2::text IS NULL OR a.name = $2)
       FOR UPDATE OF d
), put AS (
    UPDATE device d
       SET held_by = $3, held_until = now() + $4::float8 * interval '1 minute', held_comment = $5
      FROM found f
     WHERE d.agent_id = f.agent_id AND d.name = f.name AND f.holder IS NULL AND (SELECT count(*) FROM found) = 1
    RETURNING 1
)
SELECT count(*), max(holder), (SELECT count(*) FROM put) FROM found;

-- name: device_release
-- $1 name, $2 agent's name or NULL.  How many it was.
UPDATE device d SET held_by = NULL, held_until = NULL, held_comment = NULL
  FROM agent a
 WHERE a.id = d.agent_id AND d.name = $1 AND ($2::text IS NULL OR a.name = $2)
RETURNING d.name;

-- name: run_why
-- $1 run, $2 seconds without a word after which an agent counts as offline.  What the placement of the run looks at, one row.
WITH run AS (
    SELECT fr.*, q.name AS queue, q.is_paused AS queue_paused, q.concurrency_limit AS queue_limit, q.work_pool_id,
           needed_target(fr.job_variables, d.job_variables, fr.parameters) AS target
      FROM flow_run fr
      LEFT JOIN work_queue q ON q.id = fr.work_queue_id
      LEFT JOIN deployment d ON d.id = fr.deployment_id
     WHERE fr.id = $1::uuid
), benches AS (
    SELECT d.name,
           CASE WHEN a.last_seen < now() - $2::float8 * interval '1 second' THEN 'its agent ' || a.name || ' is offline'
                WHEN d.health->>'quarantined' = 'true' THEN 'is quarantined: ' || coalesce(d.health->>'reason', 'no reason given')
                WHEN c.id IS NOT NULL THEN 'is leased by the run ' || coalesce(r.name, c.flow_run_id::text) || ' until '
                     || to_char(c.expires, 'YYYY-MM-DD"T"HH24:MI:SS"Z"') || ' or longer'
                WHEN NOT d.free THEN 'is down'
                WHEN d.held_until > now() THEN 'is held by ' || d.held_by || ' until ' || to_char(d.held_until, 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
                     || coalesce(': ' || d.held_comment, '') END AS obstacle
      FROM run
      JOIN agent a ON a.work_pool_id = run.work_pool_id
      JOIN device d ON d.agent_id = a.id AND d.target = run.target
      LEFT JOIN claim c ON c.agent_id = d.agent_id AND c.device_name = d.name AND c.state IN ('OFFERED', 'LIVE')
      LEFT JOIN flow_run r ON r.id = c.flow_run_id
)
SELECT run.state_type, run.state_name,
       to_char(run.next_scheduled_start_time, 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), coalesce(run.next_scheduled_start_time > now(), false),
       coalesce(run.empirical_policy->>'retry_type' = 'in_process', false),
       p.name, coalesce(p.is_paused, false), p.concurrency_limit,
       (SELECT count(*) FROM flow_run x JOIN work_queue y ON y.id = x.work_queue_id
         WHERE y.work_pool_id = run.work_pool_id AND x.state_type IN ('PENDING', 'RUNNING')),
       run.queue, coalesce(run.queue_paused, false), run.queue_limit,
       (SELECT count(*) FROM flow_run x WHERE x.work_queue_id = run.work_queue_id AND x.state_type IN ('PENDING', 'RUNNING')),
       (SELECT count(*) FROM worker w WHERE w.work_pool_id = run.work_pool_id
           AND w.last_heartbeat_time > now() - greatest(3 * w.heartbeat_interval_seconds, $2::float8) * interval '1 second'),
       (SELECT sum(greatest(0, a.slots - (SELECT count(*) FROM claim c WHERE c.agent_id = a.id AND c.state IN ('OFFERED', 'LIVE'))))
          FROM agent a WHERE a.work_pool_id = run.work_pool_id AND a.last_seen > now() - $2::float8 * interval '1 second'),
       run.target, (SELECT count(*) FROM benches), (SELECT count(*) FROM benches WHERE obstacle IS NULL),
       (SELECT string_agg(name || ' ' || obstacle, '; ' ORDER BY name) FROM benches WHERE obstacle IS NOT NULL),
       (SELECT count(*) FROM flow_run x WHERE x.work_queue_id = run.work_queue_id AND x.state_type = 'SCHEDULED'
           AND (x.next_scheduled_start_time, x.id) < (run.next_scheduled_start_time, run.id))
  FROM run LEFT JOIN work_pool p ON p.id = run.work_pool_id;
