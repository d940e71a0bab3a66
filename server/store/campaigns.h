/* Campaigns: runs of the work queue `campaign-NAME`, or with the tag `campaign:NAME`. */
#pragma once
#include "server/db/db.h"

/* JSON object: {name, state, cap, total, done, scheduled, pending, ..., runs_per_hour, eta_s}; what
 * is left is told at the pace of the runs that ended last, NULL while it is paused.  NOT_FOUND: no
 * run and no queue has that name. */
MUST_CHECK enum err_code campaign_status(struct work *w, const char *name, struct rows *out);

/* JSON array: the ids of all runs with the campaign's tag, newest first. */
MUST_CHECK enum err_code campaign_run_ids(struct work *w, const char *name, struct rows *out);

/* JSON array, newest first: {name, pool, state, cap, created, total, done, counts: {completed,
 * ...}} of those that have a queue. */
MUST_CHECK enum err_code campaigns_list(struct work *w, struct rows *out);
