-- API keys, the queue of background task runs, and what workers have to clean up.

-- A key is 32 random bytes; only its SHA-256 is kept.
CREATE TABLE api_key (
    id      uuid PRIMARY KEY,
    created timestamptz NOT NULL DEFAULT now(),
    name    text NOT NULL UNIQUE,
    hash    bytea NOT NULL UNIQUE,
    expires timestamptz
);

-- Background task runs that wait for a task worker.  One that was sent is held until it is
-- acknowledged, its consumer is gone or the time is over; it comes again before the others.
CREATE TABLE task_queue (
    task_run_id uuid PRIMARY KEY REFERENCES task_run ON DELETE CASCADE,
    created     timestamptz NOT NULL DEFAULT now(),
    task_key    text NOT NULL,
    again       boolean NOT NULL DEFAULT false,
    held_until  timestamptz
);
CREATE INDEX task_queue_order ON task_queue (task_key, again DESC, created);

-- Infrastructure that a worker of the pool must tear down.  Sent under a token that expires; after
-- too many deliveries it is given up.  Ended ones stay for a while, so that none is made twice.
CREATE TABLE worker_cleanup (
    id                 uuid PRIMARY KEY,
    created            timestamptz NOT NULL DEFAULT now(),
    work_pool_id       uuid NOT NULL REFERENCES work_pool ON DELETE CASCADE,
    work_queue_id      uuid,
    kind               text NOT NULL,
    flow_run_id        uuid NOT NULL,
    infrastructure_pid text,
    claim_id           uuid,
    data               json NOT NULL DEFAULT '{}',
    delivery_count     integer NOT NULL DEFAULT 0,
    reservation_token  uuid,
    held_until         timestamptz,
    outcome            text,  -- NULL: open; acknowledged, dead_lettered
    UNIQUE (kind, flow_run_id)
);
CREATE INDEX worker_cleanup_open ON worker_cleanup (work_pool_id, created) WHERE outcome IS NULL;
