/* Which firmware the probes and meters of the benches have, asked without disturbing anybody.
 *
 * A bench that appears is told to the server as not free; when the server has heard that, and
 * neither a run nor a person has the bench, it is asked (identify.h) and told as free.  One that
 * somebody has is asked when it is left.
 *
 *   WANTED ──the server knows that it is not free, nobody has it──> OPEN ──answered──> KNOWN
 *     ^                                                                                  │
 *     └──────────────────────────── its ports are gone ──────────────────────────────────┘
 *
 * Thread: the loop thread.  Borrows: the lab. */
#pragma once
#include <jansson.h>
#include <uv.h>

#include "worker/lab/bench.h"

struct roll_call;
/* `used`: whether a run has the bench.  NULL: out of memory. */
struct roll_call *roll_call_new(uv_loop_t *loop, struct lab *lab,
                                bool (*used)(void *ctx, const struct bench *bench), void *ctx);
void roll_call_free(struct roll_call *r); /* NULL is accepted */

/* Now and then: benches come and go. */
void roll_call_look(struct roll_call *r);
/* A heartbeat was answered: the devices that it told, the names of those that people keep. */
void roll_call_answered(struct roll_call *r, const json_t *told, const json_t *held);
/* It is not to be given to a run: it is being asked, or about to be. */
bool roll_call_keeps(const struct roll_call *r, const struct bench *bench);
