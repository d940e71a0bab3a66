#include "server/store/liveness.h"

#include <string.h>

#include "server/db/params.h"
#include "server/store/event_emit.h"
#include "shared/base/clock.h"

enum { LIMIT = 500 };

enum err_code liveness_tell_ready(struct work *w, const struct rows *rows)
{
    static const struct {
        const char *name;
        enum event_subject subject;
    } kinds[] = {{"work-pool", SUBJECT_WORK_POOL},
                 {"work-queue", SUBJECT_WORK_QUEUE},
                 {"deployment", SUBJECT_DEPLOYMENT}};
    enum err_code rc = ERR_OK;

    for (size_t k = 0; k < COUNT(kinds) && !rc; k++) {
        struct uuids ids = {arena_array(&w->arena, struct uuid, (size_t)rows->count + 1), 0};
        for (int i = 0; i < rows->count; i++) {
            const char *kind = rows_text(rows, i, 1);
            ids.count +=
                kind && !strcmp(kind, kinds[k].name) &&
                uuid_parse(rows_text(rows, i, 0), rows_len(rows, i, 0), &ids.items[ids.count]);
        }
        if (ids.count)
            rc = event_emit_all(w, kinds[k].subject, "ready", ids);
    }
    return rc;
}

static enum err_code give_up(struct work *w, const struct silence *s)
{
    const char *limit = param_i64(w, LIMIT);
    struct rows r;
    enum err_code rc = db_query(w, Q_workers_silent,
                                PARAMS(param_time(w, w->now_us), param_i64(w, s->heartbeats),
                                       param_i64(w, s->heartbeat_s), limit),
                                &r);

    if (!rc)
        rc = db_query(w, Q_pools_unserved, PARAMS(limit), &r);
    if (!rc)
        rc = event_emit_rows(w, SUBJECT_WORK_POOL, "not-ready", &r);
    if (!rc)
        rc = db_query(w, Q_queues_unpolled, PARAMS(param_time(w, w->now_us - s->queue_us), limit),
                      &r);
    if (!rc)
        rc = event_emit_rows(w, SUBJECT_WORK_QUEUE, "not-ready", &r);
    if (!rc)
        rc = db_query(w, Q_deployments_unpolled,
                      PARAMS(param_time(w, w->now_us - s->deployment_us), limit), &r);
    return rc ? rc : event_emit_rows(w, SUBJECT_DEPLOYMENT, "not-ready", &r);
}

enum err_code liveness_give_up(struct work *w, const struct silence *s, int64_t *out_next_us)
{
    struct rows next;
    enum err_code rc = db_begin(w);

    if (!rc)
        rc = give_up(w, s);
    rc = db_end(w, rc);
    if (rc)
        return rc;
    rc = db_query(w, Q_liveness_next,
                  PARAMS(param_i64(w, s->heartbeats), param_i64(w, s->heartbeat_s),
                         param_f64(w, (double)s->queue_us / 1e6),
                         param_f64(w, (double)s->deployment_us / 1e6)),
                  &next);
    if (!rc)
        *out_next_us = rows_time(&next, 0, 0);
    return rc;
}

enum err_code leases_expire(struct work *w, int64_t limit, size_t *out_count, int64_t *out_next_us)
{
    struct rows gone, next;
    enum err_code rc =
        db_query(w, Q_leases_expire, PARAMS(param_time(w, w->now_us), param_i64(w, limit)), &gone);

    if (!rc)
        rc = db_query(w, Q_leases_next, NULL, &next);
    if (rc)
        return rc;
    *out_count = (size_t)gone.count;
    *out_next_us = next.count ? rows_time(&next, 0, 0) : TIME_NONE;
    return ERR_OK;
}
