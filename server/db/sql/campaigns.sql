-- name: campaign_status
-- $1 name, $2 its queue, $3 its tag.  One row, NULL when there is neither a queue nor a run.  The pace is that of the last hundred runs that
-- ended, until now: it forgets a pause, and falls when nothing ends any more; of a campaign that is done it is that of the whole.
WITH queue AS (
    SELECT q.id, q.is_paused, q.concurrency_limit FROM work_queue q WHERE q.name = $2
), run AS (
    SELECT fr.state_type, fr.start_time, fr.end_time FROM flow_run fr WHERE fr.work_queue_id IN (SELECT id FROM queue)
     UNION ALL
    SELECT fr.state_type, fr.start_time, fr.end_time FROM flow_run fr
     WHERE NOT EXISTS (SELECT FROM queue) AND fr.tags <> '[]' AND fr.tags @> jsonb_build_array($3::text)
), sum AS (
    SELECT count(*) AS total, count(*) FILTER (WHERE state_type IN ('COMPLETED', 'FAILED', 'CRASHED', 'CANCELLED')) AS done,
           count(*) FILTER (WHERE state_type IN ('COMPLETED', 'FAILED', 'CRASHED')) AS ran, min(start_time) AS began, max(end_time) AS ended,
           count(*) FILTER (WHERE state_type = 'SCHEDULED') AS scheduled, count(*) FILTER (WHERE state_type = 'PENDING') AS pending,
           count(*) FILTER (WHERE state_type = 'RUNNING') AS running, count(*) FILTER (WHERE state_type = 'PAUSED') AS paused,
           count(*) FILTER (WHERE state_type = 'CANCELLING') AS cancelling, count(*) FILTER (WHERE state_type = 'COMPLETED') AS completed,
           count(*) FILTER (WHERE state_type = 'FAILED') AS failed, count(*) FILTER (WHERE state_type = 'CRASHED') AS crashed,
           count(*) FILTER (WHERE state_type = 'CANCELLED') AS cancelled
      FROM run
), recent AS (
    SELECT count(*) - 1 AS ran, min(end_time) AS began
      FROM (SELECT end_time FROM run WHERE state_type IN ('COMPLETED', 'FAILED', 'CRASHED') AND end_time IS NOT NULL ORDER BY end_time DESC LIMIT 101) e
), pace AS ( -- runs per second; ten are few
    SELECT CASE WHEN s.done < s.total AND r.ran >= 10 THEN r.ran / nullif(extract(epoch FROM now() - r.began), 0)
                WHEN s.done < s.total THEN nullif(s.ran, 0) / nullif(extract(epoch FROM now() - s.began), 0)
                ELSE nullif(s.ran, 0) / nullif(extract(epoch FROM s.ended - s.began), 0) END AS per_s
      FROM sum s, recent r
)
SELECT CASE WHEN s.total > 0 OR EXISTS (SELECT FROM queue) THEN json_build_object(
           'scheduled', s.scheduled, 'pending', s.pending, 'running', s.running, 'paused', s.paused, 'cancelling', s.cancelling,
           'completed', s.completed, 'failed', s.failed, 'crashed', s.crashed, 'cancelled', s.cancelled, 'name', $1::text,
           'state', CASE WHEN (SELECT is_paused FROM queue LIMIT 1) THEN 'paused' WHEN s.total > 0 AND s.total = s.done THEN 'done' ELSE 'running' END,
           'cap', (SELECT concurrency_limit FROM queue LIMIT 1), 'total', s.total, 'done', s.done, 'runs_per_hour', p.per_s * 3600,
           'eta_s', CASE WHEN s.total = s.done THEN 0 WHEN EXISTS (SELECT FROM queue WHERE is_paused) THEN NULL
                         ELSE (s.total - s.done) / p.per_s END)::text END
  FROM sum s, pace p;

-- name: campaigns_list
-- $1 at most.  One row: the newest campaigns that have a queue, as above without their pace.  The counts come from an index alone.
WITH queue AS (
    SELECT q.id, substr(q.name, 10) AS name, q.is_paused, q.concurrency_limit, q.created, p.name AS pool
      FROM work_queue q JOIN work_pool p ON p.id = q.work_pool_id WHERE q.name ^@ 'campaign-' ORDER BY q.created DESC LIMIT $1::bigint
), sum AS (
    SELECT q.id, coalesce(sum(n.count), 0) AS total,
           coalesce(sum(n.count) FILTER (WHERE n.state_type IN ('COMPLETED', 'FAILED', 'CRASHED', 'CANCELLED')), 0) AS done,
           coalesce(json_object_agg(lower(n.state_type), n.count) FILTER (WHERE n.state_type IS NOT NULL), '{}') AS counts
      FROM queue q
      LEFT JOIN LATERAL (SELECT fr.state_type, count(*) FROM flow_run fr WHERE fr.work_queue_id = q.id GROUP BY fr.state_type) n ON true
     GROUP BY q.id
)
SELECT coalesce(json_agg(json_build_object(
           'name', q.name, 'pool', q.pool, 'cap', q.concurrency_limit, 'created', q.created, 'total', s.total, 'done', s.done, 'counts', s.counts,
           'state', CASE WHEN q.is_paused THEN 'paused' WHEN s.total > 0 AND s.total = s.done THEN 'done' ELSE 'running' END)
           ORDER BY q.created DESC), '[]')::text
  FROM queue q JOIN sum s USING (id);

-- name: campaign_run_ids
-- $1 tag.  One row: the ids of all of its runs, newest first, read once; pages with an offset would read all of them for each page.
SELECT coalesce(json_agg(fr.id ORDER BY fr.id DESC), '[]')::text FROM flow_run fr WHERE fr.tags <> '[]' AND fr.tags @> jsonb_build_array($1::text);
