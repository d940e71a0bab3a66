-- Devices: their health, and people who keep one to themselves.

ALTER TABLE device
    ADD COLUMN health       jsonb NOT NULL DEFAULT '{}', -- as the agent says: flashes, failures, rungs, quarantined
    ADD COLUMN held_by      text,
    ADD COLUMN held_until   timestamptz,
    ADD COLUMN held_comment text;

-- The target that a run's bench must have: its own job variables before those of the deployment; NULL: it needs no bench.
CREATE FUNCTION needed_target(run_variables json, deployment_variables json, parameters json) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN given.text ~ '^[{][{] *parameters[.][A-Za-z0-9_]+ *[}][}]$'
                THEN parameters->>substring(given.text FROM 'parameters[.]([A-Za-z0-9_]+)')
                ELSE given.text END
      FROM (SELECT coalesce(run_variables->'bench'->>'target', deployment_variables->'bench'->>'target') AS text) given
$$;
