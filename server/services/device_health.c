#include "server/services/device_health.h"

#include "server/agenda.h"
#include "server/http/parking.h"
#include "server/server.h"
#include "server/store/claims.h"
#include "server/store/device_health.h"
#include "server/watch.h"
#include "shared/base/clock.h"

/* A device that is due was locked just now. */
#define AGAIN_US INT64_C(500000)

/* Checks that were over before their runs were watched are settled here, others when they end.  The
 * other servers learn of new ones: the run may end there. */
enum err_code device_health_run(struct pass *p)
{
    struct server *server = p->w->server;
    size_t settled = 0, begun = 0;
    struct uuids open = {0};
    int64_t due_us = TIME_NONE;
    enum err_code rc = health_begin_all(p->w, &begun);

    if (!rc)
        rc = health_open_runs(p->w, &open);
    if (!rc)
        watch_set(server->checks, open.items, open.count);
    if (!rc)
        rc = health_settle_all(p->w, &settled);
    if (!rc)
        rc = health_next(p->w, &due_us);
    if (settled && server->parking) /* a device may be free for others now */
        parking_ring(server->parking, claims_topic());
    if (!rc && (settled || begun))
        agenda_due(server->agenda, AGENDA_HEALTH, p->w->now_us);
    if (due_us != TIME_NONE)
        p->next_us = due_us > p->w->now_us ? due_us : p->w->now_us + AGAIN_US;
    return rc;
}
