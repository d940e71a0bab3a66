#include "server/model/run_why.h"

#include <string.h>

#include "shared/base/base.h"

/* The name of a state that the limit of a deployment made. */
static const char limited[] = "AwaitingConcurrencySlot";

typedef const char *say_fn(struct arena *a, const struct run_placement *p);

static const char *say_pool(struct arena *a, const struct run_placement *p)
{
    (void)a;
    return p->pool ? NULL : "it has no work pool: nobody looks for it";
}

static const char *say_schedule(struct arena *a, const struct run_placement *p)
{
    return p->early && strcmp(p->state_name, limited) != 0
               ? arena_printf(a, "it is planned for %s", p->due)
               : NULL;
}

static const char *say_limit(struct arena *a, const struct run_placement *p)
{
    return p->early && strcmp(p->state_name, limited) == 0
               ? arena_printf(a,
                              "its deployment had its limit of concurrent runs when it was to "
                              "begin; it is tried again %s",
                              p->due)
               : NULL;
}

static const char *say_retry(struct arena *a, const struct run_placement *p)
{
    (void)a;
    return p->in_process ? "its process waits for the retry itself" : NULL;
}

static const char *say_pool_paused(struct arena *a, const struct run_placement *p)
{
    return p->pool_paused ? arena_printf(a, "the work pool %s is paused", p->pool) : NULL;
}

static const char *say_queue_paused(struct arena *a, const struct run_placement *p)
{
    return p->queue_paused ? arena_printf(a, "the work queue %s is paused", p->queue) : NULL;
}

static const char *say_worker(struct arena *a, const struct run_placement *p)
{
    return p->pool && !p->workers
               ? arena_printf(a, "no agent or worker serves the work pool %s", p->pool)
               : NULL;
}

static const char *say_pool_limit(struct arena *a, const struct run_placement *p)
{
    return p->pool_limit >= 0 && p->pool_busy >= p->pool_limit
               ? arena_printf(a, "the work pool %s has its limit of %lld runs", p->pool,
                              (long long)p->pool_limit)
               : NULL;
}

static const char *say_queue_limit(struct arena *a, const struct run_placement *p)
{
    return p->queue_limit >= 0 && p->queue_busy >= p->queue_limit
               ? arena_printf(a, "the work queue %s has its limit of %lld runs", p->queue,
                              (long long)p->queue_limit)
               : NULL;
}

static const char *say_slots(struct arena *a, const struct run_placement *p)
{
    return p->free_slots == 0
               ? arena_printf(a, "no agent of the work pool %s has a free slot", p->pool)
               : NULL;
}

static const char *say_no_bench(struct arena *a, const struct run_placement *p)
{
    return p->wanted && !p->benches ? arena_printf(a, "no agent of the work pool %s has a %s",
                                                   p->pool ? p->pool : "", p->wanted)
                                    : NULL;
}

static const char *say_bench(struct arena *a, const struct run_placement *p)
{
    return p->wanted && p->benches && !p->free_benches
               ? arena_printf(a, "no %s is free: %s", p->wanted,
                              p->obstacles ? p->obstacles : "not together on one agent")
               : NULL;
}

static const char *say_kept(struct arena *a, const struct run_placement *p)
{
    return p->kept_for && p->free_benches
               ? arena_printf(a, "the %s that is free is kept for the run %s, which comes first",
                              p->wanted, p->kept_for)
               : NULL;
}

static const struct {
    const char *kind;
    say_fn *say;
} rows[] = {
    {"no_pool", say_pool},    {"concurrency_limit", say_limit}, {"schedule", say_schedule},
    {"retry", say_retry},     {"pool_paused", say_pool_paused}, {"queue_paused", say_queue_paused},
    {"no_agent", say_worker}, {"pool_limit", say_pool_limit},   {"queue_limit", say_queue_limit},
    {"no_slot", say_slots},   {"no_bench", say_no_bench},       {"bench", say_bench},
    {"turn", say_kept},
};

size_t run_why(struct arena *a, const struct run_placement *p,
               struct run_reason out[static RUN_REASONS_MAX])
{
    size_t count = 0;
    if (!strcmp(p->state_type, "PAUSED")) {
        out[0] = (struct run_reason){"paused", "it is paused: somebody must resume it"};
        return 1;
    }
    if (strcmp(p->state_type, "SCHEDULED") != 0)
        return 0;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *text = rows[i].say(a, p);
        if (text)
            out[count++] = (struct run_reason){rows[i].kind, text};
    }
    if (!count)
        out[count++] = (struct run_reason){
            "turn", p->before ? arena_printf(a, "%lld run%s of its work pool %s before it",
                                             (long long)p->before, p->before == 1 ? "" : "s",
                                             p->before == 1 ? "is" : "are")
                              : "nothing is in its way: an agent takes it next"};
    return count;
}
