-- name: ui_task_run_counts
-- $1 flow runs.  Without the task runs that stand for a subflow.
SELECT fr.id, count(tr.id)
  FROM (SELECT DISTINCT unnest($1::uuid[]) AS id) fr
  LEFT JOIN task_run tr ON tr.flow_run_id = fr.id
       AND NOT EXISTS (SELECT 1 FROM flow_run sub WHERE sub.parent_task_run_id = tr.id)
 GROUP BY fr.id ORDER BY fr.id;

-- name: ui_deployment_counts
-- $1 flows.
SELECT f.id, count(d.id) FROM (SELECT DISTINCT unnest($1::uuid[]) AS id) f LEFT JOIN deployment d ON d.flow_id = f.id
 GROUP BY f.id ORDER BY f.id;

-- name: ui_next_runs
-- $1 flows.  The flow, then the columns of ui_next_run_resource, NULL where there is none.
SELECT f.id, fr.id, fr.flow_id, fr.name, fr.state_name, fr.state_type, fr.next_scheduled_start_time
  FROM (SELECT DISTINCT unnest($1::uuid[]) AS id) f
  LEFT JOIN LATERAL (SELECT * FROM flow_run r WHERE r.flow_id = f.id AND r.state_type = 'SCHEDULED'
                        AND r.next_scheduled_start_time IS NOT NULL
                      ORDER BY r.next_scheduled_start_time, r.id LIMIT 1) fr ON true
 ORDER BY f.id;

-- name: ui_flow_run_name
-- $1 task run.
SELECT fr.name FROM flow_run fr JOIN task_run tr ON tr.flow_run_id = fr.id WHERE tr.id = $1;
