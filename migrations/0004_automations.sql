-- Automations: what they are, what their triggers have seen so far, and the actions that wait.

CREATE TABLE automation (
    id                 uuid PRIMARY KEY,
    created            timestamptz NOT NULL DEFAULT now(),
    updated            timestamptz NOT NULL DEFAULT now(),
    name               text NOT NULL,
    description        text NOT NULL DEFAULT '',
    enabled            boolean NOT NULL DEFAULT true,
    tags               jsonb NOT NULL DEFAULT '[]',
    trigger            json NOT NULL,
    actions            json NOT NULL,
    actions_on_trigger json NOT NULL DEFAULT '[]',
    actions_on_resolve json NOT NULL DEFAULT '[]'
);
CREATE INDEX ON automation (name, id);
CREATE INDEX automation_enabled ON automation (id) WHERE enabled;

CREATE TABLE automation_related_resource (
    automation_id uuid NOT NULL REFERENCES automation ON DELETE CASCADE,
    resource_id   text NOT NULL,
    owned         boolean NOT NULL DEFAULT false,
    PRIMARY KEY (resource_id, automation_id)
);
CREATE INDEX ON automation_related_resource (automation_id);

-- One row.  Whoever evaluates events or changes automations holds it: evaluations follow one another, and a change holds
-- for every event that is evaluated after it.  The clock is the newest event seen, and when it was seen.
CREATE TABLE automation_state (
    version    bigint NOT NULL,
    clock      timestamptz,
    clock_seen timestamptz
);
INSERT INTO automation_state (version) VALUES (1);

-- When a Proactive trigger is looked at next.
CREATE TABLE automation_due (
    trigger_id    uuid PRIMARY KEY,
    automation_id uuid NOT NULL REFERENCES automation ON DELETE CASCADE,
    due           timestamptz NOT NULL
);
CREATE INDEX ON automation_due (due);
CREATE INDEX ON automation_due (automation_id);

CREATE TABLE automation_bucket (
    trigger_id    uuid NOT NULL,
    bucketing_key jsonb NOT NULL,
    automation_id uuid NOT NULL REFERENCES automation ON DELETE CASCADE,
    start_time    timestamptz NOT NULL,
    end_time      timestamptz NOT NULL,
    count         bigint NOT NULL,
    last_event    json,
    PRIMARY KEY (trigger_id, bucketing_key)
);
CREATE INDEX ON automation_bucket (automation_id);
CREATE INDEX ON automation_bucket (end_time);

-- Expected events of Proactive triggers with `after`, for windows that open later.
CREATE TABLE automation_held_event (
    trigger_id    uuid NOT NULL,
    bucketing_key jsonb NOT NULL,
    event_id      uuid NOT NULL,
    automation_id uuid NOT NULL REFERENCES automation ON DELETE CASCADE,
    occurred      timestamptz NOT NULL,
    held          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (trigger_id, bucketing_key, event_id)
);
CREATE INDEX ON automation_held_event (automation_id);
CREATE INDEX ON automation_held_event (held);

-- The latest firing of each child of a compound or sequence trigger.
CREATE TABLE automation_child_firing (
    parent_trigger_id uuid NOT NULL,
    child_trigger_id  uuid NOT NULL,
    automation_id     uuid NOT NULL REFERENCES automation ON DELETE CASCADE,
    fired             timestamptz NOT NULL,
    firing            json NOT NULL,
    PRIMARY KEY (parent_trigger_id, child_trigger_id)
);
CREATE INDEX ON automation_child_firing (automation_id);

-- Events that came before the one they follow: evaluated after it, or when it has not come in time.
CREATE TABLE automation_early_event (
    event_id uuid PRIMARY KEY,
    follows  uuid NOT NULL,
    until    timestamptz NOT NULL
);
CREATE INDEX ON automation_early_event (follows);
CREATE INDEX ON automation_early_event (until);

-- Actions to be done.  What is being done has a term; when it is over, somebody else does it.
CREATE TABLE automation_action (
    id            uuid PRIMARY KEY,
    automation_id uuid NOT NULL,
    triggered     timestamptz NOT NULL,
    due           timestamptz NOT NULL,
    attempts      int NOT NULL DEFAULT 0,
    context       json NOT NULL
);
CREATE INDEX ON automation_action (due, id);

CREATE OR REPLACE FUNCTION events_wanted() RETURNS boolean LANGUAGE sql STABLE AS 'SELECT EXISTS (SELECT FROM automation WHERE enabled)';
