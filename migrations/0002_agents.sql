-- Agents (docs/agent-protocol.md): who they are, what they offer, what they hold, and the names of files.

CREATE TABLE agent (
    id           uuid PRIMARY KEY,
    created      timestamptz NOT NULL DEFAULT now(),
    name         text NOT NULL,
    work_pool_id uuid NOT NULL REFERENCES work_pool ON DELETE CASCADE,
    epoch        bigint NOT NULL,              -- the newest start that was heard of
    slots        bigint NOT NULL DEFAULT 0,    -- of its latest claim call
    acked_seq    bigint NOT NULL DEFAULT 0,    -- its journal has taken effect up to here
    last_seen    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON agent (work_pool_id);

CREATE TABLE device (
    agent_id uuid NOT NULL REFERENCES agent ON DELETE CASCADE,
    name     text NOT NULL,
    type     text NOT NULL,
    target   text,
    labels   jsonb NOT NULL DEFAULT '{}',
    free     boolean NOT NULL,                 -- as the agent says; who holds it stands in claim
    PRIMARY KEY (agent_id, name)
);

CREATE SEQUENCE claim_token;

-- OFFERED and LIVE claims hold their run and device; there is at most one of each.
CREATE TABLE claim (
    id          uuid PRIMARY KEY,
    token       bigint NOT NULL UNIQUE DEFAULT nextval('claim_token'),
    flow_run_id uuid NOT NULL REFERENCES flow_run ON DELETE CASCADE,
    agent_id    uuid NOT NULL REFERENCES agent ON DELETE CASCADE,
    epoch       bigint NOT NULL,
    device_name text,
    state       text NOT NULL DEFAULT 'OFFERED' CHECK (state IN ('OFFERED', 'LIVE', 'ENDED', 'LOST', 'RETURNED')),
    created     timestamptz NOT NULL DEFAULT now(),
    expires     timestamptz NOT NULL,
    ended       timestamptz,
    cancel_told boolean NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX claim_holds_run ON claim (flow_run_id) WHERE state IN ('OFFERED', 'LIVE');
CREATE UNIQUE INDEX claim_holds_device ON claim (agent_id, device_name)
    WHERE state IN ('OFFERED', 'LIVE') AND device_name IS NOT NULL;
CREATE INDEX claim_of_agent ON claim (agent_id) WHERE state IN ('OFFERED', 'LIVE');
CREATE INDEX claim_expiry ON claim (expires) WHERE state IN ('OFFERED', 'LIVE');
CREATE INDEX claim_lost ON claim (flow_run_id) WHERE state = 'LOST';

CREATE TABLE file_name (
    name    text PRIMARY KEY,
    created timestamptz NOT NULL DEFAULT now(),
    updated timestamptz NOT NULL DEFAULT now(),
    sha256  text NOT NULL,
    bytes   bigint NOT NULL
);
