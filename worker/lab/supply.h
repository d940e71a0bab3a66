/* Cuts the supply of a bench's board, by its meter.
 *
 *   supply_cut() -> meter is there -> may_drive() -> `pwr off` is acknowledged -> done(OK)
 *                                                 anything else ------------> done(code)
 * Thread: the loop's. */
#pragma once
#include <uv.h>

#include "worker/lab/bench.h"

struct supply_hooks {
    /* Asked before each thing that is done to the bench. */
    enum err_code (*may_drive)(void *ctx, struct err *e);
    void (*done)(void *ctx, enum err_code code, const struct err *e); /* once; supply_stop() then */
    void *ctx;
};

struct supply;
MUST_CHECK enum err_code supply_cut(uv_loop_t *loop, const struct bench *bench,
                                    const struct supply_hooks *hooks, struct supply **out,
                                    struct err *e);
/* Frees it; from within `done`, too, and without `done` before that.  NULL is accepted. */
void supply_stop(struct supply *s);
