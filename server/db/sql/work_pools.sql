-- name: work_pool_insert
-- $1 id, $2 name, $3 description, $4 type, $5 template, $6 paused, $7 limit, $8 storage, $9 id of the default queue.
WITH pool AS (
    INSERT INTO work_pool (id, name, description, type, base_job_template, is_paused, concurrency_limit, storage_configuration, default_queue_id, status)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9,
            CASE WHEN $4 = 'prefect-agent' THEN NULL WHEN $6 THEN 'PAUSED' ELSE 'NOT_READY' END)
    RETURNING id
)
INSERT INTO work_queue (id, name, description, work_pool_id, priority) SELECT $9, 'default', 'The work pool''s default queue.', id, 1 FROM pool;

-- name: work_pool_id
SELECT id, is_paused FROM work_pool WHERE name = $1;

-- name: work_pool_delete
WITH r AS (UPDATE flow_run SET work_queue_id = NULL
            WHERE work_queue_id IN (SELECT wq.id FROM work_queue wq JOIN work_pool wp ON wp.id = wq.work_pool_id WHERE wp.name = $1))
DELETE FROM work_pool WHERE name = $1 RETURNING id;

-- name: work_pool_refresh_status
-- $1 name.  After a change of is_paused: what the heartbeats of its workers say.
-- Row: id and status, if it is another one.
WITH n AS (
    SELECT wp.id, CASE WHEN wp.type = 'prefect-agent' THEN NULL
                       WHEN wp.is_paused THEN 'PAUSED'
                       WHEN EXISTS (SELECT 1 FROM worker w WHERE w.work_pool_id = wp.id AND w.status = 'ONLINE') THEN 'READY'
                       ELSE 'NOT_READY' END AS status
      FROM work_pool wp WHERE wp.name = $1
)
UPDATE work_pool wp SET status = n.status FROM n WHERE wp.id = n.id AND wp.status IS DISTINCT FROM n.status
RETURNING wp.id, wp.status;

-- name: work_queue_move
-- $1 pool, $2 queue, $3 its new priority.  Those that are in the way move back, and no farther than it takes to be unique again.
UPDATE work_queue q SET priority = moved.priority, updated = now()
  FROM (SELECT id, nth + max(priority - nth) OVER (ORDER BY nth) AS priority
          FROM (SELECT id, wanted AS priority, row_number() OVER (ORDER BY wanted, id <> $2, id) AS nth
                  FROM (SELECT id, CASE WHEN id = $2 THEN $3 ELSE priority END AS wanted FROM work_queue WHERE work_pool_id = $1) w) ordered) moved
 WHERE q.id = moved.id AND q.priority <> moved.priority;

-- name: work_queue_insert
-- $1 id, $2 name, $3 description, $4 paused, $5 limit, $6 priority or NULL (the first that is free), $7 pool, $8 filter.
INSERT INTO work_queue (id, name, description, is_paused, concurrency_limit, priority, work_pool_id, filter)
VALUES ($1, $2, coalesce($3, ''), $4, $5, coalesce($6, (SELECT min(n) FROM generate_series(1, (SELECT count(*) + 1 FROM work_queue WHERE work_pool_id = $7)) n
          WHERE NOT EXISTS (SELECT 1 FROM work_queue q WHERE q.work_pool_id = $7 AND q.priority = n))), $7, $8);

-- name: work_queue_ensure
-- $1 id for a new one, $2 pool, $3 name.
INSERT INTO work_queue (id, name, work_pool_id, priority)
SELECT $1, $3, $2, (SELECT min(n) FROM generate_series(1, (SELECT count(*) + 1 FROM work_queue WHERE work_pool_id = $2)) n
          WHERE NOT EXISTS (SELECT 1 FROM work_queue q WHERE q.work_pool_id = $2 AND q.priority = n))
    ON CONFLICT (work_pool_id, name) DO NOTHING
RETURNING id;

-- name: work_queue_find
-- $1 pool name, $2 queue name.
SELECT q.id, q.work_pool_id, q.id = p.default_queue_id FROM work_queue q JOIN work_pool p ON p.id = q.work_pool_id
 WHERE p.name = $1 AND q.name = $2;

-- name: work_queue_delete
WITH r AS (UPDATE flow_run SET work_queue_id = NULL WHERE work_queue_id = $1)
DELETE FROM work_queue WHERE id = $1;

-- name: worker_heartbeat
-- $1 id for a new one, $2 pool name, $3 worker, $4 interval.  No row when there is no such pool; with its status if that is new.
WITH pool AS (
    SELECT id FROM work_pool WHERE name = $2
), beat AS (
    INSERT INTO worker (id, name, work_pool_id, last_heartbeat_time, heartbeat_interval_seconds, status)
    SELECT $1, $3, id, now(), $4, 'ONLINE' FROM pool
        ON CONFLICT (work_pool_id, name) DO UPDATE
       SET last_heartbeat_time = now(), heartbeat_interval_seconds = coalesce($4, worker.heartbeat_interval_seconds), status = 'ONLINE'
), ready AS (
    UPDATE work_pool SET status = 'READY' WHERE id IN (SELECT id FROM pool) AND status = 'NOT_READY' RETURNING status
)
SELECT id, (SELECT status FROM ready) FROM pool;

-- name: worker_delete
-- $1 pool name, $2 worker.
DELETE FROM worker w USING work_pool p WHERE p.name = $1 AND w.work_pool_id = p.id AND w.name = $2 RETURNING w.id;

-- name: work_polled
-- $1 pool, $2 queue names or NULL for all.  Who asks for work shows that queues and their deployments are served.
-- Rows: id and status of queues and deployments that were not, and which of the two.
WITH asked AS (
    SELECT id, status, CASE WHEN is_paused THEN 'PAUSED' ELSE 'READY' END AS next FROM work_queue
     WHERE work_pool_id = $1 AND ($2::text[] IS NULL OR name = ANY($2))
       AND (last_polled IS NULL OR last_polled < now() - interval '2 seconds' OR status = 'NOT_READY')
     ORDER BY id FOR UPDATE
), polled AS (
    UPDATE work_queue q SET last_polled = now(), status = asked.next FROM asked WHERE q.id = asked.id
), served AS (
    SELECT d.id, d.status FROM deployment d WHERE d.work_queue_id IN (SELECT id FROM asked) ORDER BY d.id FOR UPDATE
), ready AS (
    UPDATE deployment d SET last_polled = now(), status = 'READY' FROM served WHERE d.id = served.id
)
SELECT id, next, false FROM asked WHERE status IS DISTINCT FROM next
UNION ALL
SELECT id, 'READY', true FROM served WHERE status IS DISTINCT FROM 'READY';

-- name: work_scheduled
-- $1 pool, $2 queue names or NULL, $3 scheduled before, $4 scheduled after, $5 limit.  Due runs in the order in which they are to
-- be started: by priority of their queue, then by time; no more than the queues and the pool have free slots.
WITH busy AS (
    SELECT fr.work_queue_id AS queue, count(*) AS n FROM flow_run fr
      JOIN work_queue q ON q.id = fr.work_queue_id
     WHERE q.work_pool_id = $1 AND fr.state_type IN ('PENDING', 'RUNNING') GROUP BY 1
), due AS (
    SELECT fr.id, fr.work_queue_id, q.priority, fr.next_scheduled_start_time,
           q.concurrency_limit - coalesce(b.n, 0) AS free,
           row_number() OVER (PARTITION BY q.id ORDER BY fr.next_scheduled_start_time, fr.id) AS nth
      FROM work_queue q
      JOIN work_pool p ON p.id = q.work_pool_id
      JOIN flow_run fr ON fr.work_queue_id = q.id AND fr.state_type = 'SCHEDULED'
      LEFT JOIN busy b ON b.queue = q.id
     WHERE q.work_pool_id = $1 AND NOT q.is_paused AND NOT p.is_paused
       AND ($2::text[] IS NULL OR q.name = ANY($2))
       AND ($3::timestamptz IS NULL OR fr.next_scheduled_start_time <= $3)
       AND ($4::timestamptz IS NULL OR fr.next_scheduled_start_time >= $4)
       AND coalesce(fr.empirical_policy->>'retry_type', '') <> 'in_process'
)
SELECT id, work_queue_id FROM due
 WHERE free IS NULL OR nth <= free
 ORDER BY priority, next_scheduled_start_time, id
 LIMIT least($5::bigint, (SELECT CASE WHEN p.concurrency_limit IS NULL THEN NULL ELSE
                greatest(0, p.concurrency_limit - coalesce((SELECT sum(n) FROM busy), 0)) END FROM work_pool p WHERE p.id = $1));
