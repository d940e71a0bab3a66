/* Runs whose end a service waits for: the health checks that are open.
 *
 * The service sets them anew at each look, in every server; whoever ends one lets it look at once.
 * Thread: any. */
#pragma once
#include <stddef.h>

#include "shared/base/uuid.h"

struct watch;
struct watch *watch_new(void);
void watch_free(struct watch *w);
/* Instead of those before. */
void watch_set(struct watch *w, const struct uuid *runs, size_t count);
/* Costs nothing while none is watched. */
bool watch_has(struct watch *w, struct uuid run);
