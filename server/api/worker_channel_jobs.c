#include "server/api/worker_channel_jobs.h"

#include <stdlib.h>
#include <string.h>

#include "server/db/params.h"
#include "server/server.h"
#include "server/store/work_pools.h"
#include "shared/base/clock.h"
#include "shared/json/write.h"

static enum err_code end(struct job *j, uint16_t code, const char *reason)
{
    j->close_code = code;
    j->close_reason = reason;
    return ERR_OK;
}

/* ---- frames ---- */

static void begin_frame(struct buf *b, const char *type)
{
    write_object(b);
    write_key(b, "type");
    write_string(b, type);
    write_key(b, "id");
    write_uuid(b, uuid_v7());
    write_key(b, "sent_at");
    write_time(b, clock_now_us());
    write_key(b, "payload");
    write_object(b);
}

static void end_frame(struct buf *b)
{
    write_end_object(b);
    write_end_object(b);
}

static void add_pool(struct buf *b, const struct rows *pool)
{
    struct column columns[DB_PARAMETERS_MAX];

    for (int i = 0; i < pool->columns; i++)
        columns[i] = (struct column){rows_text(pool, 0, i), rows_len(pool, 0, i)};
    write_key(b, "work_pool");
    json_encode_columns(b, &work_pool_resource, columns);
}

static void add_text(struct buf *b, const char *key, const char *text)
{
    write_key(b, key);
    write_string(b, text);
}

static void add_capabilities(struct buf *b, const struct channel_hello *hello, bool accepted)
{
    const struct strings *list = &hello->requested_capabilities;

    write_key(b, accepted ? "accepted_capabilities" : "rejected_capabilities");
    write_array(b);
    for (size_t i = 0; i < list->count; i++) {
        const char *name = list->items[i];
        bool cleanup = strcmp(name, "cleanup_delivery.v1") == 0;
        bool known = cleanup ? channel_cleans_up(hello)
                             : strcmp(name, "worker_heartbeat.v1") == 0 ||
                                   strcmp(name, "work_pool_snapshot.v1") == 0;
        if (known == accepted)
            write_string(b, name);
    }
    write_end_array(b);
}

static void add_snapshot(struct buf *b, int64_t sequence, const char *reason,
                         const struct rows *pool)
{
    write_key(b, "snapshot_sequence");
    write_int64(b, sequence);
    add_text(b, "reason", reason);
    add_pool(b, pool);
}

static void write_ready(struct job *j, const struct rows *pool, const struct rows *queues)
{
    const struct channel_hello *hello = j->channel->hello;
    struct buf *b = &j->frame;

    begin_frame(b, "worker.ready.v1");
    write_key(b, "consumer_id");
    write_uuid(b, hello->consumer_id);
    add_text(b, "worker_id", NULL);
    add_text(b, "selected_channel_version", CHANNEL_VERSION);
    write_key(b, "effective_heartbeat_interval_seconds");
    write_int64(b, hello->heartbeat_interval_seconds);
    add_capabilities(b, hello, true);
    add_capabilities(b, hello, false);
    write_key(b, "effective_max_cleanup_concurrency");
    write_int64(b, channel_cleans_up(hello) ? hello->max_cleanup_concurrency : 0);
    write_key(b, "resolved_work_queues");
    write_array(b);
    for (int i = 0; i < queues->count; i++) {
        write_object(b);
        add_text(b, "id", rows_text(queues, i, 0));
        add_text(b, "name", rows_text(queues, i, 1));
        write_end_object(b);
    }
    write_end_array(b);
    write_key(b, "initial_snapshot");
    write_object(b);
    add_snapshot(b, 1, "initial", pool);
    write_end_object(b);
    end_frame(b);
}

/* ---- jobs: in the lane ---- */

static enum err_code digest(struct work *w, struct job *j)
{
    struct rows rows;
    enum err_code rc = db_query(w, Q_work_pool_digest, PARAMS(j->channel->pool), &rows);

    if (rc || !rows.count)
        return rc ? rc : err_set(&w->err, NOT_FOUND, "no such pool");
    snprintf(j->pool_id, sizeof(j->pool_id), "%s", rows_text(&rows, 0, 0));
    snprintf(j->digest, sizeof(j->digest), "%s", rows_text(&rows, 0, 1));
    return ERR_OK;
}

static enum err_code find_pool(struct work *w, const struct channel *c, struct rows *out)
{
    const struct channel_hello *hello = c->hello;
    enum err_code rc = work_pool_get(w, c->pool, out);

    if (rc != ERR_NOT_FOUND || !hello->create_pool_if_not_found)
        return rc;
    struct storage_configuration none = {.given = {NULL}};
    struct work_pool_create in = {.name = c->pool,
                                  .type = hello->worker_type,
                                  .base_job_template = hello->default_base_job_template,
                                  .concurrency_limit = INT_NONE,
                                  .storage_configuration = &none};
    rc = work_pool_create(w, &in);
    if (!rc || rc == ERR_CONFLICT)
        rc = work_pool_get(w, c->pool, out);
    return rc;
}

static enum err_code beat(struct work *w, const struct channel *c)
{
    const struct worker_heartbeat in = {.name = c->hello->worker_name,
                                        .heartbeat_interval_seconds =
                                            c->hello->heartbeat_interval_seconds};
    return worker_heartbeat(w, c->pool, &in);
}

static enum err_code greet(struct work *w, struct job *j)
{
    const struct channel *c = j->channel;
    const struct strings *names = &c->hello->work_queue_names;
    struct rows pool, queues = {0};
    enum err_code rc = find_pool(w, c, &pool);

    if (!rc)
        rc = digest(w, j);
    if (!rc)
        rc = db_query(w, Q_work_queues_named,
                      PARAMS(j->pool_id, names->count ? param_text_array(w, *names) : NULL),
                      &queues);
    if (!rc && (size_t)queues.count < names->count)
        return end(j, CLOSE_NO_POOL);
    if (!rc)
        rc = beat(w, c);
    if (!rc)
        rc = work_pool_get(w, c->pool, &pool); /* READY now */
    if (rc)
        return rc;
    write_ready(j, &pool, &queues);
    j->queues.items = calloc((size_t)queues.count + 1, sizeof(struct uuid));
    for (int i = 0; j->queues.items && i < queues.count && names->count; i++)
        j->queues.count += uuid_parse(rows_text(&queues, i, 0), rows_len(&queues, i, 0),
                                      &j->queues.items[j->queues.count]);
    return ERR_OK;
}

enum err_code channel_greet(struct work *w, struct socket_job *job)
{
    struct job *j = (struct job *)job;
    enum err_code rc = greet(w, j);

    if (rc == ERR_NOT_FOUND || rc == ERR_FORBIDDEN || rc == ERR_INVALID)
        return end(j, CLOSE_NO_POOL);
    return rc ? end(j, 1011, "transient_server_error") : ERR_OK;
}

static enum err_code look(struct work *w, struct job *j)
{
    struct rows pool;
    enum err_code rc = digest(w, j);

    if (rc || strcmp(j->digest, j->channel->shown) == 0)
        return rc;
    rc = work_pool_get(w, j->channel->pool, &pool);
    if (rc)
        return rc;
    begin_frame(&j->frame, "work_pool.snapshot.v1");
    add_snapshot(&j->frame, j->sequence, "work_pool_updated", &pool);
    end_frame(&j->frame);
    return ERR_OK;
}

enum err_code channel_look(struct work *w, struct socket_job *job)
{
    struct job *j = (struct job *)job;
    enum err_code rc = look(w, j);
    return rc == ERR_NOT_FOUND ? end(j, CLOSE_NO_POOL) : ERR_OK; /* else: at the next look */
}

enum err_code channel_beat(struct work *w, struct socket_job *job)
{
    struct job *j = (struct job *)job;
    enum err_code rc = beat(w, j->channel);

    if (rc == ERR_NOT_FOUND)
        return end(j, CLOSE_NO_POOL);
    return rc ? end(j, 1011, "heartbeat_persistence_failed") : channel_look(w, job);
}

static void write_message(struct buf *b, const struct rows *r)
{
    begin_frame(b, "cleanup.message.v1");
    add_text(b, "message_id", rows_text(r, 0, CLEANUP_ID));
    add_text(b, "kind", rows_text(r, 0, CLEANUP_KIND));
    write_key(b, "target");
    write_object(b);
    add_text(b, "flow_run_id", rows_text(r, 0, CLEANUP_FLOW_RUN));
    add_text(b, "infrastructure_pid", rows_text(r, 0, CLEANUP_PID));
    add_text(b, "claim_id", rows_text(r, 0, CLEANUP_CLAIM));
    write_end_object(b);
    add_text(b, "reservation_token", rows_text(r, 0, CLEANUP_TOKEN));
    write_key(b, "lease_expires_at");
    write_time(b, rows_time(r, 0, CLEANUP_HELD_UNTIL));
    write_key(b, "delivery_count");
    write_int64(b, rows_i64(r, 0, CLEANUP_DELIVERIES));
    add_text(b, "work_queue_id", rows_text(r, 0, CLEANUP_QUEUE));
    write_key(b, "data");
    write_raw(b, (struct raw){rows_text(r, 0, CLEANUP_DATA), rows_len(r, 0, CLEANUP_DATA)});
    end_frame(b);
}

enum err_code channel_take(struct work *w, struct socket_job *job)
{
    struct job *j = (struct job *)job;
    const struct channel *c = j->channel;
    const struct cleanup_wanted wanted = {c->pool_id, c->queues, c->hello->handled_cleanup_kinds};
    struct rows rows;
    enum err_code rc = worker_cleanup_take(w, &wanted, &rows);

    if (rc || !rows.count)
        return rc;
    j->sent =
        uuid_parse(rows_text(&rows, 0, CLEANUP_ID), rows_len(&rows, 0, CLEANUP_ID), &j->message);
    write_message(&j->frame, &rows);
    return ERR_OK;
}

enum err_code channel_cleanup_do(struct work *w, struct socket_job *job)
{
    static const char *const names[] = {
        [CLEANUP_ACK] = "ack", [CLEANUP_RELEASE] = "release", [CLEANUP_RENEW] = "renew"};
    struct job *j = (struct job *)job;
    struct cleanup_result result;
    struct buf *b = &j->frame;
    enum err_code rc = worker_cleanup_do(w, j->operation, j->cleanup->message_id,
                                         j->cleanup->reservation_token, &result);

    if (rc)
        result = (struct cleanup_result){"error", "transient_server_error", TIME_NONE};
    j->finished = j->operation != CLEANUP_RENEW || result.reason;
    begin_frame(b, "cleanup.operation_result.v1");
    write_key(b, "request_frame_id");
    write_uuid(b, j->frame_id);
    write_key(b, "message_id");
    write_uuid(b, j->cleanup->message_id);
    add_text(b, "operation", names[j->operation]);
    add_text(b, "status", result.status);
    write_key(b, "lease_expires_at");
    write_time(b, result.held_until_us);
    add_text(b, "reason", result.reason);
    add_text(b, "detail", NULL);
    end_frame(b);
    return rc;
}
