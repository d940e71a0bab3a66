/* A measurement as the report sees it, read from the JSON that power.measure makes
 * (docs/measurement.md). Borrows: all text and arrays live in the arena given to
 * measurement_read(). Units: SI; a number that is not known is NAN. */
#pragma once
#include <jansson.h>

#include "shared/base/arena.h"
#include "shared/base/err.h"

/* One stretch of back-to-back inferences. */
struct measured_window {
    double start_s, end_s;
    double energy_j, energy_per_inference_j, dynamic_energy_per_inference_j, latency_s;
    int64_t inferences;
};

struct measured_gate {
    const char *name, *detail;
    double value, limit;
    bool passed;
};

/* One stretch of the current trace, decimated for drawing. */
struct measured_point {
    double t_s, min_a, mean_a, max_a;
};

struct measurement {
    /* "" when not known. */
    const char *model, *target, *board, *meter, *firmware_commit, *build_id, *trace_sha256;
    const char *flow_run_id, *flow_run_name; /* from the artifact, not from the document */
    bool emulated;
    double volts, sample_rate_hz, latency_s, baseline_a;
    double energy_j, energy_mad_j; /* per inference: median of the windows and its MAD */
    double dynamic_energy_j, dynamic_energy_mad_j;
    double baseline_drift_rel;
    double meter_temperature_c;
    double uncertainty_rel;                        /* standard uncertainty (k = 1) of energy_j */
    double dynamic_uncertainty_rel;                /* of dynamic_energy_j */
    int64_t samples, lost, flash_bytes, ram_bytes; /* sizes: 0 when not known */
    struct measured_window *windows;
    struct measured_gate *gates;
    struct measured_point *points;
    const char **warnings;
    size_t window_count, gate_count, point_count, warning_count;
    bool passed; /* it has windows and all its gates passed: it is a result */
};

/* A run that gave no measurement. */
struct failed_run {
    const char *id, *flow_id, *name, *model, *target, *state, *reason;
};

/* Errors: INVALID, naming the member and what was expected. */
MUST_CHECK enum err_code measurement_read(struct arena *a, const json_t *document,
                                          struct measurement *out, struct err *e);

/* The names of the gates that failed, with their detail, and what was noticed besides:
 * "mains: ...; windows: ...; note: ...".  "" when there is neither. */
const char *measurement_reason(struct arena *a, const struct measurement *m);
