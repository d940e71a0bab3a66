#include "server/store/worker_cleanup.h"

#include <string.h>

#include "server/db/params.h"
#include "server/server.h"
#include "shared/base/clock.h"

static const char *lease_s(struct work *w)
{
    int64_t us = settings_us(&w->server->config.settings,
                             SETTING_SERVER_WORKER_CHANNEL_CLEANUP_LEASE_SECONDS);
    return param_f64(w, (double)us / 1e6);
}

enum err_code worker_cleanup_make(struct work *w)
{
    struct rows none;
    return db_query(w, Q_worker_cleanup_make, NULL, &none);
}

enum err_code worker_cleanup_take(struct work *w, const struct cleanup_wanted *wanted,
                                  struct rows *out)
{
    int64_t most = settings_int(&w->server->config.settings,
                                SETTING_SERVER_WORKER_CHANNEL_CLEANUP_MAX_DELIVERY_ATTEMPTS);
    const char *queues = wanted->queues.count ? param_uuid_array(w, wanted->queues) : NULL;

    return db_query(w, Q_worker_cleanup_take,
                    PARAMS(wanted->pool_id, queues, param_text_array(w, wanted->kinds), lease_s(w),
                           param_i64(w, most)),
                    out);
}

/* NULL: the caller holds the message. */
static const struct cleanup_result *refusal(const struct rows *r, const char *token)
{
    static const struct cleanup_result not_found = {"not_found", "message_not_found", TIME_NONE},
                                       done = {"not_current", "message_completed", TIME_NONE},
                                       dead = {"dead_lettered", "message_dead_lettered", TIME_NONE},
                                       other = {"invalid_token", "token_mismatch", TIME_NONE},
                                       late = {"expired", "lease_expired", TIME_NONE};

    if (!r->count)
        return &not_found;
    if (rows_text(r, 0, 0))
        return strcmp(rows_text(r, 0, 0), "dead_lettered") == 0 ? &dead : &done;
    if (!rows_text(r, 0, 1) || strcmp(rows_text(r, 0, 1), token) != 0)
        return &other;
    return rows_bool(r, 0, 2) ? NULL : &late;
}

enum err_code worker_cleanup_do(struct work *w, enum cleanup_operation operation, struct uuid id,
                                const char *token, struct cleanup_result *out)
{
    static const enum query queries[] = {
        [CLEANUP_ACK] = Q_worker_cleanup_acknowledge, [CLEANUP_RELEASE] = Q_worker_cleanup_release};
    const char *message = param_uuid(w, id);
    struct rows rows;
    enum err_code rc = db_begin(w);

    if (!rc)
        rc = db_query(w, Q_worker_cleanup_lock, PARAMS(message), &rows);
    const struct cleanup_result *refused = rc ? NULL : refusal(&rows, token);
    *out = refused ? *refused : (struct cleanup_result){"accepted", NULL, TIME_NONE};
    if (!rc && !refused && operation == CLEANUP_RENEW) {
        rc = db_query(w, Q_worker_cleanup_renew, PARAMS(message, lease_s(w)), &rows);
        if (!rc)
            out->held_until_us = rows_time(&rows, 0, 0);
    } else if (!rc && !refused) {
        rc = db_query(w, queries[operation], PARAMS(message), &rows);
    }
    return db_end(w, rc);
}
