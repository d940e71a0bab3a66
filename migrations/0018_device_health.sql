-- Health checks: runs of a deployment whose job variables have `health`, for each device of that type; a failed one quarantines.

ALTER TABLE device ADD COLUMN quarantine_reason text;  -- ours; what the agent itself says stands in health

CREATE TABLE device_check (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    agent_id      uuid NOT NULL REFERENCES agent ON DELETE CASCADE,
    device_name   text NOT NULL,
    deployment_id uuid NOT NULL,
    flow_run_id   uuid NOT NULL UNIQUE,
    began         timestamptz NOT NULL DEFAULT now(),
    ended         timestamptz,                         -- NULL: its run is not over
    passed        boolean,                             -- NULL once it has ended: it tells nothing of the device
    value_j       float8,                              -- energy of an inference of the golden model
    low_j         float8,                              -- control limits that it was held to
    high_j        float8,
    reason        text
);
CREATE INDEX ON device_check (agent_id, device_name, id);
CREATE INDEX ON device_check (id) WHERE ended IS NULL;

-- The deployment that checks such a device; one for its target before one for all of its type.
CREATE FUNCTION health_deployment(agent uuid, device_type text, device_target text) RETURNS uuid LANGUAGE sql STABLE AS $$
    SELECT d.id FROM agent a JOIN work_queue q ON q.work_pool_id = a.work_pool_id JOIN deployment d ON d.work_queue_id = q.id
     WHERE a.id = agent AND NOT d.paused AND d.job_variables->'health'->>'type' = device_type
       AND coalesce(d.job_variables->'health'->>'target', device_target, '') = coalesce(device_target, '')
     ORDER BY d.job_variables->'health'->>'target' NULLS LAST, d.id LIMIT 1
$$;

-- When its quarantine ends by policy: its label `return_after_h`, or `return_after_s` of its health flow; NULL: by hand.
CREATE FUNCTION device_returns_at(since timestamptz, labels jsonb, health json) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
    SELECT since + least(json_real(CASE WHEN labels->>'return_after_h' ~ '^[0-9]{1,6}([.][0-9]{1,6})?$'
                                        THEN to_jsonb((labels->>'return_after_h')::numeric) END) * interval '1 hour',
                         json_real((health->'return_after_s')::jsonb) * interval '1 second')
$$;
