/* The benches as the agent's configuration describes them.  Shared by bench.c and its tests only.
 */
#pragma once
#include <jansson.h>

#include "shared/base/arena.h"
#include "worker/lab/bench.h"

enum { BENCHES_MAX = 64 };

/* Strings are kept in the arena.  Emulated benches get the paths of their ports below `data_dir`.
 * Errors: ERR_INVALID names the bench, the member and what was expected. */
MUST_CHECK enum err_code bench_config_read(const json_t *config, const char *data_dir,
                                           struct arena *a, struct bench out[static BENCHES_MAX],
                                           size_t *out_count, struct err *e);
