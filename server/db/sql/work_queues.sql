-- name: work_queue_names
-- $1 id.  Pool and queue.
SELECT p.name, q.name, q.id = p.default_queue_id FROM work_queue q JOIN work_pool p ON p.id = q.work_pool_id WHERE q.id = $1;

-- name: work_queue_seen
-- $1 id.  Who asks for work shows that the queue is served.
UPDATE work_queue SET last_polled = now(), status = CASE WHEN is_paused THEN 'PAUSED' ELSE 'READY' END WHERE id = $1;

-- name: work_queue_due
-- $1 id, $2 scheduled before or NULL, $3 limit.  No more than the queue has free slots.
SELECT fr.id FROM flow_run fr JOIN work_queue q ON q.id = fr.work_queue_id
 WHERE q.id = $1 AND NOT q.is_paused AND fr.state_type = 'SCHEDULED'
   AND ($2::timestamptz IS NULL OR fr.next_scheduled_start_time <= $2)
   AND coalesce(fr.empirical_policy->>'retry_type', '') <> 'in_process'
 ORDER BY fr.next_scheduled_start_time, fr.id
 LIMIT least($3::bigint, (SELECT greatest(0, q.concurrency_limit - count(r.id)) FROM work_queue q
                            LEFT JOIN flow_run r ON r.work_queue_id = q.id AND r.state_type IN ('PENDING', 'RUNNING', 'CANCELLING')
                           WHERE q.id = $1 AND q.concurrency_limit IS NOT NULL GROUP BY q.concurrency_limit));

-- name: work_queue_health
-- $1 id.  Late runs, last polled, whether that was within a minute.
SELECT (SELECT count(*) FROM flow_run fr WHERE fr.work_queue_id = q.id AND fr.state_type = 'SCHEDULED' AND fr.state_name = 'Late'),
       q.last_polled, coalesce(q.last_polled >= now() - interval '60 seconds', false)
  FROM work_queue q WHERE q.id = $1;

-- name: work_queue_slots
-- $1 id.  Limit and slots in use.
SELECT q.concurrency_limit, (SELECT count(*) FROM flow_run fr WHERE fr.work_queue_id = q.id AND fr.state_type IN ('PENDING', 'RUNNING', 'CANCELLING'))
  FROM work_queue q WHERE q.id = $1;

-- name: work_queue_slot_runs
-- $1 id, $2 limit, $3 offset.  Columns of slot_run_resource.
SELECT fr.id, fr.name, fr.state_type, fr.state_name, fr.start_time, fr.state_timestamp, extract(epoch FROM now() - fr.state_timestamp)::float8
  FROM flow_run fr WHERE fr.work_queue_id = $1 AND fr.state_type IN ('PENDING', 'RUNNING', 'CANCELLING')
 ORDER BY fr.id LIMIT $2::bigint OFFSET $3::bigint;

-- name: work_pool_slots
-- $1 name.  Id, limit, slots in use, number of queues.
SELECT p.id, p.concurrency_limit,
       (SELECT count(*) FROM flow_run fr JOIN work_queue q ON q.id = fr.work_queue_id WHERE q.work_pool_id = p.id AND fr.state_type IN ('PENDING', 'RUNNING')),
       (SELECT count(*) FROM work_queue q WHERE q.work_pool_id = p.id)
  FROM work_pool p WHERE p.name = $1;

-- name: work_pool_queue_slots
-- $1 pool, $2 limit, $3 offset.  Id, name, slots in use, limit.
SELECT q.id, q.name, (SELECT count(*) FROM flow_run fr WHERE fr.work_queue_id = q.id AND fr.state_type IN ('PENDING', 'RUNNING')), q.concurrency_limit
  FROM work_queue q WHERE q.work_pool_id = $1 ORDER BY q.priority, q.name LIMIT $2::bigint OFFSET $3::bigint;

-- name: work_pool_slot_runs
-- $1 queues, $2 runs of each.  The queue, then columns of slot_run_resource.
SELECT work_queue_id, id, name, state_type, state_name, start_time, state_timestamp, extract(epoch FROM now() - state_timestamp)::float8
  FROM (SELECT fr.*, row_number() OVER (PARTITION BY fr.work_queue_id ORDER BY fr.id) AS nth FROM flow_run fr
         WHERE fr.work_queue_id = ANY($1::uuid[]) AND fr.state_type IN ('PENDING', 'RUNNING')) fr
 WHERE nth <= $2::bigint ORDER BY work_queue_id, nth;
