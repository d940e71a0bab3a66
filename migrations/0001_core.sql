-- Flows, runs, their states, deployments, work pools, blocks, variables, artifacts, logs and events.
-- Times are UTC.  Runs are plain tables because (flow, idempotency key) and (run, task key, dynamic
-- key) must be unique over all time; states, logs and events grow without end and are partitioned by
-- their UUIDv7 id (docs/adr/0001).  A run carries its current state; *_state keeps the history.

CREATE TABLE flow (
    id      uuid PRIMARY KEY,
    created timestamptz NOT NULL DEFAULT now(),
    updated timestamptz NOT NULL DEFAULT now(),
    name    text NOT NULL UNIQUE,
    tags    jsonb NOT NULL DEFAULT '[]',
    labels  jsonb DEFAULT '{}'
);

CREATE TABLE work_pool (
    id                    uuid PRIMARY KEY,
    created               timestamptz NOT NULL DEFAULT now(),
    updated               timestamptz NOT NULL DEFAULT now(),
    name                  text NOT NULL UNIQUE,
    description           text,
    type                  text NOT NULL,
    base_job_template     json NOT NULL DEFAULT '{}',
    is_paused             boolean NOT NULL DEFAULT false,
    concurrency_limit     bigint,
    status                text,
    last_status_event_id  uuid,
    default_queue_id      uuid,
    storage_configuration json NOT NULL DEFAULT '{}'
);

CREATE TABLE work_queue (
    id                uuid PRIMARY KEY,
    created           timestamptz NOT NULL DEFAULT now(),
    updated           timestamptz NOT NULL DEFAULT now(),
    name              text NOT NULL,
    description       text NOT NULL DEFAULT '',
    is_paused         boolean NOT NULL DEFAULT false,
    concurrency_limit bigint,
    priority          bigint NOT NULL DEFAULT 1,
    work_pool_id      uuid NOT NULL REFERENCES work_pool ON DELETE CASCADE,
    filter            json,
    last_polled       timestamptz,
    status            text NOT NULL DEFAULT 'NOT_READY',
    UNIQUE (work_pool_id, name)
);

CREATE TABLE worker (
    id                         uuid PRIMARY KEY,
    created                    timestamptz NOT NULL DEFAULT now(),
    updated                    timestamptz NOT NULL DEFAULT now(),
    name                       text NOT NULL,
    work_pool_id               uuid NOT NULL REFERENCES work_pool ON DELETE CASCADE,
    last_heartbeat_time        timestamptz,
    heartbeat_interval_seconds bigint,
    status                     text NOT NULL DEFAULT 'OFFLINE',
    UNIQUE (work_pool_id, name)
);

CREATE TABLE concurrency_limit (
    id                            uuid PRIMARY KEY,
    created                       timestamptz NOT NULL DEFAULT now(),
    updated                       timestamptz NOT NULL DEFAULT now(),
    active                        boolean NOT NULL DEFAULT true,
    name                          text NOT NULL UNIQUE,
    slot_limit                    bigint NOT NULL,
    active_slots                  bigint NOT NULL DEFAULT 0,  -- only for limits that decay or that were taken without a lease
    denied_slots                  bigint NOT NULL DEFAULT 0,
    slot_decay_per_second         double precision NOT NULL DEFAULT 0,
    avg_slot_occupancy_seconds    double precision NOT NULL DEFAULT 2
);

-- Slots that are held: the live leases of a limit are its active slots (DESIGN 3).
CREATE TABLE concurrency_lease (
    id          uuid NOT NULL,
    limit_id    uuid NOT NULL REFERENCES concurrency_limit ON DELETE CASCADE,
    slots       bigint NOT NULL,
    created     timestamptz NOT NULL DEFAULT now(),
    expires     timestamptz NOT NULL,
    holder_type text,
    holder_id   uuid,
    PRIMARY KEY (id, limit_id)
);
CREATE INDEX ON concurrency_lease (limit_id);
CREATE INDEX ON concurrency_lease (holder_id) WHERE holder_id IS NOT NULL;
CREATE INDEX ON concurrency_lease (expires);

CREATE TABLE deployment (
    id                         uuid PRIMARY KEY,
    created                    timestamptz NOT NULL DEFAULT now(),
    updated                    timestamptz NOT NULL DEFAULT now(),
    name                       text NOT NULL,
    version                    text,
    description                text,
    flow_id                    uuid NOT NULL REFERENCES flow ON DELETE CASCADE,
    paused                     boolean NOT NULL DEFAULT false,
    concurrency_limit_id       uuid REFERENCES concurrency_limit ON DELETE SET NULL,
    concurrency_options        json,
    job_variables              json NOT NULL DEFAULT '{}',
    parameters                 json NOT NULL DEFAULT '{}',
    tags                       jsonb NOT NULL DEFAULT '[]',
    labels                     jsonb DEFAULT '{}',
    work_queue_name            text,
    work_queue_id              uuid REFERENCES work_queue ON DELETE SET NULL,
    last_polled                timestamptz,
    parameter_openapi_schema   json,
    path                       text,
    pull_steps                 json,
    entrypoint                 text,
    storage_document_id        uuid,
    infrastructure_document_id uuid,
    created_by                 jsonb,
    updated_by                 jsonb,
    status                     text NOT NULL DEFAULT 'NOT_READY',
    enforce_parameter_schema   boolean NOT NULL DEFAULT true,
    UNIQUE (flow_id, name)
);
CREATE INDEX ON deployment (work_queue_id);

CREATE TABLE deployment_schedule (
    id                 uuid PRIMARY KEY,
    created            timestamptz NOT NULL DEFAULT now(),
    updated            timestamptz NOT NULL DEFAULT now(),
    deployment_id      uuid NOT NULL REFERENCES deployment ON DELETE CASCADE,
    schedule           json NOT NULL,
    active             boolean NOT NULL DEFAULT true,
    max_scheduled_runs bigint,
    parameters         json NOT NULL DEFAULT '{}',
    slug               text,
    UNIQUE (deployment_id, slug)
);

CREATE TABLE flow_run (
    id                         uuid PRIMARY KEY,
    created                    timestamptz NOT NULL DEFAULT now(),
    updated                    timestamptz NOT NULL DEFAULT now(),
    name                       text NOT NULL,
    flow_id                    uuid NOT NULL REFERENCES flow ON DELETE CASCADE,
    deployment_id              uuid,
    deployment_version         text,
    work_queue_id              uuid,
    work_queue_name            text,
    flow_version               text,
    parameters                 json NOT NULL DEFAULT '{}',
    idempotency_key            text,
    context                    json NOT NULL DEFAULT '{}',
    empirical_policy           jsonb NOT NULL DEFAULT '{}',
    tags                       jsonb NOT NULL DEFAULT '[]',
    labels                     jsonb NOT NULL DEFAULT '{}',
    parent_task_run_id         uuid,
    state_id                   uuid,
    state_type                 text,
    state_name                 text,
    state_timestamp            timestamptz,
    state_message              text,
    state_details              jsonb,
    state_data                 json,
    run_count                  bigint NOT NULL DEFAULT 0,
    expected_start_time        timestamptz,
    next_scheduled_start_time  timestamptz,
    start_time                 timestamptz,
    end_time                   timestamptz,
    total_run_time             double precision NOT NULL DEFAULT 0,  -- seconds
    auto_scheduled             boolean NOT NULL DEFAULT false,
    infrastructure_document_id uuid,
    infrastructure_pid         text,
    created_by                 jsonb,
    job_variables              json
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX flow_run_idempotency ON flow_run (flow_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX flow_run_due ON flow_run (next_scheduled_start_time) WHERE next_scheduled_start_time IS NOT NULL;
CREATE INDEX flow_run_flow ON flow_run (flow_id);
CREATE INDEX flow_run_deployment ON flow_run (deployment_id) WHERE deployment_id IS NOT NULL;
CREATE INDEX flow_run_parent ON flow_run (parent_task_run_id) WHERE parent_task_run_id IS NOT NULL;
CREATE INDEX flow_run_state_name ON flow_run (state_type, id);
CREATE INDEX flow_run_queue ON flow_run (work_queue_id, state_type, next_scheduled_start_time) WHERE work_queue_id IS NOT NULL;
CREATE INDEX flow_run_expected ON flow_run (expected_start_time);
CREATE INDEX flow_run_tags ON flow_run USING gin (tags jsonb_path_ops) WHERE tags <> '[]';

CREATE TABLE flow_run_state (
    id            uuid NOT NULL,
    flow_run_id   uuid NOT NULL,
    "timestamp"   timestamptz NOT NULL,
    type          text NOT NULL,
    name          text NOT NULL,
    message       text,
    state_details jsonb NOT NULL DEFAULT '{}',
    data          json,
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE INDEX ON flow_run_state (flow_run_id);

CREATE TABLE flow_run_input (
    id          uuid PRIMARY KEY,
    created     timestamptz NOT NULL DEFAULT now(),
    updated     timestamptz NOT NULL DEFAULT now(),
    flow_run_id uuid NOT NULL REFERENCES flow_run ON DELETE CASCADE,
    key         text NOT NULL,
    value       text NOT NULL,
    sender      text,
    UNIQUE (flow_run_id, key)
);

CREATE TABLE task_run (
    id                        uuid PRIMARY KEY,
    created                   timestamptz NOT NULL DEFAULT now(),
    updated                   timestamptz NOT NULL DEFAULT now(),
    name                      text NOT NULL,
    flow_run_id               uuid,
    task_key                  text NOT NULL,
    dynamic_key               text NOT NULL,
    cache_key                 text,
    cache_expiration          timestamptz,
    task_version              text,
    empirical_policy          jsonb NOT NULL DEFAULT '{}',
    tags                      jsonb NOT NULL DEFAULT '[]',
    labels                    jsonb NOT NULL DEFAULT '{}',
    state_id                  uuid,
    state_type                text,
    state_name                text,
    state_timestamp           timestamptz,
    state_message             text,
    state_details             jsonb,
    state_data                json,
    task_inputs               json NOT NULL DEFAULT '{}',
    run_count                 bigint NOT NULL DEFAULT 0,
    flow_run_run_count        bigint NOT NULL DEFAULT 0,
    expected_start_time       timestamptz,
    next_scheduled_start_time timestamptz,
    start_time                timestamptz,
    end_time                  timestamptz,
    total_run_time            double precision NOT NULL DEFAULT 0  -- seconds
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX task_run_natural_key ON task_run (flow_run_id, task_key, dynamic_key);
CREATE INDEX task_run_expected ON task_run (expected_start_time);
CREATE INDEX task_run_state_name ON task_run (state_type, id);

CREATE TABLE task_run_state (
    id            uuid NOT NULL,
    task_run_id   uuid NOT NULL,
    "timestamp"   timestamptz NOT NULL,
    type          text NOT NULL,
    name          text NOT NULL,
    message       text,
    state_details jsonb NOT NULL DEFAULT '{}',
    data          json,
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE INDEX ON task_run_state (task_run_id);

CREATE TABLE task_run_state_cache (
    id               uuid PRIMARY KEY,
    created          timestamptz NOT NULL DEFAULT now(),
    cache_key        text NOT NULL,
    cache_expiration timestamptz,
    task_run_state_id uuid NOT NULL
);
CREATE INDEX ON task_run_state_cache (cache_key, created DESC);

CREATE TABLE log (
    id          uuid NOT NULL,
    name        text NOT NULL,
    level       integer NOT NULL,
    flow_run_id uuid,
    task_run_id uuid,
    message     text NOT NULL,
    "timestamp" timestamptz NOT NULL
) PARTITION BY RANGE (id);
CREATE INDEX ON log (flow_run_id, "timestamp");

CREATE TABLE event (
    id          uuid NOT NULL,
    occurred    timestamptz NOT NULL,
    received    timestamptz NOT NULL DEFAULT now(),
    event       text NOT NULL,
    resource_id text NOT NULL,
    resource    jsonb NOT NULL,
    related     jsonb NOT NULL DEFAULT '[]',
    related_ids text[] NOT NULL DEFAULT '{}',
    payload     json NOT NULL DEFAULT '{}',
    follows     uuid,
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE INDEX ON event (occurred, id);
CREATE INDEX ON event (resource_id, occurred);

CREATE TABLE variable (
    id      uuid PRIMARY KEY,
    created timestamptz NOT NULL DEFAULT now(),
    updated timestamptz NOT NULL DEFAULT now(),
    name    text NOT NULL UNIQUE,
    value   json NOT NULL,
    tags    jsonb NOT NULL DEFAULT '[]'
);

CREATE TABLE artifact (
    id          uuid PRIMARY KEY,
    created     timestamptz NOT NULL DEFAULT now(),
    updated     timestamptz NOT NULL DEFAULT now(),
    key         text,
    type        text,
    description text,
    data        json,
    metadata_   json,
    flow_run_id uuid,
    task_run_id uuid
);
CREATE INDEX ON artifact (key, created DESC) WHERE key IS NOT NULL;
CREATE INDEX ON artifact (flow_run_id);
CREATE INDEX ON artifact (task_run_id);

CREATE TABLE artifact_collection (
    id        uuid PRIMARY KEY,
    created   timestamptz NOT NULL DEFAULT now(),
    updated   timestamptz NOT NULL DEFAULT now(),
    key       text NOT NULL UNIQUE,
    latest_id uuid NOT NULL
);

CREATE TABLE block_type (
    id                uuid PRIMARY KEY,
    created           timestamptz NOT NULL DEFAULT now(),
    updated           timestamptz NOT NULL DEFAULT now(),
    name              text NOT NULL,
    slug              text NOT NULL UNIQUE,
    logo_url          text,
    documentation_url text,
    description       text,
    code_example      text,
    is_protected      boolean NOT NULL DEFAULT false
);

CREATE TABLE block_schema (
    id            uuid PRIMARY KEY,
    created       timestamptz NOT NULL DEFAULT now(),
    updated       timestamptz NOT NULL DEFAULT now(),
    checksum      text NOT NULL,
    fields        json NOT NULL DEFAULT '{}',
    block_type_id uuid NOT NULL REFERENCES block_type ON DELETE CASCADE,
    capabilities  jsonb NOT NULL DEFAULT '[]',
    version       text NOT NULL DEFAULT 'non-versioned',
    UNIQUE (checksum, version)
);
CREATE INDEX ON block_schema (block_type_id);

CREATE TABLE block_schema_reference (
    parent_block_schema_id    uuid NOT NULL REFERENCES block_schema ON DELETE CASCADE,
    reference_block_schema_id uuid NOT NULL REFERENCES block_schema ON DELETE CASCADE,
    name                      text NOT NULL,
    PRIMARY KEY (parent_block_schema_id, name, reference_block_schema_id)
);

CREATE TABLE block_document (
    id              uuid PRIMARY KEY,
    created         timestamptz NOT NULL DEFAULT now(),
    updated         timestamptz NOT NULL DEFAULT now(),
    name            text,
    data            bytea NOT NULL,  -- JSON, encrypted with the server's key (docs/security.md)
    block_schema_id uuid NOT NULL REFERENCES block_schema ON DELETE CASCADE,
    block_type_id   uuid NOT NULL REFERENCES block_type ON DELETE CASCADE,
    is_anonymous    boolean NOT NULL DEFAULT false,
    UNIQUE (block_type_id, name)
);

CREATE TABLE block_document_reference (
    parent_block_document_id    uuid NOT NULL REFERENCES block_document ON DELETE CASCADE,
    reference_block_document_id uuid NOT NULL REFERENCES block_document ON DELETE CASCADE,
    name                        text NOT NULL,
    PRIMARY KEY (parent_block_document_id, name)
);

CREATE TABLE saved_search (
    id      uuid PRIMARY KEY,
    created timestamptz NOT NULL DEFAULT now(),
    updated timestamptz NOT NULL DEFAULT now(),
    name    text NOT NULL UNIQUE,
    filters json NOT NULL DEFAULT '[]'
);

CREATE TABLE csrf_token (
    id         uuid PRIMARY KEY,
    created    timestamptz NOT NULL DEFAULT now(),
    updated    timestamptz NOT NULL DEFAULT now(),
    client     text NOT NULL UNIQUE,
    token      text NOT NULL,
    expiration timestamptz NOT NULL
);

CREATE TABLE configuration (
    key     text PRIMARY KEY,
    value   json NOT NULL,
    updated timestamptz NOT NULL DEFAULT now()
);

-- The first moment of a time as a UUIDv7, for partition bounds.
CREATE FUNCTION uuid_floor(at timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

-- A UUIDv7 of this moment, for rows that are made in SQL.
CREATE FUNCTION uuid_v7() RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0') || '7' || substr(r, 1, 3) || '8' || substr(r, 4, 15))::uuid
      FROM replace(gen_random_uuid()::text, '-', '') r
$$;

-- A time as clients read it, for objects that are built in SQL.
CREATE FUNCTION wire_time(at timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT replace(to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000', '')
$$;

-- When a UUIDv7 was made.
CREATE FUNCTION uuid_time(id uuid) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
    SELECT to_timestamp(('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint / 1000.0)
$$;

-- Makes the weekly partitions of a time-series table from one week back to `weeks` ahead.  Ids that are
-- not UUIDv7 or far off in time go to the default partition.
CREATE FUNCTION make_partitions(parent text, weeks integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    monday timestamptz := date_trunc('week', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC';
    start timestamptz;
BEGIN
    EXECUTE format('CREATE TABLE IF NOT EXISTS %I PARTITION OF %I DEFAULT', parent || '_other', parent);
    FOR i IN -1..weeks LOOP
        start := monday + i * interval '7 days';
        EXECUTE format('CREATE TABLE IF NOT EXISTS %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                       parent || '_' || to_char(start AT TIME ZONE 'UTC', 'YYYYMMDD'), parent,
                       uuid_floor(start), uuid_floor(start + interval '7 days'));
    END LOOP;
END $$;

SELECT make_partitions(t, 4) FROM unnest(ARRAY['flow_run_state', 'task_run_state', 'log', 'event']) t;
