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
                        recoveries, quarantined_since)
    SELECT $1::uuid, name, type, target, labels, health, free, capabilities, location, firmware, bench, capacity,
           coalesce(json_whole(health->'flashes'), 0), coalesce(json_whole(health->'failures'), 0), ladder_total('{}', '{}', health),
           CASE WHEN health->>'quarantined' = 'true' THEN now() END FROM n
        ON CONFLICT (agent_id, name) DO UPDATE
       SET type = excluded.type, target = excluded.target, labels = excluded.labels, health = excluded.health, free = excluded.free,
           capabilities = excluded.capabilities, location = excluded.location, firmware = device.firmware || excluded.firmware, bench = excluded.bench,
           capacity = excluded.capacity, gone_since = NULL,
           flash_count = device.flash_count + counted(device.health->'flashes', excluded.health->'flashes'),
           failure_count = device.failure_count + counted(device.health->'failures', excluded.health->'failures'),
           recoveries = ladder_total(device.recoveries, device.health, excluded.health),
           -- what a failed check said, or an agent before it was started anew, holds until it is returned
           quarantine_reason = CASE WHEN device.health->>'quarantined' = 'true' AND NOT device.return_asked
                                         AND excluded.health->>'quarantined' IS DISTINCT FROM 'true'
                                    THEN coalesce(device.health->>'reason', 'no reason given') ELSE device.quarantine_reason END,
           quarantined_since = CASE WHEN excluded.health->>'quarantined' = 'true' THEN coalesce(device.quarantined_since, now())
                                    WHEN device.quarantine_reason IS NOT NULL OR NOT device.return_asked THEN device.quarantined_since END,
           return_asked = device.return_asked AND coalesce(excluded.health->>'quarantined' = 'true', false)
     WHERE (device.type, device.target, device.labels, device.health, device.free, device.capabilities, device.location, device.firmware,
            device.bench, device.capacity, device.gone_since)
           IS DISTINCT FROM (excluded.type, excluded.target, excluded.labels, excluded.health, excluded.free, excluded.capabilities,
            excluded.location, device.firmware || excluded.firmware, excluded.bench, excluded.capacity, NULL)
    RETURNING name, health
), climbed AS ( -- rungs of the recovery ladder, as often as the agent has used them since it was heard of last
    INSERT INTO device_event (agent_id, device_name, kind, comment)
    SELECT $1::uuid, p.name, 'recovery', r.rung || CASE WHEN r.times > 1 THEN ', ' || r.times || ' times' ELSE '' END
      FROM put p JOIN device d ON d.agent_id = $1::uuid AND d.name = p.name
     CROSS JOIN LATERAL (SELECT rung, counted(d.health->rung, p.health->rung) AS times
                           FROM unnest('{retry,power_cycle,usb_reset,hub_cycle}'::text[]) AS rung) r
     WHERE r.times > 0
), told AS ( -- from what was to what is: other parts of this statement see the table as it was
    INSERT INTO device_event (agent_id, device_name, kind, comment)
    SELECT $1::uuid, p.name, CASE p.health->>'quarantined' WHEN 'true' THEN 'quarantine' ELSE 'return' END, p.health->>'reason'
      FROM put p LEFT JOIN device d ON d.agent_id = $1::uuid AND d.name = p.name
     WHERE coalesce(p.health->>'quarantined' = 'true', false) IS DISTINCT FROM coalesce(d.health->>'quarantined' = 'true', false)
       AND (p.health->>'quarantined' = 'true' OR d.return_asked)
)
SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM put);

-- name: device_list
-- $1 seconds without a word after which an agent counts as offline, $2 name or NULL.  A part that is free itself has the state of what its bench
-- waits for.
WITH used AS (
    SELECT agent_id, device_name, count(*) AS used FROM claim_device WHERE released IS NULL GROUP BY 1, 2
), state AS (
    SELECT d.*, CASE WHEN a.last_seen < now() - $1::float8 * interval '1 second' OR d.gone_since IS NOT NULL THEN 'OFFLINE'
                     WHEN d.health->>'quarantined' = 'true' OR d.quarantine_reason IS NOT NULL THEN 'QUARANTINED'
                     WHEN coalesce(u.used, 0) >= d.capacity THEN 'BUSY'
                     WHEN d.maintenance_since IS NOT NULL THEN 'MAINTENANCE'
                     WHEN NOT d.free THEN 'OFFLINE'
                     WHEN d.held_until > now() THEN 'HELD'
                     WHEN d.probation_since IS NOT NULL AND health_deployment(d.agent_id, d.type, d.target) IS NOT NULL THEN 'PROBATION' ELSE 'FREE' END AS own
      FROM device d
      JOIN agent a ON a.id = d.agent_id
      LEFT JOIN used u ON u.agent_id = d.agent_id AND u.device_name = d.name
)
SELECT coalesce(json_agg(json_build_object(
           'name', d.name, 'type', d.type, 'target', d.target, 'labels', d.labels, 'agent', a.id, 'agent_name', a.name,
           'pool', p.name, 'health', d.health, 'capabilities', d.capabilities, 'location', d.location, 'firmware', d.firmware, 'bench', d.bench,
           'capacity', d.capacity, 'used', coalesce(l.used, 0),
           'status', CASE WHEN d.own = 'FREE' THEN coalesce(whole.own, d.own) ELSE d.own END,
           'flow_run_id', l.run, 'token', l.token, 'leases', coalesce(l.leases, '[]'),
           'held_by', CASE WHEN d.held_until > now() THEN d.held_by END,
           'held_until', CASE WHEN d.held_until > now() THEN to_char(d.held_until, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') END,
           'held_comment', CASE WHEN d.held_until > now() THEN d.held_comment END,
           'maintenance_by', d.maintenance_by, 'maintenance_comment', d.maintenance_comment,
           'maintenance_since', to_char(d.maintenance_since, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
           'quarantine_reason', coalesce(d.quarantine_reason, CASE WHEN d.health->>'quarantined' = 'true' THEN d.health->>'reason' END),
           'quarantined_since', to_char(d.quarantined_since, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
           'probation_since', to_char(d.probation_since, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
           'flashes', d.flash_count, 'failures', d.failure_count, 'recoveries', ladder_total(d.recoveries, '{}', '{}'),
           'last_seen', to_char(a.last_seen, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) ORDER BY d.name, a.name), '[]')::text
  FROM state d
  JOIN agent a ON a.id = d.agent_id
  LEFT JOIN state whole ON whole.agent_id = d.agent_id AND whole.name = d.bench AND whole.own NOT IN ('FREE', 'BUSY')
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
-- $1 name, $2 agent's name or id, or NULL, $3 seconds without a word after which an agent counts as offline.  The agents that have it, and whether it
-- is there (an agent that was set up anew has another id); those first.  Locks them.
SELECT d.agent_id, d.gone_since IS NULL AND a.last_seen > now() - $3::float8 * interval '1 second', a.name
  FROM device d JOIN agent a ON a.id = d.agent_id
 WHERE d.name = $1 AND ($2::text IS NULL OR $2 IN (a.name, a.id::text)) ORDER BY 2 DESC, 1 FOR UPDATE OF d;

-- name: device_note
-- $1 agent's id, $2 name, $3 kind, $4 by, $5 comment, $6 run.
INSERT INTO device_event (agent_id, device_name, kind, by, comment, flow_run_id) VALUES ($1::uuid, $2, $3, $4, $5, $6::uuid);

-- name: device_maintain
-- $1 agent's id, $2 name, $3 on or off, $4 by, $5 comment.  After it a health check comes first.
UPDATE device SET probation_since = CASE WHEN NOT $3::boolean AND maintenance_since IS NOT NULL AND health_deployment(agent_id, type, target) IS NOT NULL
                                         THEN now() ELSE probation_since END,
                  maintenance_since = CASE WHEN $3::boolean THEN coalesce(maintenance_since, now()) END,
                  maintenance_by = CASE WHEN $3::boolean THEN $4 END, maintenance_comment = CASE WHEN $3::boolean THEN $5 END
 WHERE agent_id = $1::uuid AND name = $2;

-- name: device_ask_return
-- $1 agent's id, $2 name.  Its agent hears of it at its next heartbeat; then a health check comes first.  A probation ends at once.
UPDATE device SET return_asked = coalesce(health->>'quarantined' = 'true', false), quarantine_reason = NULL,
                  quarantined_since = CASE WHEN health->>'quarantined' = 'true' THEN quarantined_since END,
                  probation_since = CASE WHEN (health->>'quarantined' = 'true' OR quarantine_reason IS NOT NULL)
                                              AND health_deployment(agent_id, type, target) IS NOT NULL THEN now() END
 WHERE agent_id = $1::uuid AND name = $2;

-- name: device_returns
-- $1 agent, NULL: all.  Devices that are to leave the quarantine that the agent itself keeps: somebody asked for it, or its label `return_after_h`
-- or the `return_after_s` of its health flow says so.  Ours ends here.
WITH due AS (
    SELECT d.agent_id, d.name, coalesce(d.health->>'quarantined' = 'true', false) AS by_agent, d.return_asked, h.id AS checked_by
      FROM device d LEFT JOIN deployment h ON h.id = health_deployment(d.agent_id, d.type, d.target)
     WHERE ($1::uuid IS NULL OR d.agent_id = $1::uuid) AND (d.health->>'quarantined' = 'true' OR d.quarantine_reason IS NOT NULL)
       AND (d.return_asked
            OR device_returns_at(d.quarantined_since, d.labels, h.job_variables->'health') <= now())
), put AS (
    UPDATE device d SET return_asked = due.by_agent, quarantine_reason = NULL, quarantined_since = CASE WHEN due.by_agent THEN d.quarantined_since END,
                        probation_since = coalesce(d.probation_since, CASE WHEN due.checked_by IS NOT NULL THEN now() END)
      FROM due WHERE d.agent_id = due.agent_id AND d.name = due.name AND NOT due.return_asked
)
SELECT name FROM due WHERE by_agent;

-- name: device_kept
-- $1 agent.  Devices that people keep from runs.
SELECT name FROM device WHERE agent_id = $1::uuid AND (held_until > now() OR maintenance_since IS NOT NULL);

-- name: health_open
-- Checks whose run is over: id, agent, device, how the run ended, its message, the newest measurement's energy, whether it is valid, its failed gates,
-- what the deployment says of health, and up to 20 earlier energies of the device that passed.
SELECT c.id, c.agent_id, c.device_name, coalesce(fr.state_type, 'CANCELLED'), coalesce(fr.state_message, 'the run was deleted'),
       m.median_energy_per_inference_j, m.valid, m.failed_gates, d.job_variables->'health',
       (SELECT json_agg(p.value_j) FROM (SELECT value_j FROM device_check WHERE agent_id = c.agent_id AND device_name = c.device_name
                                            AND deployment_id = c.deployment_id AND passed AND value_j IS NOT NULL ORDER BY id DESC LIMIT 20) p)
  FROM device_check c
  LEFT JOIN flow_run fr ON fr.id = c.flow_run_id
  LEFT JOIN deployment d ON d.id = c.deployment_id
  LEFT JOIN LATERAL (SELECT * FROM measurement WHERE flow_run_id = c.flow_run_id ORDER BY created DESC, id DESC LIMIT 1) m ON true
 WHERE c.ended IS NULL AND (fr.id IS NULL OR fr.state_type IN ('COMPLETED', 'FAILED', 'CRASHED', 'CANCELLED'))
 ORDER BY c.id LIMIT 100 FOR UPDATE OF c SKIP LOCKED;

-- name: health_settle
-- $1 check, $2 passed or NULL, $3 energy, $4 low, $5 high, $6 reason.
WITH c AS (
    UPDATE device_check SET ended = now(), passed = $2::boolean, value_j = $3::float8, low_j = $4::float8, high_j = $5::float8, reason = $6
     WHERE id = $1::bigint RETURNING *
), d AS (
    UPDATE device SET probation_since = CASE WHEN $2::boolean IS NULL THEN probation_since END,
                      quarantine_reason = CASE WHEN $2::boolean = false THEN $6 ELSE quarantine_reason END,
                      quarantined_since = CASE WHEN $2::boolean = false THEN coalesce(quarantined_since, now()) ELSE quarantined_since END
      FROM c WHERE device.agent_id = c.agent_id AND device.name = c.device_name
)
INSERT INTO device_event (agent_id, device_name, kind, comment, flow_run_id)
SELECT agent_id, device_name, CASE $2::boolean WHEN true THEN 'health passed' WHEN false THEN 'quarantine' ELSE 'health undecided' END, $6, flow_run_id FROM c;

-- name: health_due
-- $1 seconds after which an agent counts as offline, $2 seconds until a check that told nothing is repeated.  Devices that are to be checked now:
-- agent, device, deployment, the run as POST create_flow_run has it.
SELECT d.agent_id, d.name, h.id, json_build_object(
           'name', 'health ' || d.name, 'tags', json_build_array('health:' || d.name),
           'parameters', coalesce((h.job_variables->'health'->'parameters')::jsonb, '{}')
               || CASE WHEN d.target IS NOT NULL AND (h.parameter_openapi_schema->'properties')::jsonb ? 'target'
                       THEN jsonb_build_object('target', d.target) ELSE '{}' END,
           'job_variables', json_build_object('devices', jsonb_set(coalesce((h.job_variables->'devices')::jsonb, '[0]'), '{0}', jsonb_build_object(
               'as', coalesce(h.job_variables->'devices'->0->>'as', 'bench'), 'name', d.name, 'agent', d.agent_id, 'health', true))))::text
  FROM device d
  JOIN agent a ON a.id = d.agent_id
  JOIN deployment h ON h.id = health_deployment(d.agent_id, d.type, d.target)
  LEFT JOIN LATERAL (SELECT * FROM device_check c WHERE c.agent_id = d.agent_id AND c.device_name = d.name ORDER BY id DESC LIMIT 1) last ON true
 WHERE a.last_seen > now() - $1::float8 * interval '1 second' AND d.gone_since IS NULL AND d.maintenance_since IS NULL
   AND d.quarantine_reason IS NULL AND d.health->>'quarantined' IS DISTINCT FROM 'true'
   AND (last.id IS NULL OR last.ended IS NOT NULL
        AND CASE WHEN last.passed IS NULL THEN last.ended < now() - $2::float8 * interval '1 second'
                 ELSE d.probation_since > last.began
                      OR last.began < now() - json_real((h.job_variables->'health'->'every_s')::jsonb) * interval '1 second' END)
 ORDER BY d.agent_id, d.name LIMIT 100 FOR UPDATE OF d SKIP LOCKED;

-- name: health_point
-- Where a check that cannot be made goes back to.
SAVEPOINT health;

-- name: health_back
ROLLBACK TO SAVEPOINT health;

-- name: health_unmade
-- $1 agent, $2 device, $3 deployment, $4 why there is no run.  Tried again as a check that told nothing; its history has each reason once.
WITH last AS (
    SELECT id, flow_run_id, reason FROM device_check WHERE agent_id = $1::uuid AND device_name = $2 ORDER BY id DESC LIMIT 1
), again AS (
    UPDATE device_check c SET began = now(), ended = now(), deployment_id = $3::uuid, reason = $4 FROM last
     WHERE c.id = last.id AND last.flow_run_id IS NULL RETURNING 1
), first AS (
    INSERT INTO device_check (agent_id, device_name, deployment_id, ended, reason)
    SELECT $1::uuid, $2, $3::uuid, now(), $4 WHERE NOT EXISTS (SELECT FROM last WHERE flow_run_id IS NULL)
)
INSERT INTO device_event (agent_id, device_name, kind, comment)
SELECT $1::uuid, $2, 'health undecided', $4 WHERE NOT EXISTS (SELECT FROM last WHERE flow_run_id IS NULL AND reason = $4);

-- name: health_begin
-- $1 agent, $2 device, $3 deployment, $4 run.
INSERT INTO device_check (agent_id, device_name, deployment_id, flow_run_id) VALUES ($1::uuid, $2, $3::uuid, $4::uuid);

-- name: health_open_runs
-- The runs of the checks that are open.
SELECT flow_run_id FROM device_check WHERE ended IS NULL AND flow_run_id IS NOT NULL;

-- name: health_next
-- $1 seconds until a check that told nothing is repeated, $2 seconds after which an agent counts as offline.  When the next device is due by its
-- schedule, for another try, or leaves quarantine, at the earliest; it may be over: somebody had the device locked.
SELECT min(CASE WHEN d.quarantine_reason IS NOT NULL THEN device_returns_at(d.quarantined_since, d.labels, h.job_variables->'health')
                WHEN last.id IS NULL THEN now()
                WHEN last.passed IS NULL THEN last.ended + $1::float8 * interval '1 second'
                WHEN d.probation_since > last.began THEN now()
                ELSE last.began + json_real((h.job_variables->'health'->'every_s')::jsonb) * interval '1 second' END)
  FROM device d
  JOIN agent a ON a.id = d.agent_id
  JOIN deployment h ON h.id = health_deployment(d.agent_id, d.type, d.target)
  LEFT JOIN LATERAL (SELECT * FROM device_check c WHERE c.agent_id = d.agent_id AND c.device_name = d.name ORDER BY id DESC LIMIT 1) last ON true
 WHERE a.last_seen > now() - $2::float8 * interval '1 second' AND d.gone_since IS NULL AND d.maintenance_since IS NULL
   AND d.health->>'quarantined' IS DISTINCT FROM 'true';

-- name: device_history
-- $1 agent's id, $2 name, $3 limit.  What befell it and the runs that used it, newest first; totals; the last measurements: of the golden model by a
-- health check, and of any other run; the last health checks.
WITH m AS (
    SELECT DISTINCT ON (m.golden) m.golden,
           json_build_object('created', to_char(m.created, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'model', m.model, 'valid', m.valid,
                             'median_energy_per_inference_j', m.median_energy_per_inference_j, 'flow_run_id', m.flow_run_id) AS shown
      FROM (SELECT m.*, EXISTS (SELECT FROM device_check k WHERE k.flow_run_id = m.flow_run_id) AS golden
              FROM claim_device cd JOIN claim c ON c.id = cd.claim_id JOIN measurement m ON m.flow_run_id = c.flow_run_id
             WHERE cd.agent_id = $1::uuid AND cd.device_name = $2) m
     ORDER BY m.golden, m.created DESC, m.id DESC)
SELECT json_build_object(
           'flashes', d.flash_count, 'failures', d.failure_count, 'recoveries', ladder_total(d.recoveries, '{}', '{}'),
           'runs', (SELECT count(*) FROM claim_device cd WHERE cd.agent_id = d.agent_id AND cd.device_name = d.name),
           'last_golden_measurement', (SELECT shown FROM m WHERE golden), 'last_measurement', (SELECT shown FROM m WHERE NOT golden),
           'checks', (SELECT coalesce(json_agg(json_build_object('began', to_char(c.began, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'passed', c.passed,
                                                                'value_j', c.value_j, 'low_j', c.low_j, 'high_j', c.high_j, 'reason', c.reason,
                                                                'flow_run_id', c.flow_run_id) ORDER BY c.id DESC), '[]')
                        FROM (SELECT * FROM device_check WHERE agent_id = d.agent_id AND device_name = d.name ORDER BY id DESC LIMIT 20) c),
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
-- $1 agent's id, $2 name, $3 by, $4 minutes, $5 comment or NULL.  Who holds it; whether it was somebody else, who keeps it then.
WITH found AS (
    SELECT held_by, held_until > now() AND held_by <> $3 AS by_other FROM device WHERE agent_id = $1::uuid AND name = $2
), put AS (
    UPDATE device d SET held_by = $3, held_until = now() + $4::float8 * interval '1 minute', held_comment = $5
      FROM found f WHERE d.agent_id = $1::uuid AND d.name = $2 AND f.by_other IS NOT TRUE
)
SELECT held_by, coalesce(by_other, false) FROM found;

-- name: device_release
-- $1 agent's id, $2 name.
UPDATE device SET held_by = NULL, held_until = NULL, held_comment = NULL WHERE agent_id = $1::uuid AND name = $2;

-- name: device_runs
-- $1 agent's id, $2 device.  The runs that have it.
SELECT DISTINCT c.flow_run_id FROM claim_device cd JOIN claim c ON c.id = cd.claim_id
 WHERE cd.agent_id = $1::uuid AND cd.device_name = $2 AND cd.released IS NULL;

-- name: run_why
-- $1 run, $2 seconds without a word after which an agent counts as offline.  What the placement of the run looks at, one row.
WITH run AS (
    SELECT fr.*, q.name AS queue, q.priority, q.is_paused AS queue_paused, q.concurrency_limit AS queue_limit, q.work_pool_id,
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
       (SELECT count(*) FROM work_queue y JOIN flow_run x ON x.work_queue_id = y.id
         WHERE y.work_pool_id = run.work_pool_id AND NOT y.is_paused AND x.state_type = 'SCHEDULED' AND x.next_scheduled_start_time <= now()
           AND (y.priority, x.next_scheduled_start_time, x.id) < (run.priority, run.next_scheduled_start_time, run.id))
  FROM run LEFT JOIN work_pool p ON p.id = run.work_pool_id;

-- name: run_before
-- $1 run, $2 limit.  Due runs that are placed before it and ask for devices, in that order: name, what they ask for.
SELECT coalesce(x.name, x.id::text), need.devices
  FROM flow_run fr
  JOIN work_queue q ON q.id = fr.work_queue_id
  JOIN work_queue y ON y.work_pool_id = q.work_pool_id AND NOT y.is_paused
  JOIN flow_run x ON x.work_queue_id = y.id AND x.state_type = 'SCHEDULED' AND x.next_scheduled_start_time <= now()
                 AND (y.priority, x.next_scheduled_start_time, x.id) < (q.priority, fr.next_scheduled_start_time, fr.id)
  LEFT JOIN deployment d ON d.id = x.deployment_id
 CROSS JOIN LATERAL (SELECT needed_devices(x.job_variables, d.job_variables, x.parameters) AS devices OFFSET 0) need
 WHERE fr.id = $1::uuid AND need.devices <> '[]' AND x.empirical_policy->>'retry_type' IS DISTINCT FROM 'in_process'
 ORDER BY y.priority, x.next_scheduled_start_time, x.id
 LIMIT $2::bigint;

-- name: device_metrics
-- $1 seconds without a word after which an agent counts as offline.  Totals of all devices as lines for /metrics; NULL: there is none.
WITH d AS (
    SELECT format('agent="%s",device="%s"', metric_label(a.name), metric_label(d.name)) AS series, d.*,
           d.gone_since IS NULL AND a.last_seen > now() - $1::float8 * interval '1 second' AS up,
           d.health->>'quarantined' = 'true' OR d.quarantine_reason IS NOT NULL AS quarantined
      FROM device d JOIN agent a ON a.id = d.agent_id
), line AS (
    SELECT 1 AS kind, series, format('switchyard_device_up{%s} %s', series, up::int) AS text FROM d
     UNION ALL SELECT 2, series, format('switchyard_device_quarantined{%s} %s', series, coalesce(quarantined, false)::int) FROM d
     UNION ALL SELECT 3, series, format('switchyard_device_flashes_total{%s} %s', series, flash_count) FROM d
     UNION ALL SELECT 4, series, format('switchyard_device_failures_total{%s} %s', series, failure_count) FROM d
     UNION ALL SELECT 5, series, format('switchyard_device_recoveries_total{%s,rung="%s"} %s', series, r.key, r.value)
                 FROM d CROSS JOIN LATERAL jsonb_each_text(ladder_total(recoveries, '{}', '{}')) r
)
SELECT string_agg(CASE WHEN first THEN format(E'# TYPE %s %s\n', split_part(text, '{', 1), CASE WHEN kind < 3 THEN 'gauge' ELSE 'counter' END) ELSE '' END
                  || text || E'\n', '' ORDER BY kind, series, text)
  FROM (SELECT *, row_number() OVER (PARTITION BY kind ORDER BY series, text) = 1 AS first FROM line) l;
