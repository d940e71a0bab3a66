-- name: triggers_lock
-- Evaluations follow one another: whoever evaluates holds the row until its commit.
SELECT version, clock, clock_seen FROM automation_state FOR UPDATE;

-- name: triggers_version
SELECT version FROM automation_state;

-- name: triggers_clock
UPDATE automation_state SET clock = $1::timestamptz, clock_seen = $2::timestamptz;

-- name: triggers_automations
SELECT id, name, description, enabled, tags, trigger, actions, actions_on_trigger, actions_on_resolve, id, created, updated
  FROM automation WHERE enabled ORDER BY id;

-- name: triggers_take_events
-- $1 at most so many, $2 bytes: the oldest queued events.
WITH first AS (
    SELECT p.seq, e.id, e.occurred, e.received, e.event, e.resource, e.related, e.payload, e.follows,
           sum(octet_length(e.resource::text) + octet_length(e.related::text) + octet_length(e.payload::text)) OVER (ORDER BY p.seq) AS bytes
      FROM (SELECT seq, event_id FROM event_pending ORDER BY seq LIMIT $1::bigint FOR UPDATE) p
      LEFT JOIN event e ON e.id = p.event_id
), chosen AS (
    SELECT * FROM first WHERE bytes IS NULL OR bytes <= $2::bigint OR seq = (SELECT min(seq) FROM first WHERE id IS NOT NULL)
), gone AS (
    DELETE FROM event_pending WHERE seq IN (SELECT seq FROM chosen)
)
SELECT id, occurred, received, event, resource, related, payload, follows FROM chosen WHERE id IS NOT NULL ORDER BY seq;

-- name: triggers_left_events
SELECT EXISTS (SELECT FROM event_pending);

-- name: triggers_seen_leaders
-- $1 ids of events that others follow: those that were evaluated, or that nobody evaluates.
SELECT f.id FROM unnest($1::uuid[]) AS f (id)
 WHERE EXISTS (SELECT FROM event e WHERE e.id = f.id)
   AND NOT EXISTS (SELECT FROM automation_early_event a WHERE a.event_id = f.id)
   AND NOT EXISTS (SELECT FROM event_pending p WHERE p.event_id = f.id);

-- name: triggers_put_early
-- Parallel arrays: event, the one it follows, until when it waits.
INSERT INTO automation_early_event (event_id, follows, until) SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[])
    ON CONFLICT DO NOTHING;

-- name: triggers_requeue_early
-- $1 ids of evaluated events: those that waited for them, and those that waited long enough.
WITH ready AS (DELETE FROM automation_early_event WHERE follows = ANY($1::uuid[]) OR until <= now() RETURNING event_id)
INSERT INTO event_pending (event_id) SELECT event_id FROM ready ORDER BY event_id RETURNING event_id;

-- name: triggers_load_buckets
-- Parallel arrays: trigger, key.  Rows: ordinal and bucket.
SELECT n.ordinal - 1, b.start_time, b.end_time, b.count, b.last_event
  FROM unnest($1::uuid[], $2::jsonb[]) WITH ORDINALITY AS n (trigger_id, bucketing_key, ordinal)
  JOIN automation_bucket b ON b.trigger_id = n.trigger_id AND b.bucketing_key = n.bucketing_key;

-- name: triggers_load_held
SELECT n.ordinal - 1, h.event_id, h.occurred
  FROM unnest($1::uuid[], $2::jsonb[]) WITH ORDINALITY AS n (trigger_id, bucketing_key, ordinal)
  JOIN automation_held_event h ON h.trigger_id = n.trigger_id AND h.bucketing_key = n.bucketing_key
 ORDER BY 1, h.occurred, h.event_id;

-- name: triggers_save_buckets
-- Parallel arrays: trigger, key, automation, start, end, count, last event.
INSERT INTO automation_bucket AS b (trigger_id, bucketing_key, automation_id, start_time, end_time, count, last_event)
SELECT * FROM unnest($1::uuid[], $2::jsonb[], $3::uuid[], $4::timestamptz[], $5::timestamptz[], $6::bigint[], $7::json[])
    ON CONFLICT (trigger_id, bucketing_key) DO UPDATE
   SET start_time = excluded.start_time, end_time = excluded.end_time, count = excluded.count, last_event = excluded.last_event;

-- name: triggers_drop_buckets
-- Parallel arrays: trigger, key.
DELETE FROM automation_bucket b USING unnest($1::uuid[], $2::jsonb[]) AS n (trigger_id, bucketing_key)
 WHERE b.trigger_id = n.trigger_id AND b.bucketing_key = n.bucketing_key;

-- name: triggers_drop_held
DELETE FROM automation_held_event h USING unnest($1::uuid[], $2::jsonb[]) AS n (trigger_id, bucketing_key)
 WHERE h.trigger_id = n.trigger_id AND h.bucketing_key = n.bucketing_key
   AND NOT h.event_id = ANY($3::uuid[]);

-- name: triggers_save_held
-- Parallel arrays: trigger, key, automation, event, occurred.
INSERT INTO automation_held_event (trigger_id, bucketing_key, automation_id, event_id, occurred)
SELECT * FROM unnest($1::uuid[], $2::jsonb[], $3::uuid[], $4::uuid[], $5::timestamptz[])
    ON CONFLICT DO NOTHING;

-- name: triggers_due
-- $1 now: Proactive triggers to look at.
SELECT trigger_id FROM automation_due WHERE due <= $1::timestamptz ORDER BY due LIMIT 100;

-- name: triggers_set_due
-- Parallel arrays: trigger, when.
UPDATE automation_due d SET due = n.due FROM unnest($1::uuid[], $2::timestamptz[]) AS n (trigger_id, due) WHERE d.trigger_id = n.trigger_id;

-- name: triggers_drop_full
-- $1 trigger, $2 threshold: buckets that had enough need no look.
DELETE FROM automation_bucket WHERE trigger_id = $1 AND count >= $2::bigint;

-- name: triggers_ended_buckets
-- $1 trigger, $2 as of when, $3 at most.
SELECT bucketing_key, start_time, end_time, count, last_event FROM automation_bucket
 WHERE trigger_id = $1 AND end_time <= $2::timestamptz ORDER BY end_time, bucketing_key LIMIT $3::bigint;

-- name: triggers_next_end
SELECT min(end_time) FROM automation_bucket WHERE trigger_id = $1 AND end_time > $2::timestamptz;

-- name: triggers_sweep
-- $1 buckets that ended before; $2 events held before, unless their bucket still runs.
WITH buckets AS (DELETE FROM automation_bucket WHERE end_time <= $1::timestamptz)
DELETE FROM automation_held_event h
 WHERE h.held < $2::timestamptz
   AND NOT EXISTS (SELECT FROM automation_bucket b
                    WHERE b.trigger_id = h.trigger_id AND b.bucketing_key = h.bucketing_key AND b.end_time > now());

-- name: triggers_next_due
SELECT least((SELECT min(due) FROM automation_due), (SELECT min(until) FROM automation_early_event));

-- name: triggers_child_fired
-- $1 parent, $2 child, $3 automation, $4 when, $5 firing; $6 drops what fired before.
WITH old AS (DELETE FROM automation_child_firing
              WHERE parent_trigger_id = $1::uuid AND child_trigger_id <> $2::uuid AND fired < $6::timestamptz)
INSERT INTO automation_child_firing (parent_trigger_id, child_trigger_id, automation_id, fired, firing)
VALUES ($1::uuid, $2::uuid, $3, $4, $5)
    ON CONFLICT (parent_trigger_id, child_trigger_id) DO UPDATE SET fired = excluded.fired, firing = excluded.firing;

-- name: triggers_child_firings
SELECT child_trigger_id, firing FROM automation_child_firing WHERE parent_trigger_id = $1 ORDER BY fired, child_trigger_id;

-- name: triggers_drop_children
DELETE FROM automation_child_firing WHERE parent_trigger_id = $1;

-- name: triggers_put_actions
-- Parallel arrays: id, automation, triggered, context.
INSERT INTO automation_action (id, automation_id, triggered, due, context)
SELECT n.id, n.automation_id, n.triggered, now(), n.context
  FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::json[]) AS n (id, automation_id, triggered, context);
