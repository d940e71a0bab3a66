/* Why a run waits: what its placement looks at, as reasons in words.
 *
 * The facts come from the tables and conditions that claims go by; here they are only put in order:
 * what a person can do something about first.  Thread: any (pure). */
#pragma once
#include "shared/base/arena.h"

struct run_placement {
    const char *state_type, *state_name;
    const char *due;          /* when it may start; NULL: not planned */
    bool early;               /* that is in the future */
    bool in_process;          /* its process waits for the retry itself */
    const char *pool, *queue; /* NULL: none */
    bool pool_paused, queue_paused;
    int64_t pool_limit, queue_limit; /* -1: none */
    int64_t pool_busy, queue_busy;   /* runs that count against them */
    int64_t workers;                 /* that are online in the pool */
    int64_t free_slots;              /* of agents; -1: the pool has no agent of ours */
    const char *wanted;              /* "bench for the target f7"; NULL: it asks for no device */
    int64_t benches, free_benches;   /* devices like that */
    const char *obstacles;           /* what is in the way at those that are not free */
    const char *kept_for;            /* a run before it that needs them, too; NULL: none */
    int64_t before;                  /* due runs of its pool that are placed earlier */
};

enum { RUN_REASONS_MAX = 13 };
struct run_reason {
    const char *kind, *text;
};

/* The number of reasons; 0: it does not wait. */
size_t run_why(struct arena *a, const struct run_placement *p,
               struct run_reason out[static RUN_REASONS_MAX]);
