-- name: device_sync
-- $1 agent; parallel arrays: name, type, target, labels, health, free, capabilities, location, firmware, bench, capacity.  Rows that changed.
-- One that is not reported any more is kept for a week: its maintenance and its history are.
WITH n AS (
    SELECT * FROM unnest($2::text[], $3::text[], $4::text[], $5::jsonb[], $6::jsonb[], $7::boolean[], $8::jsonb[], $9::text[], $10::jsonb[],
                         $11::text[], $12::bigint[])
        AS n (name, type, target, labels, health, free, capabilities, location, firmware, bench, capacity)
), forgotten AS (
    DELETE FROM device d WHERE d.agent_id = $1::uuid AND d.gone_since < now() - interval '7 days' AND d.name NOT IN (SELECT name FROM n) RETURNING 1
), gone AS (
    UPDATE device d SET gone_since = now(), free = false
     WHERE d.agent_id = $1::uuid AND d.gone_since IS NULL AND d.name NOT IN (SELECT name FROM n) RETURNING 1
), put AS (
    INSERT INTO device (agent_id, name, type, target, labels, health, free, capabilities, location, firmware, bench, capacity, flash_count, failure_count,
                        quarantined_since)
    SELECT $1::uuid, name, type, target, labels, health, free, capabilities, location, firmware, bench, capacity,
           coalesce(json_whole(health->'flashes'), 0), coalesce(json_whole(health->'failures'), 0),
           CASE WHEN health->>'quarantined' = 'true' THEN now() END FROM n
        ON CONFLICT (agent_id, name) DO UPDATE
       SET type = excluded.type, target = excluded.target, labels = excluded.labels, health = excluded.health, free = excluded.free,
           capabilities = excluded.capabilities, location = excluded.location, firmware = device.firmware || excluded.firmware, bench = excluded.bench,
           capacity = excluded.capacity, gone_since = NULL,
           flash_count = device.flash_count + counted(device.health->'flashes', excluded.health->'flashes'),
           failure_count = device.failure_count + counted(device.health->'failures', excluded.health->'failures'),
           quarantined_since = CASE WHEN excluded.health->>'quarantined' = 'true' THEN coalesce(device.quarantined_since, now()) END,
           return_asked = device.return_asked AND coalesce(excluded.health->>'quarantined' = 'true', false)
     WHERE (device.type, device.target, device.labels, device.health, device.free, device.capabilities, device.location, device.firmware,
            device.bench, device.capacity, device.gone_since)
           IS DISTINCT FROM (excluded.type, excluded.target, excluded.labels, excluded.health, excluded.free, excluded.capabilities,
            excluded.location, device.firmware || excluded.firmware, excluded.bench, excluded.capacity, NULL)
    RETURNING name, health
), told AS ( -- from what was to what is: other parts of this statement see the table as it was
    INSERT INTO device_event (agent_id, device_name, kind, comment)
    SELECT $1::uuid, p.name, CASE p.health->>'quarantined' WHEN 'true' THEN 'quarantine' ELSE 'return' END, p.health->>'reason'
      FROM put p LEFT JOIN device d ON d.agent_id = $1::uuid AND d.name = p.name
     WHERE coalesce(p.health->>'quarantined' = 'true', false) IS DISTINCT FROM coalesce(d.health->>'quarantined' = 'true', false)
)
SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM put);

-- name: device_list
-- $1 seconds without a word after which an agent counts as offline, $2 name or NULL.
SELECT coalesce(json_agg(json_build_object(
           'name', d.name, 'type', d.type, 'target', d.target, 'labels', d.labels, 'agent', a.id, 'agent_name', a.name,
           'pool', p.name, 'health', d.health, 'capabilities', d.capabilities, 'location', d.location, 'firmware', d.firmware, 'bench', d.bench,
           'capacity', d.capacity, 'used', coalesce(l.used, 0),
           'status', CASE WHEN a.last_seen < now() - $1::float8 * interval '1 second' OR d.gone_since IS NOT NULL THEN 'OFFLINE'
                          WHEN d.health->>'quarantined' = 'true' THEN 'QUARANTINED'
                          WHEN l.used >= d.capacity THEN 'BUSY'
                          WHEN d.maintenance_since IS NOT NULL THEN 'MAINTENANCE'
                          WHEN NOT d.free THEN 'OFFLINE'
                          WHEN d.held_until > now() THEN 'HELD'
                          WHEN d.probation_since IS NOT NULL THEN 'PROBATION' ELSE 'FREE' END,
           'flow_run_id', l.run, 'token', l.token, 'leases', coalesce(l.leases, '[]'),
           'held_by', CASE WHEN d.held_until > now() THEN d.held_by END,
           'held_until', CASE WHEN d.held_until > now() THEN to_char(d.held_until, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') END,
           'held_comment', CASE WHEN d.held_until > now() THEN d.held_comment END,
           'maintenance_by', d.maintenance_by, 'maintenance_comment', d.maintenance_comment,
           'maintenance_since', to_char(d.maintenance_since, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
           'quarantined_since', to_char(d.quarantined_since, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
           'probation_since', to_char(d.probation_since, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
           'flashes', d.flash_count, 'failures', d.failure_count,
           'last_seen', to_char(a.last_seen, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) ORDER BY d.name, a.name), '[]')::text
  FROM device d
  JOIN agent a ON a.id = d.agent_id
  JOIN work_pool p ON p.id = a.work_pool_id
  LEFT JOIN LATERAL (
        SELECT count(*) AS used, (array_agg(c.flow_run_id ORDER BY c.token))[1] AS run, min(c.token) AS token,
               json_agg(json_build_object('flow_run_id', c.flow_run_id, 'flow_run_name', r.name, 'token', c.token, 'slot', cd.slot,
                   'since', to_char(cd.since, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'expires', to_char(c.expires, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
                   ORDER BY c.token) AS leases
          FROM claim_device cd JOIN claim c ON c.id = cd.claim_id LEFT JOIN flow_run r ON r.id = c.flow_run_id
         WHERE cd.agent_id = d.agent_id AND cd.device_name = d.name AND cd.released IS NULL) l ON true
 WHERE $2::text IS NULL OR d.name = $2;

-- name: device_of
-- $1 name, $2 agent's name or NULL.  The agents that have it; locks them.
SELECT d.agent_id FROM device d JOIN agent a ON a.id = d.agent_id
 WHERE d.name = $1 AND ($2::text IS NULL OR a.name = $2) ORDER BY d.agent_id FOR UPDATE OF d;

-- name: device_note
-- $1 agent's id, $2 name, $3 kind, $4 by, $5 comment, $6 run.
INSERT INTO device_event (agent_id, device_name, kind, by, comment, flow_run_id) VALUES ($1::uuid, $2, $3, $4, $5, $6::uuid);

-- name: device_maintain
-- $1 agent's id, $2 name, $3 on or off, $4 by, $5 comment.
UPDATE device SET maintenance_since = CASE WHEN $3::boolean THEN coalesce(maintenance_since, now()) END,
                  maintenance_by = CASE WHEN $3::boolean THEN $4 END, maintenance_comment = CASE WHEN $3::boolean THEN $5 END
 WHERE agent_id = $1::uuid AND name = $2;

-- name: device_ask_return
-- $1 agent's id, $2 name.  Its agent hears of it at its next heartbeat; a probation ends at once.
UPDATE device SET return_asked = coalesce(health->>'quarantined' = 'true', false), probation_since = NULL WHERE agent_id = $1::uuid AND name = $2;

-- name: device_returns
-- $1 agent.  Devices whose quarantine is to end: somebody asked for it, or its label `return_after_h` says so.
SELECT name FROM device
 WHERE agent_id = $1::uuid AND health->>'quarantined' = 'true'
   AND (return_asked OR quarantined_since <= now() - json_real(CASE WHEN labels->>'return_after_h' ~ '^[0-9]{1,6}([.][0-9]{1,6})?$'
                                                                    THEN to_jsonb((labels->>'return_after_h')::numeric) END) * interval '1 hour');

-- name: device_history
-- $1 agent's id, $2 name, $3 limit.  What befell it and the runs that used it, newest first; totals; the last measurement of its golden model.
SELECT json_build_object(
           'flashes', d.flash_count, 'failures', d.failure_count,
           'runs', (SELECT count(*) FROM claim_device cd WHERE cd.agent_id = d.agent_id AND cd.device_name = d.name),
           'last_measurement', (
               SELECT json_build_object('created', to_char(m.created, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'model', m.model, 'valid', m.valid,
                                        'median_energy_per_inference_j', m.median_energy_per_inference_j, 'flow_run_id', m.flow_run_id)
                 FROM claim_device cd JOIN claim c ON c.id = cd.claim_id JOIN measurement m ON m.flow_run_id = c.flow_run_id
                WHERE cd.agent_id = d.agent_id AND cd.device_name = d.name ORDER BY m.created DESC, m.id DESC LIMIT 1),
           'events', (SELECT coalesce(json_agg(json_build_object('at', to_char(e.at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'kind', e.kind, 'by', e.by,
                                                                'comment', e.comment, 'flow_run_id', e.flow_run_id) ORDER BY e.at DESC), '[]')
                        FROM (SELECT at, kind, by, comment, flow_run_id FROM device_event WHERE agent_id = d.agent_id AND device_name = d.name
                               UNION ALL
                              (SELECT cd.since, 'run', NULL, r.name || ': ' || coalesce(r.state_name, ''), c.flow_run_id
                                 FROM claim_device cd JOIN claim c ON c.id = cd.claim_id LEFT JOIN flow_run r ON r.id = c.flow_run_id
                                WHERE cd.agent_id = d.agent_id AND cd.device_name = d.name ORDER BY cd.since DESC LIMIT $3::bigint)
                               ORDER BY at DESC LIMIT $3::bigint) e))::text
  FROM device d WHERE d.agent_id = $1::uuid AND d.name = $2;

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

-- name: device_runs
-- $1 agent's id, $2 device.  The runs that have it.
SELECT DISTINCT c.flow_run_id FROM claim_device cd JOIN claim c ON c.id = cd.claim_id
 WHERE cd.agent_id = $1::uuid AND cd.device_name = $2 AND cd.released IS NULL;

-- name: run_why
-- $1 run, $2 seconds without a word after which an agent counts as offline.  What the placement of the run looks at, one row.
WITH run AS (
    SELECT fr.*, q.name AS queue, q.is_paused AS queue_paused, q.concurrency_limit AS queue_limit, q.work_pool_id,
           needed_devices(fr.job_variables, d.job_variables, fr.parameters) AS devices
      FROM flow_run fr
      LEFT JOIN work_queue q ON q.id = fr.work_queue_id
      LEFT JOIN deployment d ON d.id = fr.deployment_id
     WHERE fr.id = $1::uuid
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
       run.devices, run.work_pool_id,
       (SELECT count(*) FROM flow_run x WHERE x.work_queue_id = run.work_queue_id AND x.state_type = 'SCHEDULED'
           AND (x.next_scheduled_start_time, x.id) < (run.next_scheduled_start_time, run.id))
  FROM run LEFT JOIN work_pool p ON p.id = run.work_pool_id;
