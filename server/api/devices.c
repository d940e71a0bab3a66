#include "server/api/devices.h"

#include <string.h>

#include "server/http/parking.h"
#include "server/http/reply.h"
#include "server/server.h"
#include "server/store/claims.h"
#include "server/store/devices.h"
#include "server/store/run_why.h"
#include "shared/json/write.h"

enum err_code devices_get(struct request *rq)
{
    struct rows rows;
    enum err_code rc = devices_list(&rq->work, request_query(rq, "name"), &rows);
    return rc ? rc : reply_text(rq, 200, rows_text(&rows, 0, 0));
}

enum err_code devices_hold(struct request *rq)
{
    enum err_code rc = device_hold(&rq->work, rq->params[0], request_in(rq, struct device_hold));
    return rc ? rc : devices_get(rq);
}

/* Whoever waits for such a device looks again. */
static enum err_code changed(struct request *rq, enum err_code rc)
{
    if (rc)
        return rc;
    parking_ring(rq->work.server->parking, claims_topic());
    return devices_get(rq);
}

static const struct device_release *asked(struct request *rq)
{
    static const struct device_release anybody;
    return rq->in ? rq->in : &anybody;
}

enum err_code devices_release(struct request *rq)
{
    return changed(rq, device_release(&rq->work, rq->params[0], asked(rq)));
}

enum err_code devices_kick(struct request *rq)
{
    struct transition_list done = {0};
    enum err_code rc = device_kick(&rq->work, rq->params[0], asked(rq), &done);

    if (!rc && done.count)
        transitions_announce(&rq->work, done.items, done.count);
    return changed(rq, rc);
}

enum err_code devices_return(struct request *rq)
{
    return changed(rq, device_return(&rq->work, rq->params[0], asked(rq)));
}

enum err_code devices_maintain(struct request *rq)
{
    return changed(
        rq, device_maintain(&rq->work, rq->params[0], request_in(rq, struct device_maintenance)));
}

enum err_code devices_history(struct request *rq)
{
    struct rows rows;
    enum err_code rc = device_history(&rq->work, rq->params[0], request_query(rq, "agent"), &rows);
    return rc ? rc : reply_text(rq, 200, rows_text(&rows, 0, 0));
}

enum err_code flow_runs_why(struct request *rq)
{
    struct run_placement placement;
    struct run_reason reasons[RUN_REASONS_MAX];
    struct uuid id;
    struct buf *b = &rq->reply.body;
    enum err_code rc = uuid_parse(rq->params[0], strlen(rq->params[0]), &id)
                           ? run_placement(&rq->work, id, &placement)
                           : err_set(&rq->work.err, NOT_FOUND, "Flow run not found");
    if (rc)
        return rc;
    size_t count = run_why(&rq->work.arena, &placement, reasons);
    write_object(b);
    write_key(b, "state");
    write_string(b, placement.state_name);
    write_key(b, "waits");
    write_bool(b, count > 0);
    write_key(b, "reasons");
    write_array(b);
    for (size_t i = 0; i < count; i++) {
        write_object(b);
        write_key(b, "kind");
        write_string(b, reasons[i].kind);
        write_key(b, "text");
        write_string(b, reasons[i].text);
        write_end_object(b);
    }
    write_end_array(b);
    write_end_object(b);
    return reply_status(rq, 200);
}
