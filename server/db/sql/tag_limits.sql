-- name: tag_limit_put
-- $1 id of a new one, $2 tag, $3 slots.  The id, and whether it is new.
INSERT INTO concurrency_limit (id, name, slot_limit) VALUES ($1, 'tag:' || $2::text, $3)
    ON CONFLICT (name) DO UPDATE SET slot_limit = excluded.slot_limit, updated = now()
RETURNING id, id = $1;

-- name: tag_limit_lock
-- $1 id or NULL, $2 tag or NULL.
SELECT id FROM concurrency_limit WHERE name LIKE 'tag:%' AND (id = $1 OR name = 'tag:' || $2::text) FOR UPDATE;

-- name: tag_limit_delete
-- $1 id or NULL, $2 tag or NULL.
DELETE FROM concurrency_limit WHERE name LIKE 'tag:%' AND (id = $1 OR name = 'tag:' || $2::text) RETURNING id;

-- name: tag_limits_read
-- $1 names.  id, tag, slots, in use; in the order of ids.
SELECT cl.id, substr(cl.name, 5), cl.slot_limit,
       cl.active_slots + coalesce((SELECT sum(l.slots) FROM concurrency_lease l WHERE l.limit_id = cl.id AND l.expires > now()), 0)
  FROM concurrency_limit cl
 WHERE cl.active AND cl.name = ANY($1::text[])
 ORDER BY cl.id;

-- name: tag_limits_take
-- $1 limits, $2 task run.  A slot of each until it is given back: a lease of 100 years.
INSERT INTO concurrency_lease (id, limit_id, slots, expires, holder_type, holder_id)
SELECT gen_random_uuid(), l, 1, now() + interval '100 years', 'task_run', $2::uuid FROM unnest($1::uuid[]) l;

-- name: tag_limits_give_back
-- $1 tags, $2 task run.  id, name, slots of the limits.
WITH cl AS (
    UPDATE concurrency_limit SET updated = now()
     WHERE name = ANY (SELECT 'tag:' || t FROM unnest($1::text[]) t) RETURNING id, name, slot_limit
), gone AS (
    DELETE FROM concurrency_lease WHERE limit_id IN (SELECT id FROM cl) AND holder_type = 'task_run' AND holder_id = $2::uuid
)
SELECT id, name, slot_limit FROM cl ORDER BY id;

-- name: tag_limit_clear
-- $1 tag.
WITH cl AS (
    UPDATE concurrency_limit SET active_slots = 0, updated = now() WHERE name = 'tag:' || $1::text RETURNING id
), gone AS (
    DELETE FROM concurrency_lease WHERE limit_id IN (SELECT id FROM cl)
)
SELECT id FROM cl;

-- name: tag_limit_hold
-- $1 limit, $2 task runs.
INSERT INTO concurrency_lease (id, limit_id, slots, expires, holder_type, holder_id)
SELECT gen_random_uuid(), $1::uuid, 1, now() + interval '100 years', 'task_run', t FROM unnest($2::uuid[]) t;
