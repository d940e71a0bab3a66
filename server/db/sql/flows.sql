-- Columns of flow_resource, in its order.

-- name: flow_insert
-- $1 id, $2 name, $3 tags, $4 labels.  No row when the name is taken.
INSERT INTO flow (id, name, tags, labels) VALUES ($1, $2, $3, $4)
    ON CONFLICT (name) DO NOTHING
RETURNING id, created, updated, name, tags, labels;

-- name: flow_by_name
SELECT id, created, updated, name, tags, labels FROM flow WHERE name = $1;

-- name: flow_by_id
SELECT id, created, updated, name, tags, labels FROM flow WHERE id = $1;

-- name: flow_update
-- $1 id, $2 tags or null.
UPDATE flow SET tags = coalesce($2, tags), updated = now() WHERE id = $1 RETURNING id;

-- name: flow_delete
DELETE FROM flow WHERE id = $1 RETURNING id;
