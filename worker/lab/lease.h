/* The right of a run to drive its devices: who drives one asks lease_check() before each thing it
 * does to it.
 *
 * The server extends a lease with each heartbeat; the time is counted from the moment at which the
 * heartbeat was sent, so that here it is over before it is there.  An agent that is cut off stops
 * driving LEASE_MARGIN_S before that, so that there is time to switch off.
 *
 *   LIVE ──extended──> LIVE ──no word in time, less the margin──> the run is stopped; clean-up may
 *     │                                                           go on ──> the time is over: OVER
 *     └──lost, or a newer lease of the device──> OVER: nothing is touched any more
 *
 * Thread: the loop thread; lease_check() any.  Units: microseconds of lease_now_us(). */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "shared/base/err.h"

/* The guard is for what is on its way when the time is over. */
enum { LEASE_MARGIN_S = 15, LEASE_GUARD_S = 1 };

struct lease {
    int64_t token;
    _Atomic int64_t until_us; /* 0: never extended yet, nothing to count from */
    atomic_bool lost;         /* the server, or a newer lease, took it away */
};

/* Goes on while the machine sleeps. */
int64_t lease_now_us(void);
void lease_extend(struct lease *lease, int64_t sent_us, double seconds);
/* Less than the margin is left of a lease of that many seconds: who can stop should. */
bool lease_ends(const struct lease *lease, double seconds);
bool lease_is_over(const struct lease *lease);
/* How long it lasts without further word; INT64_MAX: nothing to count from yet. */
int64_t lease_left_us(const struct lease *lease);
/* CONFLICT says why the device may not be driven.  NULL: nobody else can have it. */
MUST_CHECK enum err_code lease_check(const struct lease *lease, const char *device, struct err *e);
