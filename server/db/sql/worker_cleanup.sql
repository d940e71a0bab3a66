-- name: worker_cleanup_make
-- Runs whose cancellation took too long were given up; a worker of their pool is to tear down what they left.
INSERT INTO worker_cleanup (id, work_pool_id, work_queue_id, kind, flow_run_id, infrastructure_pid)
SELECT gen_random_uuid(), q.work_pool_id, q.id, 'cancelling_timeout_teardown.v1', fr.id, fr.infrastructure_pid
  FROM flow_run fr JOIN work_queue q ON q.id = fr.work_queue_id
 WHERE fr.state_type = 'CANCELLED' AND fr.end_time > now() - interval '1 hour'
   AND fr.state_message LIKE 'Flow run cancellation timed out%'
    ON CONFLICT (kind, flow_run_id) DO NOTHING;

-- name: worker_cleanup_take
-- $1 pool, $2 queues or NULL for all, $3 kinds, $4 seconds to hold it, $5 most deliveries.  What was delivered too often is given up first.
WITH dead AS (
    UPDATE worker_cleanup SET outcome = 'dead_lettered', held_until = NULL
     WHERE work_pool_id = $1 AND outcome IS NULL AND delivery_count >= $5::int AND held_until < now()
), next AS (
    SELECT id FROM worker_cleanup
     WHERE work_pool_id = $1 AND outcome IS NULL AND (held_until IS NULL OR held_until < now()) AND kind = ANY($3::text[])
       AND delivery_count < $5::int AND ($2::uuid[] IS NULL OR work_queue_id IS NULL OR work_queue_id = ANY($2::uuid[]))
     ORDER BY created, id LIMIT 1 FOR UPDATE SKIP LOCKED
)
UPDATE worker_cleanup c
   SET reservation_token = gen_random_uuid(), held_until = now() + $4::float8 * interval '1 second', delivery_count = delivery_count + 1
  FROM next WHERE c.id = next.id
RETURNING c.id, c.kind, c.flow_run_id, c.infrastructure_pid, c.claim_id, c.reservation_token, c.held_until, c.delivery_count, c.work_queue_id, c.data;

-- name: worker_cleanup_lock
-- $1 message.  Outcome, token, whether it is held still.
SELECT outcome, reservation_token, coalesce(held_until > now(), false) FROM worker_cleanup WHERE id = $1 FOR UPDATE;

-- name: worker_cleanup_acknowledge
UPDATE worker_cleanup SET outcome = 'acknowledged', held_until = NULL WHERE id = $1;

-- name: worker_cleanup_release
UPDATE worker_cleanup SET reservation_token = NULL, held_until = NULL WHERE id = $1;

-- name: worker_cleanup_renew
-- $1 message, $2 seconds.
UPDATE worker_cleanup SET held_until = now() + $2::float8 * interval '1 second' WHERE id = $1 RETURNING held_until;

-- name: work_pool_digest
-- $1 name.  Id, and what changes when workers must be told.
SELECT id, md5(concat_ws('|', base_job_template::text, concurrency_limit::text, is_paused::text, storage_configuration::text)) FROM work_pool WHERE name = $1;

-- name: work_queues_named
-- $1 pool, $2 names or NULL for all.
SELECT id, name FROM work_queue WHERE work_pool_id = $1 AND ($2::text[] IS NULL OR name = ANY($2::text[])) ORDER BY priority, name;
