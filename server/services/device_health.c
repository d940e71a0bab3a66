#include "server/services/device_health.h"

#include "server/http/parking.h"
#include "server/server.h"
#include "server/store/claims.h"
#include "server/store/device_health.h"
#include "shared/base/clock.h"

/* How often it is looked whether a check is over. */
#define OPEN_US INT64_C(1000000)

enum err_code device_health_run(struct pass *p)
{
    size_t settled = 0, begun = 0;
    int64_t due_us = TIME_NONE;
    bool open = false;
    enum err_code rc = health_settle_all(p->w, &settled);

    if (!rc)
        rc = health_begin_all(p->w, &begun);
    if (!rc)
        rc = health_next(p->w, &open, &due_us);
    if (settled && p->w->server->parking) /* a device may be free for others now */
        parking_ring(p->w->server->parking, claims_topic());
    if (due_us != TIME_NONE && due_us > p->w->now_us)
        p->next_us = due_us;
    if (open && p->w->now_us + OPEN_US < p->next_us)
        p->next_us = p->w->now_us + OPEN_US;
    return rc;
}
