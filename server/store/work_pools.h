/* Work pools, queues and workers. */
#pragma once
#include "server/db/db.h"
#include "server/model/work_pool.h"

/* With its queue `default`.  CONFLICT when the name is taken, FORBIDDEN when it is reserved. */
MUST_CHECK enum err_code work_pool_create(struct work *w, const struct work_pool_create *in);
/* Rows of work_pool_resource; NOT_FOUND in Prefect's words. */
MUST_CHECK enum err_code work_pool_get(struct work *w, const char *name, struct rows *out);
/* The same with the columns of another resource over the table `work_pool wp`. */
MUST_CHECK enum err_code work_pool_get_as(struct work *w, const struct resource *shape,
                                          const char *name, struct rows *out);
MUST_CHECK enum err_code work_pool_update(struct work *w, const char *name,
                                          const struct work_pool_update *in);
MUST_CHECK enum err_code work_pool_delete(struct work *w, const char *name);
/* Its id as text. */
MUST_CHECK enum err_code work_pool_find(struct work *w, const char *name, const char **out_id);

MUST_CHECK enum err_code work_queue_create(struct work *w, const char *pool,
                                           const struct work_queue_write *in);
MUST_CHECK enum err_code work_queue_get(struct work *w, const char *pool, const char *name,
                                        struct rows *out);
MUST_CHECK enum err_code work_queue_get_by_id(struct work *w, struct uuid id, struct rows *out);
MUST_CHECK enum err_code work_queue_update(struct work *w, const char *pool, const char *name,
                                           const struct work_queue_write *in);
MUST_CHECK enum err_code work_queue_delete(struct work *w, const char *pool, const char *name);
/* The id of the queue of that name, made if there is none; NULL name: the pool's default queue. */
MUST_CHECK enum err_code work_queue_ensure(struct work *w, const char *pool, const char *name,
                                           const char **out_id);

/* Keeps the worker ONLINE and its pool READY. */
MUST_CHECK enum err_code worker_heartbeat(struct work *w, const char *pool,
                                          const struct worker_heartbeat *in);
MUST_CHECK enum err_code worker_delete(struct work *w, const char *pool, const char *name);

/* Due runs of a pool in starting order: columns run id, queue id.  Does not claim them; notes the
 * poll. */
struct work_wanted {
    struct strings queues;       /* no items: all */
    int64_t before_us, after_us; /* TIME_NONE: any time */
    int64_t limit;
};
MUST_CHECK enum err_code work_scheduled(struct work *w, const char *pool,
                                        const struct work_wanted *wanted, struct rows *out);
