-- name: limits_lock
-- $1 names, $2 ids; one of them may be NULL.  What is in use is read by a statement of its own afterwards: this one may wait, and
-- would then still see the leases of before.
SELECT 1 FROM concurrency_limit WHERE name = ANY($1::text[]) OR id = ANY($2::uuid[]) ORDER BY id FOR UPDATE;

-- name: limits_read
-- $1 names.  In the order of ids: id, name, slots, in use, decay, average occupancy, denied, active.
SELECT cl.id, cl.name, cl.slot_limit,
       greatest(0, cl.active_slots - floor(cl.slot_decay_per_second * extract(epoch FROM clock_timestamp() - cl.updated)))::bigint
           + coalesce((SELECT sum(l.slots) FROM concurrency_lease l WHERE l.limit_id = cl.id AND l.expires > now()), 0),
       cl.slot_decay_per_second, cl.avg_slot_occupancy_seconds, cl.denied_slots, cl.active
  FROM concurrency_limit cl WHERE cl.name = ANY($1::text[]) ORDER BY cl.id;

-- name: limits_take
-- $1 ids, $2 slots.  Without a lease.
UPDATE concurrency_limit
   SET active_slots = greatest(0, active_slots - floor(slot_decay_per_second * extract(epoch FROM clock_timestamp() - updated)))::bigint + $2,
       denied_slots = 0, updated = clock_timestamp()
 WHERE id = ANY($1::uuid[]);

-- name: limits_lease
-- $1 lease, $2 limits, $3 slots, $4 seconds, $5 type and $6 id of the holder.
INSERT INTO concurrency_lease (id, limit_id, slots, expires, holder_type, holder_id)
SELECT $1::uuid, l, $3::bigint, now() + $4::float8 * interval '1 second', $5, $6::uuid FROM unnest($2::uuid[]) l;

-- name: limits_deny
-- $1 ids, $2 slots.
UPDATE concurrency_limit SET denied_slots = denied_slots + $2 WHERE id = ANY($1::uuid[]);

-- name: limits_give_back
-- $1 names, $2 slots, $3 seconds they were held or NULL.  id, name, slots in all.
UPDATE concurrency_limit cl
   SET active_slots = greatest(0, greatest(0, cl.active_slots - floor(cl.slot_decay_per_second * extract(epoch FROM now() - cl.updated)))::bigint - $2),
       avg_slot_occupancy_seconds = CASE WHEN $3::float8 IS NULL THEN cl.avg_slot_occupancy_seconds ELSE
           greatest(0.1, cl.avg_slot_occupancy_seconds + $3 / (2 * greatest(1, cl.slot_limit)) - cl.avg_slot_occupancy_seconds / (2 * greatest(1, cl.slot_limit))) END,
       updated = now()
 WHERE cl.name = ANY($1::text[])
RETURNING cl.id, cl.name, cl.slot_limit;

-- name: lease_end
DELETE FROM concurrency_lease WHERE id = $1;

-- name: lease_renew
-- $1 lease, $2 seconds.
UPDATE concurrency_lease SET expires = now() + $2::float8 * interval '1 second' WHERE id = $1 AND expires > now() RETURNING id;
