/* From one recording and the firmware's marks to a measurement: windows, energies, uncertainty,
 * gates. Pure: no I/O, no clock.  The record that it becomes is described in docs/measurement.md.
 *
 * Borrows: the recorder during figures_evaluate().
 * Thread: any (no state).  Source: power-and-boards, sections 8.1, 8.2, 8.4, 8.5. */
#pragma once
#include "worker/lab/recorder.h"

enum { FIGURES_WINDOWS_MAX = 200, FIGURES_GATES = 10, PREVIEW_POINTS = 1000 };

/* One `run N` as heard on the UART; host times are monotonic. */
struct run_mark {
    double start_s, end_s;
    uint64_t inferences, device_us;
};

struct measured_window {
    double start_s, end_s; /* on the trace's axis */
    uint64_t inferences;
    double energy_j, per_inference_j, dynamic_per_inference_j, latency_s;
    bool refined; /* the edges of the current were found */
};

struct gate {
    const char *name;
    bool passed;
    double value, limit;
    char detail[160];
};

struct figures_input {
    struct recorder *recorder;
    const struct meter_info *meter;
    const struct run_mark *marks;
    size_t mark_count, windows_wanted;
    unsigned boots;
    const char *build_id_expected, *build_id_seen; /* NULL: no check */
};

struct figures {
    double rate_hz, volts_v;
    uint64_t samples, lost;
    struct measured_window windows[FIGURES_WINDOWS_MAX];
    size_t window_count;
    double median_j, mad_j, median_dynamic_j, mad_dynamic_j;
    double latency_s, baseline_a, baseline_drift_rel;
    double uncertainty_rel, dynamic_uncertainty_rel; /* one standard deviation of the medians */
    struct gate gates[FIGURES_GATES];
    size_t gate_count;
};

/* Puts the windows into the recorder's trace as well. */
void figures_evaluate(const struct figures_input *in, struct figures *out);
/* NULL: all passed. */
const struct gate *figures_failed_gate(const struct figures *m);
/* Another recording may pass where this one did not: load, not damage. */
bool figures_worth_repeating(const struct figures *m);
/* The members of the record that come from the measurement itself. */
json_t *figures_json(const struct figures *m, const struct trace *t);
