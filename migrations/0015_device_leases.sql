-- Devices in full: what they can, where they are, maintenance, history; leases of several devices, exclusive or counted.

ALTER TABLE device
    ADD COLUMN capabilities jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN location     text,
    ADD COLUMN firmware     jsonb NOT NULL DEFAULT '{}',  -- versions by part
    ADD COLUMN bench        text,                         -- it is a part of that device: they are leased together
    ADD COLUMN capacity     bigint NOT NULL DEFAULT 1 CHECK (capacity BETWEEN 1 AND 1000), -- leases at the same time
    ADD COLUMN gone_since   timestamptz,                  -- its agent does not report it any more
    ADD COLUMN maintenance_by      text,
    ADD COLUMN maintenance_since   timestamptz,
    ADD COLUMN maintenance_comment text,
    ADD COLUMN flash_count   bigint NOT NULL DEFAULT 0,   -- over all starts of the agent, as the next
    ADD COLUMN failure_count bigint NOT NULL DEFAULT 0,
    ADD COLUMN quarantined_since timestamptz,
    ADD COLUMN return_asked  boolean NOT NULL DEFAULT false,
    ADD COLUMN probation_since timestamptz;               -- only a health run may use it

-- What people and services did to a device, and what befell it.
CREATE TABLE device_event (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    agent_id    uuid NOT NULL REFERENCES agent ON DELETE CASCADE,
    device_name text NOT NULL,
    at          timestamptz NOT NULL DEFAULT now(),
    kind        text NOT NULL,
    by          text,
    comment     text,
    flow_run_id uuid
);
CREATE INDEX ON device_event (agent_id, device_name, id);

-- Slot k of a device is one lease of it; `released` when its claim was over.
CREATE TABLE claim_device (
    claim_id    uuid NOT NULL REFERENCES claim ON DELETE CASCADE,
    agent_id    uuid NOT NULL,
    device_name text NOT NULL,
    slot        bigint NOT NULL CHECK (slot >= 1),
    ord         bigint NOT NULL,                          -- of the run's list of devices
    part        boolean NOT NULL DEFAULT false,           -- leased with its bench
    since       timestamptz NOT NULL DEFAULT now(),
    released    timestamptz,
    PRIMARY KEY (claim_id, device_name, slot)
);
CREATE UNIQUE INDEX claim_device_slot ON claim_device (agent_id, device_name, slot) WHERE released IS NULL;
CREATE INDEX ON claim_device (agent_id, device_name, since);

INSERT INTO claim_device (claim_id, agent_id, device_name, slot, ord, since, released)
SELECT id, agent_id, device_name, 1, 1, created, CASE WHEN state IN ('OFFERED', 'LIVE') THEN NULL ELSE coalesce(ended, now()) END
  FROM claim WHERE device_name IS NOT NULL;
ALTER TABLE claim DROP COLUMN device_name;

-- However a claim ends, its devices are free.
CREATE FUNCTION claim_release_devices() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE claim_device SET released = now() WHERE claim_id = NEW.id AND released IS NULL;
    RETURN NULL;
END
$$;
CREATE TRIGGER claim_ends AFTER UPDATE OF state ON claim
    FOR EACH ROW WHEN (OLD.state IN ('OFFERED', 'LIVE') AND NEW.state NOT IN ('OFFERED', 'LIVE')) EXECUTE FUNCTION claim_release_devices();

-- What a run asks for: a list of selectors, `{{ parameters.NAME }}` filled in; its own job variables before those of the deployment.
CREATE FUNCTION needed_devices(run_variables json, deployment_variables json, parameters json) RETURNS jsonb
LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN jsonb_typeof(given.list) = 'array' THEN
               (SELECT coalesce(jsonb_agg((SELECT jsonb_object_agg(m.key,
                    CASE WHEN m.value#>>'{}' ~ '^[{][{] *parameters[.][A-Za-z0-9_]+ *[}][}]$'
                         THEN coalesce(to_jsonb(parameters->>substring(m.value#>>'{}' FROM 'parameters[.]([A-Za-z0-9_]+)')), 'null')
                         ELSE m.value END) FROM jsonb_each(s.selector) m) ORDER BY s.at), '[]')
                  FROM jsonb_array_elements(given.list) WITH ORDINALITY AS s (selector, at) WHERE jsonb_typeof(s.selector) = 'object')
           WHEN given.target IS NOT NULL THEN jsonb_build_array(jsonb_build_object('target', given.target))
           ELSE '[]' END
      FROM (SELECT coalesce(run_variables->'devices', deployment_variables->'devices')::jsonb AS list,
                   needed_target(run_variables, deployment_variables, parameters) AS target) given
$$;
-- Pools whose runs may ask for several devices hand out one run at a time, in order.
CREATE INDEX flow_run_asks_devices ON flow_run (work_queue_id) WHERE state_type = 'SCHEDULED' AND job_variables->'devices' IS NOT NULL;

-- How much a counter of an agent has grown; a smaller one has begun anew.
CREATE FUNCTION counted(before jsonb, now jsonb) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT greatest(0, coalesce(json_whole(now), 0) - CASE WHEN coalesce(json_whole(now), 0) >= coalesce(json_whole(before), 0)
                                                           THEN coalesce(json_whole(before), 0) ELSE 0 END)
$$;
