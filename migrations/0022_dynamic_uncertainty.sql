-- Dynamic energy is less certain than the total: its uncertainty is a column of its own.
ALTER TABLE measurement ADD COLUMN dynamic_uncertainty_rel float8;

CREATE OR REPLACE FUNCTION measurement_put(a artifact) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    m jsonb := artifact_object(a.data);
    failed text;
BEGIN
    DELETE FROM measurement WHERE id = a.id;
    IF m IS NULL OR json_text(m->'model') IS NULL THEN
        RETURN;
    END IF;
    SELECT coalesce(string_agg(coalesce(g->>'name', 'unnamed'), ' ' ORDER BY at), '') INTO failed
      FROM jsonb_array_elements(json_items(m->'gates')) WITH ORDINALITY AS gate (g, at)
     WHERE g->'passed' IS DISTINCT FROM 'true';
    UPDATE measurement SET superseded = true
     WHERE flow_run_id = a.flow_run_id AND model = m->>'model' AND target IS NOT DISTINCT FROM json_text(m->'target');
    INSERT INTO measurement
    SELECT a.id, a.created, a.flow_run_id, a.task_run_id,
           (SELECT substr(tag, 10) FROM flow_run fr, jsonb_array_elements_text(fr.tags::jsonb) tag
             WHERE fr.id = a.flow_run_id AND tag LIKE 'campaign:_%' LIMIT 1),
           false, m->>'model', json_text(m->'target'), json_text(m->'board'), json_text(m->'meter'), json_text(m->'firmware_commit'),
           json_text(m->'build_id'), m->'emulated' IS NOT DISTINCT FROM 'true', failed = '' AND jsonb_array_length(json_items(m->'windows')) > 0,
           failed, json_real(m->'volts'), json_real(m->'sample_rate_hz'), json_whole(m->'samples'), json_whole(m->'lost'),
           jsonb_array_length(json_items(m->'windows')), json_real(m->'median_energy_per_inference_j'), json_real(m->'mad_energy_per_inference_j'),
           json_real(m->'median_dynamic_energy_per_inference_j'), json_real(m->'mad_dynamic_energy_per_inference_j'),
           json_real(m->'latency_s'), json_real(m->'baseline_a'), json_real(m->'baseline_drift_rel'), json_real(m->'uncertainty_rel'),
           json_whole(m->'flash_bytes'), json_whole(m->'ram_bytes'), json_text(m->'trace'->'sha256'),
           json_items(m->'windows'), json_items(m->'gates'),
           CASE WHEN jsonb_typeof(m->'provenance') = 'object' THEN m->'provenance' ELSE '{}' END,
           json_real(m->'dynamic_uncertainty_rel');
END
$$;
