-- name: graph_run
-- $1 flow run.
SELECT coalesce(start_time, expected_start_time), end_time FROM flow_run WHERE id = $1;

-- name: graph_nodes
-- $1 flow run, $2 leaves out nodes that ended before, $3 at most so many.  A task run that stands for a
-- subflow shows as the subflow's run.  Edges are JSON arrays of {"id": ...}, each id once.
WITH node AS MATERIALIZED (
    SELECT coalesce(s.id, t.id) AS id,
           CASE WHEN s.id IS NULL THEN 'task-run' ELSE 'flow-run' END AS kind,
           coalesce(f.name || ' / ' || s.name, t.name) AS label,
           coalesce(s.state_type, t.state_type) AS state_type,
           coalesce(s.start_time, s.expected_start_time, t.start_time, t.expected_start_time) AS start_time,
           coalesce(s.end_time, t.end_time, CASE WHEN t.state_type = 'COMPLETED' THEN t.expected_start_time END) AS end_time,
           t.task_inputs AS inputs
      FROM task_run t
      LEFT JOIN flow_run s ON s.parent_task_run_id = t.id
      LEFT JOIN flow f ON f.id = s.flow_id
     WHERE t.flow_run_id = $1
       AND coalesce(s.start_time, s.expected_start_time, t.start_time, t.expected_start_time) IS NOT NULL
), edge AS MATERIALIZED (
    SELECT DISTINCT child.id AS child, child.start_time AS child_start, parent.id AS parent, parent.start_time AS parent_start,
           input.key = '__parents__' AS encapsulates
      FROM node child
     CROSS JOIN json_each(child.inputs) input
     CROSS JOIN json_array_elements(CASE json_typeof(input.value) WHEN 'array' THEN input.value ELSE '[]' END) argument
      JOIN node parent ON parent.id::text = argument->>'id'
), parents AS (
    SELECT child AS id, json_agg(json_build_object('id', parent) ORDER BY parent_start, parent) AS edges
      FROM edge WHERE NOT encapsulates GROUP BY child
), children AS (
    SELECT parent AS id, json_agg(json_build_object('id', child) ORDER BY child_start, child) AS edges
      FROM edge WHERE NOT encapsulates GROUP BY parent
), encapsulating AS (
    SELECT child AS id, json_agg(json_build_object('id', parent) ORDER BY parent_start, parent) AS edges
      FROM edge WHERE encapsulates GROUP BY child
)
SELECT n.id, n.kind, n.label, n.state_type, n.start_time, n.end_time, p.edges, c.edges, e.edges
  FROM node n
  LEFT JOIN parents p ON p.id = n.id
  LEFT JOIN children c ON c.id = n.id
  LEFT JOIN encapsulating e ON e.id = n.id
 WHERE n.end_time IS NULL OR n.end_time >= $2::timestamptz
 ORDER BY n.start_time, n.end_time, n.id
 LIMIT $3;

-- name: graph_artifacts
-- $1 flow run, $2 at most so many.  By task run (NULL first), then time.
SELECT * FROM (
    SELECT a.task_run_id, a.id, a.created, a.key, a.type, a.key IS NULL OR ac.id IS NOT NULL,
           CASE WHEN a.type = 'progress' THEN a.data END
      FROM artifact a
      LEFT JOIN artifact_collection ac ON ac.key = a.key AND ac.latest_id = a.id
     WHERE a.flow_run_id = $1 AND a.type <> 'result'
     ORDER BY a.created
     LIMIT $2
) first
 ORDER BY task_run_id NULLS FIRST, created;

-- name: graph_dependencies
-- $1 flow run.  Columns of dependency_resource.
SELECT t.id, t.name,
       coalesce((SELECT json_agg(DISTINCT jsonb_build_object('input_type', 'task_run', 'id', argument->>'id'))
                   FROM json_each(t.task_inputs) input
                  CROSS JOIN json_array_elements(CASE json_typeof(input.value) WHEN 'array' THEN input.value ELSE '[]' END) argument
                  WHERE argument->>'input_type' = 'task_run'), '[]'),
       t.state_id, t.state_type, t.state_name, t.state_timestamp, t.state_message, t.state_data, t.state_details,
       t.expected_start_time, t.start_time, t.end_time, t.total_run_time,
       t.total_run_time + CASE WHEN t.state_type = 'RUNNING' THEN greatest(0, extract(epoch FROM now() - t.state_timestamp)::float8)
                               ELSE 0 END,
       coalesce((t.state_details->>'untrackable_result')::boolean, false)
  FROM task_run t
 WHERE t.flow_run_id = $1
 ORDER BY t.id;
