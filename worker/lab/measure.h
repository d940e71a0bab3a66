/* One measurement of a flashed board: supply, boot, warm-up, windows, figures.
 *
 *   CONNECT ─ready─> CUT ─> DARK ─> SUPPLY ─> BOOT ─banner─> WARM_START ─> WARM_RUN ─> WARM_STOP
 *                     ^                        │ none in time                              │
 *                     '────────────────────────'                                           v
 *   OVER <─gates─ STOP <─ BASELINE <─ GAP <─END─ WINDOW <─ GAP <─ BASELINE <──────────── START
 *
 * What fails is tried again from CONNECT, `attempts` times in all, and then reported with the
 * reason; a recording that misses a gate by chance (load) is repeated from START within the same
 * attempt.
 *
 * Owns:   meter and UART while it runs, and the result's recorder until measure_free().
 * Thread: the loop's.  Source: power-and-boards, sections 4.4, 4.5, 8.2, 8.5. */
#pragma once
#include "shared/base/log.h"
#include "worker/lab/figures.h"

struct measure;

struct measure_config {
    const char *meter_port, *uart_path; /* all texts are copied */
    const char *build_id;               /* NULL: any */
    double volts_v, rate_hz, window_s, baseline_s, boot_timeout_s;
    unsigned windows, attempts;
    uint64_t inferences; /* per window; 0: as many as fill window_s */
};

struct measure_listener {
    void *ctx;
    void (*log)(void *ctx, enum log_level level, const char *text);
    void (*progress)(void *ctx, double done, double total);
    /* Once.  OK: the result can be read (a gate may still have failed); else `err` says why not. */
    void (*done)(void *ctx, enum err_code code, const struct err *err);
    /* Asked before each thing that is done to the bench; an error ends the measurement.  NULL: it
     * may. */
    enum err_code (*may_drive)(void *ctx, struct err *err);
};

struct measure_result {
    struct figures figures;
    struct recorder recorder;
    struct meter_info meter;
    char boot_line[200];
};

MUST_CHECK enum err_code measure_start(uv_loop_t *loop, const struct measure_config *config,
                                       struct measure_listener listener, struct measure **out,
                                       struct err *e);
void measure_cancel(struct measure *m); /* done() follows with CANCELLED */
struct measure_result *measure_result(struct measure *m);
/* After done(); not from inside it.  NULL is accepted. */
void measure_free(struct measure *m);
