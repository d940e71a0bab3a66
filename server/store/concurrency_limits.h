/* Concurrency limits.  Slots in use are live leases; only what was taken without a lease is
 * counted. */
#pragma once
#include "server/db/db.h"
#include "server/model/concurrency_limit.h"

/* Rows of concurrency_limit_resource (whole) or concurrency_limit_read_resource. */
MUST_CHECK enum err_code limit_get(struct work *w, const char *id_or_name, const struct resource *r,
                                   struct rows *out);
MUST_CHECK enum err_code limit_create(struct work *w, const struct concurrency_limit *in);
MUST_CHECK enum err_code limit_update(struct work *w, const char *id_or_name,
                                      const struct concurrency_limit *in);
MUST_CHECK enum err_code limit_delete(struct work *w, const char *id_or_name);

/* In the order of their ids, until the transaction ends; then count what is in use.  Arrays as
 * parameters; one of them may be NULL. */
MUST_CHECK enum err_code limits_lock(struct work *w, const char *names, const char *ids);

struct slots_taken {
    struct rows limits;   /* id, name, slots in all, ... of those that exist */
    struct uuid lease;    /* nil: without one */
    double retry_after_s; /* with LOCKED: when to ask again */
};
/* All or nothing.  LOCKED when there are not enough; INVALID when there can never be. */
MUST_CHECK enum err_code slots_take(struct work *w, const struct slots_wanted *in, bool with_lease,
                                    struct slots_taken *out);
MUST_CHECK enum err_code slots_give_back(struct work *w, const struct slots_wanted *in,
                                         struct rows *out);
MUST_CHECK enum err_code lease_end(struct work *w, struct uuid lease);
/* GONE when it has expired. */
MUST_CHECK enum err_code lease_renew(struct work *w, struct uuid lease, double seconds);
