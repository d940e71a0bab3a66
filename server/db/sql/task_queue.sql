-- name: task_queue_put
-- $1 task run, $2 whether it is a retry.
INSERT INTO task_queue (task_run_id, task_key, again) SELECT id, task_key, $2::boolean FROM task_run WHERE id = $1
    ON CONFLICT (task_run_id) DO UPDATE SET again = task_queue.again OR excluded.again, held_until = NULL;

-- name: task_queue_take
-- $1 task keys, $2 seconds to hold it.  The run that is next, and until when it is held; runs that began otherwise are passed over.
WITH next AS (
    SELECT q.task_run_id FROM task_queue q JOIN task_run tr ON tr.id = q.task_run_id
     WHERE q.task_key = ANY($1::text[]) AND (q.held_until IS NULL OR q.held_until < now()) AND tr.state_type = 'SCHEDULED'
     ORDER BY q.again DESC, q.created, q.task_run_id LIMIT 1 FOR UPDATE OF q SKIP LOCKED
)
UPDATE task_queue q SET held_until = now() + $2::float8 * interval '1 second' FROM next WHERE q.task_run_id = next.task_run_id
RETURNING q.task_run_id, q.held_until;

-- name: task_queue_acknowledge
-- $1 task run, $2 until when it is held: nobody else took it since.
DELETE FROM task_queue WHERE task_run_id = $1 AND held_until = $2;

-- name: task_queue_release
-- $1 task run, $2 until when it is held.  It comes again, before the others.
UPDATE task_queue SET held_until = NULL, again = true WHERE task_run_id = $1 AND held_until = $2;

-- name: task_queue_sweep
-- Runs that began or ended otherwise.
DELETE FROM task_queue q USING task_run tr WHERE tr.id = q.task_run_id AND tr.state_type <> 'SCHEDULED';
