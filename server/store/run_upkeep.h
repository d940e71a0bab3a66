/* Flow runs that time moves: late ones, pauses that end, cancellations that take too long, children
 * of what was cancelled.
 *
 * Each call is a transaction of its own over a bounded number of runs and skips what others have
 * locked, so servers share the work.  *out_count: how many runs moved; *out_next_us: when the next
 * one is due, TIME_NONE: none; in the past: there are more.
 *
 * Thread: that of the work. */
#pragma once
#include "server/store/transitions.h"

/* Scheduled at cutoff_us or before and still there: Late. */
MUST_CHECK enum err_code runs_mark_late(struct work *w, int64_t cutoff_us, int64_t limit,
                                        size_t *out_count, int64_t *out_next_us);
/* Pauses whose time is over: Failed. */
MUST_CHECK enum err_code runs_end_pauses(struct work *w, int64_t limit, size_t *out_count,
                                         int64_t *out_next_us);
/* CANCELLING since cutoff_us or before: Cancelled.  The next time is that of the state. */
MUST_CHECK enum err_code runs_end_cancellations(struct work *w, int64_t cutoff_us, int64_t limit,
                                                size_t *out_count, int64_t *out_next_us);
/* Subflows and task runs of what was cancelled at since_us or later; *out_more: look again. */
MUST_CHECK enum err_code runs_cancel_children(struct work *w, int64_t since_us, int64_t limit,
                                              size_t *out_count, bool *out_more);
