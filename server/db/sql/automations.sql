-- Columns of automation_resource, in its order: name, description, enabled, tags, trigger, actions, actions_on_trigger,
-- actions_on_resolve, id, created, updated.

-- name: automation_change
-- Whoever changes automations: evaluations wait, and read them again afterwards.
UPDATE automation_state SET version = version + 1;

-- name: automation_insert
INSERT INTO automation (id, name, description, enabled, tags, trigger, actions, actions_on_trigger, actions_on_resolve)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
RETURNING name, description, enabled, tags, trigger, actions, actions_on_trigger, actions_on_resolve, id, created, updated;

-- name: automation_by_id
SELECT name, description, enabled, tags, trigger, actions, actions_on_trigger, actions_on_resolve, id, created, updated
  FROM automation WHERE id = $1;

-- name: automation_enable
UPDATE automation SET enabled = $2::boolean, updated = now() WHERE id = $1 RETURNING id;

-- name: automation_delete
DELETE FROM automation WHERE id = $1 RETURNING id;

-- name: automations_related_to
-- $1 resource; $2 true: only those that it owns.
SELECT name, description, enabled, tags, trigger, actions, actions_on_trigger, actions_on_resolve, id, created, updated
  FROM automation
 WHERE id IN (SELECT automation_id FROM automation_related_resource WHERE resource_id = $1 AND (owned OR NOT $2::boolean))
 ORDER BY created, id;

-- name: automation_relate
-- $1 automation, $2 resource, $3 whether it owns the automation.
INSERT INTO automation_related_resource AS r (automation_id, resource_id, owned) VALUES ($1, $2, $3)
    ON CONFLICT (resource_id, automation_id) DO UPDATE SET owned = r.owned OR excluded.owned;

-- name: automation_unrelate
DELETE FROM automation_related_resource WHERE automation_id = $1 AND NOT owned AND resource_id LIKE 'prefect.deployment.%';

-- name: automation_disarm
DELETE FROM automation_due WHERE automation_id = $1;

-- name: automation_arm
-- $1 trigger, $2 automation.
INSERT INTO automation_due (trigger_id, automation_id, due) VALUES ($1, $2, now()) ON CONFLICT (trigger_id) DO UPDATE SET due = now();

-- name: automations_forget_triggers
-- $1 automation: what its triggers have seen, when they are replaced.
WITH buckets AS (DELETE FROM automation_bucket WHERE automation_id = $1),
     held AS (DELETE FROM automation_held_event WHERE automation_id = $1)
DELETE FROM automation_child_firing WHERE automation_id = $1;
