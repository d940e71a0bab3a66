-- name: observed_states
-- $1 beginning of a type or name or NULL, $2 whether by name, $3 limit.  Over the histories of all runs.
SELECT type, name, min(first), max(last) FROM (
    SELECT type, name, min("timestamp") AS first, max("timestamp") AS last FROM flow_run_state GROUP BY 1, 2
    UNION ALL
    SELECT type, name, min("timestamp"), max("timestamp") FROM task_run_state GROUP BY 1, 2
) s
 WHERE $1::text IS NULL OR starts_with(lower(type), lower($1)) OR starts_with(lower(name), lower($1))
 GROUP BY 1, 2
 ORDER BY CASE WHEN $2::boolean THEN NULL ELSE max(last) END DESC, type COLLATE "C", name COLLATE "C"
 LIMIT $3::bigint;
