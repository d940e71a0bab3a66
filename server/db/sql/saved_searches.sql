-- Columns of saved_search_resource, in its order.

-- name: saved_search_put
-- $1 id of a new one, $2 name, $3 filters.  The last column: whether it is new.
INSERT INTO saved_search (id, name, filters) VALUES ($1, $2, $3)
    ON CONFLICT (name) DO UPDATE SET filters = excluded.filters, updated = now()
RETURNING id, created, updated, name, filters, id = $1;

-- name: saved_search_by_id
SELECT id, created, updated, name, filters FROM saved_search WHERE id = $1;

-- name: saved_search_delete
DELETE FROM saved_search WHERE id = $1 RETURNING id;
