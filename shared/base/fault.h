/* Fault points: in debug and sanitizer builds the n-th pass through FAULT("name") fails.
 *
 *   if (FAULT("journal.fsync")) return err_set(e, IO, ...);
 *
 * Armed by fault_arm() or by SWITCHYARD_FAULT=name:n in the environment; release builds have none.
 * Thread: any. */
#pragma once
#include "shared/base/base.h"

#if defined(FAULTS)
bool fault_hit(const char *name);
#define FAULT(name) fault_hit(name)
#else
#define FAULT(name) false
#endif

/* The nth call (1 is the next) of the point fails; 0 disarms. */
void fault_arm(const char *name, int nth);
