-- name: late_runs
-- $1 scheduled at this time or before, $2 limit.  Locks them: id, when they should have begun.
SELECT id, next_scheduled_start_time FROM flow_run
 WHERE state_type = 'SCHEDULED' AND state_name = 'Scheduled' AND next_scheduled_start_time <= $1
 ORDER BY next_scheduled_start_time LIMIT $2
   FOR UPDATE SKIP LOCKED;

-- name: late_runs_next
SELECT next_scheduled_start_time FROM flow_run
 WHERE state_type = 'SCHEDULED' AND state_name = 'Scheduled' AND next_scheduled_start_time IS NOT NULL
 ORDER BY next_scheduled_start_time LIMIT 1;

-- name: pauses_over
-- $1 now, $2 limit.  Locks them.
SELECT id FROM flow_run
 WHERE state_type = 'PAUSED' AND (state_details->>'pause_timeout')::timestamptz < $1
 ORDER BY id LIMIT $2
   FOR UPDATE SKIP LOCKED;

-- name: pauses_next
SELECT min((state_details->>'pause_timeout')::timestamptz) FROM flow_run WHERE state_type = 'PAUSED';

-- name: cancellations_over
-- $1 CANCELLING since this time or before, $2 limit.  Locks them.
SELECT id FROM flow_run WHERE state_type = 'CANCELLING' AND state_timestamp <= $1 ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED;

-- name: cancellations_next
SELECT min(state_timestamp) FROM flow_run WHERE state_type = 'CANCELLING';

-- name: cancelled_task_runs
-- $1 since, $2 limit.  Task runs of cancelled flow runs that have not ended.
SELECT tr.id FROM flow_run fr JOIN task_run tr ON tr.flow_run_id = fr.id
 WHERE fr.state_type = 'CANCELLED' AND fr.end_time >= $1
   AND coalesce(tr.state_type, '') NOT IN ('COMPLETED', 'FAILED', 'CANCELLED', 'CRASHED')
 ORDER BY tr.id LIMIT $2;

-- name: cancelled_subflows
-- $1 since, $2 limit.  Subflows of cancelled flow runs that have not ended: id, whether somebody can stop them.  Locks them.
SELECT sub.id, sub.deployment_id IS NOT NULL
  FROM flow_run fr JOIN task_run tr ON tr.flow_run_id = fr.id JOIN flow_run sub ON sub.parent_task_run_id = tr.id
 WHERE fr.state_type = 'CANCELLED' AND fr.end_time >= $1
   AND coalesce(sub.state_type, '') NOT IN ('COMPLETED', 'FAILED', 'CANCELLED', 'CRASHED', 'CANCELLING')
 ORDER BY sub.id LIMIT $2
   FOR UPDATE OF sub SKIP LOCKED;

-- name: workers_silent
-- $1 now, $2 heartbeats that may be missed, $3 seconds between them where a worker did not tell, $4 limit.
UPDATE worker SET status = 'OFFLINE', updated = now()
 WHERE id IN (SELECT id FROM worker
               WHERE status = 'ONLINE'
                 AND (last_heartbeat_time IS NULL
                      OR last_heartbeat_time + $2::bigint * coalesce(heartbeat_interval_seconds, $3::bigint) * interval '1 second' < $1)
               ORDER BY id LIMIT $4 FOR UPDATE SKIP LOCKED);

-- name: pools_unserved
-- $1 limit.  READY without a worker: id.
UPDATE work_pool SET status = 'NOT_READY', updated = now()
 WHERE id IN (SELECT p.id FROM work_pool p
               WHERE p.status = 'READY' AND NOT EXISTS (SELECT FROM worker w WHERE w.work_pool_id = p.id AND w.status = 'ONLINE')
               ORDER BY p.id LIMIT $1 FOR UPDATE SKIP LOCKED)
RETURNING id;

-- name: queues_unpolled
-- $1 polled before, $2 limit.
UPDATE work_queue SET status = 'NOT_READY', updated = now()
 WHERE id IN (SELECT id FROM work_queue WHERE status = 'READY' AND coalesce(last_polled < $1, true)
               ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING id;

-- name: deployments_unpolled
-- $1 polled before, $2 limit.
UPDATE deployment SET status = 'NOT_READY'
 WHERE id IN (SELECT id FROM deployment WHERE status = 'READY' AND coalesce(last_polled < $1, true)
               ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING id;

-- name: liveness_next
-- $1 heartbeats, $2 seconds between, $3 seconds for a queue, $4 for a deployment.  When the next one may be given up.
SELECT least((SELECT min(last_heartbeat_time + $1::bigint * coalesce(heartbeat_interval_seconds, $2::bigint) * interval '1 second')
                FROM worker WHERE status = 'ONLINE'),
             (SELECT min(last_polled) + $3::float8 * interval '1 second' FROM work_queue WHERE status = 'READY'),
             (SELECT last_polled + $4::float8 * interval '1 second' FROM deployment WHERE status = 'READY'
               ORDER BY last_polled LIMIT 1));

-- name: leases_expire
-- $1 now, $2 limit.  One that was renewed meanwhile is not there any more.
WITH e AS (SELECT id, limit_id FROM concurrency_lease WHERE expires < $1 ORDER BY id, limit_id LIMIT $2 FOR UPDATE SKIP LOCKED)
DELETE FROM concurrency_lease l USING e
 WHERE l.id = e.id AND l.limit_id = e.limit_id AND l.expires < $1
RETURNING l.id;

-- name: leases_next
SELECT expires FROM concurrency_lease ORDER BY expires LIMIT 1;

-- name: claims_next
SELECT min(expires) FROM claim WHERE state IN ('OFFERED', 'LIVE');
