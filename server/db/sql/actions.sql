-- name: actions_claim
-- $1 at most so many, $2 seconds: those that are due, for that long.  WITH, because it is evaluated once: a subquery in FROM may be once
-- per row of a table that statistics call empty, and each time give the next row.
WITH n AS (SELECT id FROM automation_action WHERE due <= now() ORDER BY due, id LIMIT $1::bigint FOR UPDATE SKIP LOCKED)
UPDATE automation_action a SET due = now() + $2::float8 * interval '1 second', attempts = a.attempts + 1
  FROM n WHERE a.id = n.id
RETURNING a.id, a.automation_id, a.triggered, a.attempts, a.context;

-- name: actions_next_due
SELECT min(due) FROM automation_action;

-- name: action_done
-- $1 id, $2 the attempt that did it: not if somebody else does it again meanwhile.
DELETE FROM automation_action WHERE id = $1 AND attempts = $2::bigint RETURNING id;

-- name: action_put_off
UPDATE automation_action SET due = now() + $3::float8 * interval '1 second' WHERE id = $1 AND attempts = $2::bigint;

-- name: action_pool_name
SELECT name FROM work_pool WHERE id = $1;

-- name: action_queue_names
SELECT p.name, q.name FROM work_queue q JOIN work_pool p ON p.id = q.work_pool_id WHERE q.id = $1;

-- name: action_variables
SELECT name, value FROM variable ORDER BY name;
