/* The writing half of a batch of transitions; for store/transitions.c, store/flow_runs.c and the
 * lane. */
#pragma once
#include "server/store/transitions.h"

MUST_CHECK enum err_code transitions_write(struct work *w, struct transition **items, size_t count);
/* The effects alone, for states that were written with the rows of new runs. */
MUST_CHECK enum err_code transitions_effects(struct work *w, struct transition **items,
                                             size_t count);
