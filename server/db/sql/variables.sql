-- Columns of variable_resource, in its order.

-- name: variable_insert
-- $1 id, $2 name, $3 value, $4 tags.  No row when the name is taken.
INSERT INTO variable (id, name, value, tags) VALUES ($1, $2, $3, $4)
    ON CONFLICT (name) DO NOTHING
RETURNING id, created, updated, name, value, tags;

-- name: variable_by_id
SELECT id, created, updated, name, value, tags FROM variable WHERE id = $1;

-- name: variable_by_name
SELECT id, created, updated, name, value, tags FROM variable WHERE name = $1;

-- name: variable_update
-- $1 id; then for name, value and tags: whether it is given, and the value.
UPDATE variable
   SET name = CASE WHEN $2::boolean THEN $3 ELSE name END,
       value = CASE WHEN $4::boolean THEN $5::json ELSE value END,
       tags = CASE WHEN $6::boolean THEN $7::jsonb ELSE tags END,
       updated = now()
 WHERE id = $1
RETURNING id;

-- name: variable_update_by_name
-- The same with the present name as $1.
UPDATE variable
   SET name = CASE WHEN $2::boolean THEN $3 ELSE name END,
       value = CASE WHEN $4::boolean THEN $5::json ELSE value END,
       tags = CASE WHEN $6::boolean THEN $7::jsonb ELSE tags END,
       updated = now()
 WHERE name = $1
RETURNING id;

-- name: variable_delete
DELETE FROM variable WHERE id = $1 RETURNING id;

-- name: variables_by_names
-- $1 names.
SELECT name, value FROM variable WHERE name = ANY($1::text[]);
