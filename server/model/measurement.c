#include "server/model/measurement.h"

/* clang-format off */
static const struct field measurement_fields[] = {
    F_UUID(struct measurement, id, .doc = "That of its artifact."),
    F_TIME(struct measurement, created, F_NULLABLE, .doc = "When it arrived."),
    F_UUID(struct measurement, flow_run_id, F_NULLABLE, .doc = "The flow run that measured."),
    F_UUID(struct measurement, task_run_id, F_NULLABLE, .doc = "The task run that measured."),
    F_STR(struct measurement, campaign, F_NULLABLE, .doc = "Of the run's tag `campaign:NAME`."),
    F_BOOL(struct measurement, superseded, .doc = "The run has measured this model and target again."),
    F_STR(struct measurement, model, .doc = "The model's name."),
    F_STR(struct measurement, target, F_NULLABLE, .doc = "The kind of board."),
    F_STR(struct measurement, board, F_NULLABLE, .doc = "The board's serial number, or its name."),
    F_STR(struct measurement, meter, F_NULLABLE, .doc = "The meter with serial number and firmware."),
    F_STR(struct measurement, firmware_commit, F_NULLABLE, .doc = "Of the firmware's sources."),
    F_STR(struct measurement, build_id, F_NULLABLE, .doc = "What the boot banner said."),
    F_BOOL(struct measurement, emulated, .doc = "Board or meter are not hardware."),
    F_BOOL(struct measurement, valid, .doc = "It has windows and all gates have passed: it is a result."),
    F_STR(struct measurement, failed_gates, .doc = "Their names, a blank between."),
    F_NUM(struct measurement, volts, F_NULLABLE, .doc = "The supply."),
    F_NUM(struct measurement, sample_rate_hz, F_NULLABLE, .doc = "Of the meter."),
    F_INT(struct measurement, samples, F_NULLABLE, .doc = "Of the whole recording."),
    F_INT(struct measurement, lost, F_NULLABLE, .doc = "Samples that are missing or damaged."),
    F_INT(struct measurement, window_count, .doc = "Windows that were found."),
    F_NUM(struct measurement, median_energy_per_inference_j, F_NULLABLE, .doc = "Of the windows."),
    F_NUM(struct measurement, mad_energy_per_inference_j, F_NULLABLE, .doc = "Median absolute deviation."),
    F_NUM(struct measurement, median_dynamic_energy_per_inference_j, F_NULLABLE, .doc = "Above idle."),
    F_NUM(struct measurement, mad_dynamic_energy_per_inference_j, F_NULLABLE, .doc = "Median absolute deviation."),
    F_NUM(struct measurement, latency_s, F_NULLABLE, .doc = "Per inference."),
    F_NUM(struct measurement, baseline_a, F_NULLABLE, .doc = "Idle current."),
    F_NUM(struct measurement, baseline_drift_rel, F_NULLABLE, .doc = "Idle current after against before."),
    F_NUM(struct measurement, uncertainty_rel, F_NULLABLE, .doc = "One standard deviation of the total energy."),
    F_NUM(struct measurement, dynamic_uncertainty_rel, F_NULLABLE, .doc = "Of the dynamic energy."),
    F_INT(struct measurement, flash_bytes, F_NULLABLE, .doc = "Of the firmware with the model."),
    F_INT(struct measurement, ram_bytes, F_NULLABLE, .doc = "Static RAM."),
    F_STR(struct measurement, trace_sha256, F_NULLABLE, .doc = "The recording in the file store."),
    F_JSON(struct measurement, windows, .doc = "Each window's times, inferences and energies."),
    F_JSON(struct measurement, gates, .doc = "Each gate's name, verdict, value and limit."),
    F_DICT(struct measurement, provenance, .doc = "Versions and serial numbers that led to the figure."),
};
/* clang-format on */
const struct resource measurement_resource =
    RESOURCE_NAMED("Measurement", measurement, measurement_fields);
