/* A measurement: one model on one target, as a row (docs/measurement.md).  The artifact of the same
 * id has the whole record. */
#pragma once
#include "shared/json/field.h"

struct measurement {
    struct given given;
    struct uuid id, flow_run_id, task_run_id;
    int64_t created_us;
    const char *campaign, *model, *target, *board, *meter, *firmware_commit, *build_id;
    const char *failed_gates, *trace_sha256;
    bool superseded, emulated, valid;
    double volts, sample_rate_hz;
    int64_t samples, lost, window_count, flash_bytes, ram_bytes;
    double median_energy_per_inference_j, mad_energy_per_inference_j;
    double median_dynamic_energy_per_inference_j, mad_dynamic_energy_per_inference_j;
    double latency_s, baseline_a, baseline_drift_rel, uncertainty_rel, dynamic_uncertainty_rel;
    struct raw windows, gates, provenance;
};

extern const struct resource measurement_resource;
