#include "server/services/liveness.h"

#include "server/http/parking.h"
#include "server/store/claims.h"
#include "server/store/liveness.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"

enum { LEASES_BATCH = 500 };
#define SECOND_US INT64_C(1000000)

enum err_code claims_run(struct pass *p)
{
    struct work *w = p->w;
    struct transition_list done = {0};
    int64_t next_us = TIME_NONE;
    bool more = false;
    enum err_code rc = db_begin(w);

    if (!rc)
        rc = p->absent ? claims_spare(w) : claims_expire(w, &done, &more);
    if (!rc)
        rc = db_commit(w);
    if (rc)
        return rc;
    if (done.count) {
        log_warn("claims_expired", KV_I("runs", (int64_t)done.count));
        transitions_announce(w, done.items, done.count);
        parking_ring(w->server->parking, claims_topic());
    }
    rc = claims_next(w, &next_us);
    if (next_us != TIME_NONE)
        p->next_us = next_us + 1;
    return rc;
}

/* Not before its loop's time is over: what is polled moves its deadline all the time. */
static void look_next(struct pass *p, int64_t at_us, enum setting_id loop)
{
    int64_t soonest_us = p->w->now_us + settings_us(&p->w->server->config.settings, loop);

    if (at_us != TIME_NONE)
        p->next_us = at_us > soonest_us ? at_us : soonest_us;
}

/* Whoever shows up now is silent for too long this much later at the soonest; nobody says that he
 * came, as that would be news with every poll. */
static int64_t shortest_us(const struct silence *s)
{
    int64_t us = s->heartbeats * s->heartbeat_s * SECOND_US;

    us = s->queue_us < us ? s->queue_us : us;
    return s->deployment_us < us ? s->deployment_us : us;
}

enum err_code liveness_run(struct pass *p)
{
    const struct settings *s = &p->w->server->config.settings;
    const struct silence silence = {
        .heartbeats =
            settings_int(s, SETTING_SERVER_SERVICES_FOREMAN_INACTIVITY_HEARTBEAT_MULTIPLE),
        .heartbeat_s =
            settings_int(s, SETTING_SERVER_SERVICES_FOREMAN_FALLBACK_HEARTBEAT_INTERVAL_SECONDS),
        .queue_us =
            SECOND_US *
            settings_int(s, SETTING_SERVER_SERVICES_FOREMAN_WORK_QUEUE_LAST_POLLED_TIMEOUT_SECONDS),
        .deployment_us =
            SECOND_US *
            settings_int(s, SETTING_SERVER_SERVICES_FOREMAN_DEPLOYMENT_LAST_POLLED_TIMEOUT_SECONDS),
    };
    int64_t next_us = TIME_NONE;

    if (p->absent) { /* nobody could say that he lives: after the loop's time it is looked again */
        look_next(p, p->w->now_us, SETTING_SERVER_SERVICES_FOREMAN_LOOP_SECONDS);
        return ERR_OK;
    }
    enum err_code rc = liveness_give_up(p->w, &silence, &next_us);
    int64_t newcomer_us = p->w->now_us + shortest_us(&silence);
    if (next_us == TIME_NONE || newcomer_us < next_us)
        next_us = newcomer_us;
    look_next(p, next_us, SETTING_SERVER_SERVICES_FOREMAN_LOOP_SECONDS);
    return rc;
}

enum err_code leases_run(struct pass *p)
{
    int64_t next_us = TIME_NONE;
    size_t count = 0;
    enum err_code rc = leases_expire(p->w, LEASES_BATCH, &count, &next_us);

    if (count)
        log_info("leases_expired", KV_I("leases", (int64_t)count));
    look_next(p, next_us, SETTING_SERVER_SERVICES_REPOSSESSOR_LOOP_SECONDS);
    if (count == LEASES_BATCH)
        p->next_us = p->w->now_us;
    return rc;
}
