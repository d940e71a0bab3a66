-- Rungs of the recovery ladder that a device has needed, over all starts of its agent; runs that ask for a bench are found as those that ask for devices.

ALTER TABLE device ADD COLUMN recoveries jsonb NOT NULL DEFAULT '{}';

-- What an agent counts, added to what was counted before.
CREATE FUNCTION ladder_total(total jsonb, before jsonb, now jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_object_agg(rung, coalesce(json_whole(total->rung), 0) + counted(before->rung, now->rung))
      FROM unnest('{retry,power_cycle,usb_reset,hub_cycle,quarantine}'::text[]) rung
$$;

-- What the history tells of earlier ones: "retry, 2 times".
UPDATE device d SET recoveries = ladder_total(told.counts, '{}', '{}')
  FROM (SELECT agent_id, device_name, jsonb_object_agg(rung, times) AS counts
          FROM (SELECT agent_id, device_name, CASE kind WHEN 'quarantine' THEN 'quarantine' ELSE split_part(comment, ',', 1) END AS rung,
                       sum(coalesce(CASE kind WHEN 'recovery' THEN substring(comment FROM ', ([0-9]+) times$') END::bigint, 1)) AS times
                  FROM device_event
                 WHERE kind = 'recovery' AND comment IS NOT NULL OR kind = 'quarantine' AND flow_run_id IS NULL
                 GROUP BY 1, 2, 3) one
         GROUP BY 1, 2) told
 WHERE told.agent_id = d.agent_id AND told.device_name = d.name;

CREATE INDEX flow_run_asks_bench ON flow_run (work_queue_id) WHERE state_type = 'SCHEDULED' AND job_variables->'bench' IS NOT NULL;

-- A text within the quotes of a label of /metrics.
CREATE FUNCTION metric_label(label text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT replace(replace(replace(label, '\', '\\'), '"', '\"'), E'\n', '\n')
$$;
