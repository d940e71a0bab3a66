/* The writing half of a batch of transitions; for store/transitions.c, store/flow_runs.c and the
 * lane. */
#pragma once
#include "server/store/transitions.h"

/* States and runs.  `*out_all` is false when a run had changed since its facts were read: such
 * items are `stale` and nothing of them was written. */
MUST_CHECK enum err_code transitions_write(struct work *w, struct transition **items, size_t count,
                                           bool *out_all);
unsigned transitions_wanted_effects(struct transition **items, size_t count);
/* The effects alone, for states that were written with the rows of new runs. */
MUST_CHECK enum err_code transitions_effects(struct work *w, struct transition **items,
                                             size_t count);
