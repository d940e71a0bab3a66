-- name: measurements_compare
-- $1, $2 campaigns.  A row per model and target: the medians of their results before and after; NULL: there is none.  The noise is what the
-- windows of one run scatter (two standard deviations, out of their MAD), not the difference between boards.
WITH kinds AS (
    SELECT campaign, model, target, count(*) AS measured, count(*) FILTER (WHERE valid) AS results,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY median_energy_per_inference_j)
               FILTER (WHERE valid AND median_energy_per_inference_j > 0) AS energy_j,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY mad_energy_per_inference_j / nullif(median_energy_per_inference_j, 0)) FILTER (WHERE valid) AS mad,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY latency_s) FILTER (WHERE valid) AS latency_s, bool_or(emulated) FILTER (WHERE valid) AS emulated
      FROM measurement
     WHERE campaign IN ($1, $2) AND NOT superseded
     GROUP BY campaign, model, target
), before AS (
    SELECT * FROM kinds WHERE campaign = $1
), later AS (
    SELECT * FROM kinds WHERE campaign = $2
)
SELECT coalesce(json_agg(json_build_object(
           'model', coalesce(b.model, a.model), 'target', coalesce(b.target, a.target), 'before_j', b.energy_j, 'after_j', a.energy_j,
           'change_percent', (a.energy_j / b.energy_j - 1) * 100, 'noise_percent', 200 * 1.4826 * sqrt(a.mad * a.mad + b.mad * b.mad),
           'emulated_differs', a.emulated <> b.emulated, 'before_latency_s', b.latency_s, 'after_latency_s', a.latency_s,
           'latency_change_percent', (a.latency_s / nullif(b.latency_s, 0) - 1) * 100, 'before_results', coalesce(b.results, 0),
           'after_results', coalesce(a.results, 0),
           'verdict', CASE WHEN b.model IS NULL THEN 'new' WHEN a.model IS NULL THEN 'missing'
                           WHEN a.energy_j IS NULL OR b.energy_j IS NULL THEN 'no result' ELSE 'compared' END)
           ORDER BY coalesce(b.model, a.model), coalesce(b.target, a.target)), '[]')::text,
       count(b.model), count(a.model)
  FROM before b FULL JOIN later a ON a.model = b.model AND coalesce(a.target, '') = coalesce(b.target, '');
