/* The recovery ladder: what is tried, in which order, when a board cannot be written.
 *
 * Each rung is a row and a hook: `recovery: {usb_reset: "uhubctl ..."}` of a bench replaces what
 * the agent would do itself.  Each use is counted (struct bench_health). Source: power-and-boards,
 * section 4.4. */
#pragma once
#include "worker/lab/bench.h"

struct rung_row {
    const char *name;
    unsigned times;   /* before the next rung */
    bool power_cycle; /* the supply is cut before the board is written again */
    /* Blocks; NULL: nothing but the above. */
    enum err_code (*act)(const struct bench *bench, struct err *e);
};
extern const struct rung_row recovery_rungs[RUNG_COUNT];

struct ladder {
    unsigned used[RUNG_COUNT];
};
/* The rung to try next; RUNG_QUARANTINE is the last. */
enum rung ladder_next(struct ladder *ladder);
