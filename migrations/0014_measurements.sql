-- Measurements as rows: of each artifact of type `measurement` the figures that are filtered, exported and compared
-- (docs/measurement.md).  A trigger writes them, so a row is there exactly when its artifact is, whoever made that.

CREATE TABLE measurement (
    id          uuid PRIMARY KEY REFERENCES artifact ON DELETE CASCADE, -- the artifact's
    created     timestamptz NOT NULL,
    flow_run_id uuid,
    task_run_id uuid,
    campaign    text,                      -- of the run's tag `campaign:NAME`
    superseded  boolean NOT NULL,          -- the run has measured this model and target again
    model       text NOT NULL,
    target      text,
    board       text,
    meter       text,
    firmware_commit text,
    build_id    text,
    emulated    boolean NOT NULL,
    valid       boolean NOT NULL,          -- there are windows, and every gate has passed
    failed_gates text NOT NULL,            -- their names, a blank between
    volts       float8,
    sample_rate_hz float8,
    samples     bigint,
    lost        bigint,
    window_count bigint NOT NULL,
    median_energy_per_inference_j         float8,
    mad_energy_per_inference_j            float8,
    median_dynamic_energy_per_inference_j float8,
    mad_dynamic_energy_per_inference_j    float8,
    latency_s   float8,
    baseline_a  float8,
    baseline_drift_rel float8,
    uncertainty_rel float8,
    flash_bytes bigint,
    ram_bytes   bigint,
    trace_sha256 text,
    windows     jsonb NOT NULL,
    gates       jsonb NOT NULL,
    provenance  jsonb NOT NULL
);
CREATE INDEX ON measurement (created, id);
CREATE INDEX ON measurement (campaign, model, target) WHERE campaign IS NOT NULL;
CREATE INDEX ON measurement (flow_run_id);
CREATE INDEX ON measurement (model, target, created);

-- A figure that is not a number of its column's type is not known.
CREATE FUNCTION json_real(value jsonb) RETURNS float8 LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN jsonb_typeof(value) = 'number'
                THEN CASE WHEN abs(value::numeric) BETWEEN 1e-300 AND 1e300 OR value::numeric = 0 THEN value::float8 END END
$$;
CREATE FUNCTION json_whole(value jsonb) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN jsonb_typeof(value) = 'number'
                THEN CASE WHEN abs(value::numeric) < 9e18 AND value::numeric = trunc(value::numeric) THEN value::numeric::bigint END END
$$;
CREATE FUNCTION json_text(value jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN jsonb_typeof(value) = 'string' THEN value#>>'{}' END
$$;
CREATE FUNCTION json_items(value jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN jsonb_typeof(value) = 'array' THEN value ELSE '[]' END
$$;

-- Prefect's clients keep data as a text that holds JSON; ours as JSON.  What is no object is NULL.
CREATE FUNCTION artifact_object(data json) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    object jsonb;
BEGIN
    object := data::jsonb;
    IF jsonb_typeof(object) = 'string' THEN
        object := (object#>>'{}')::jsonb;
    END IF;
    RETURN CASE WHEN jsonb_typeof(object) = 'object' THEN object END;
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
    RETURN NULL;
END
$$;

CREATE FUNCTION measurement_put(a artifact) RETURNS void LANGUAGE plpgsql AS $$
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
           CASE WHEN jsonb_typeof(m->'provenance') = 'object' THEN m->'provenance' ELSE '{}' END;
END
$$;

CREATE FUNCTION measurement_of_artifact() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM measurement_put(NEW);
    RETURN NULL;
END
$$;
CREATE TRIGGER measurement_row AFTER INSERT OR UPDATE OF data, type ON artifact
    FOR EACH ROW WHEN (NEW.type = 'measurement') EXECUTE FUNCTION measurement_of_artifact();

-- Those that were made before.
SELECT measurement_put(a) FROM (SELECT * FROM artifact WHERE type = 'measurement' ORDER BY created, id OFFSET 0) a;
