#include "server/services/run_upkeep.h"

#include "server/store/run_upkeep.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"

/* As many as Prefect takes at once. */
enum { LATE_BATCH = 400, BATCH = 200 };
#define SECOND_US INT64_C(1000000)
/* How far back children of cancelled runs are looked for: at the start, and otherwise. */
#define DAY_US    (INT64_C(86400) * SECOND_US)
#define LATELY_US (INT64_C(300) * SECOND_US)
/* Runs that are due but do not move are tried again after this time. */
#define STUCK_US (60 * SECOND_US)

/* The next look: at the time, or at once while batches are full and runs move. */
static void look_next(struct pass *p, size_t moved, int64_t at_us)
{
    if (at_us == TIME_NONE)
        return;
    bool stuck = at_us <= p->w->now_us && !moved;
    p->next_us = stuck ? p->w->now_us + STUCK_US : at_us;
}

static void tell(const char *what, size_t count)
{
    if (count)
        log_info(what, KV_I("runs", (int64_t)count));
}

enum err_code late_runs_run(struct pass *p)
{
    int64_t after_us = settings_us(&p->w->server->config.settings,
                                   SETTING_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS);
    int64_t next_us = TIME_NONE;
    size_t count = 0;
    enum err_code rc = runs_mark_late(p->w, p->w->now_us - after_us, LATE_BATCH, &count, &next_us);

    tell("runs_late", count);
    look_next(p, count, next_us == TIME_NONE ? TIME_NONE : next_us + after_us);
    return rc;
}

enum err_code pause_expirations_run(struct pass *p)
{
    int64_t next_us = TIME_NONE;
    size_t count = 0;
    enum err_code rc = runs_end_pauses(p->w, BATCH, &count, &next_us);

    tell("pauses_ended", count);
    look_next(p, count, next_us == TIME_NONE ? TIME_NONE : next_us + 1);
    return rc;
}

enum err_code cancellation_run(struct pass *p)
{
    int64_t timeout_us =
        settings_us(&p->w->server->config.settings,
                    SETTING_SERVER_SERVICES_CANCELLATION_CLEANUP_CANCELLING_TIMEOUT_SECONDS);
    int64_t since_us = p->w->now_us - (p->absent ? DAY_US : LATELY_US), next_us = TIME_NONE;
    size_t ended = 0, children = 0;
    bool more = false;
    enum err_code rc =
        runs_end_cancellations(p->w, p->w->now_us - timeout_us, BATCH, &ended, &next_us);

    if (!rc)
        rc = runs_cancel_children(p->w, since_us, BATCH, &children, &more);
    tell("cancellations_timed_out", ended);
    tell("children_cancelled", children);
    look_next(p, ended, next_us == TIME_NONE ? TIME_NONE : next_us + timeout_us);
    if (more)
        p->next_us = p->w->now_us;
    return rc;
}
