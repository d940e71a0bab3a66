#include "worker/run/claim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/log.h"
#include "worker/lab/lease.h"

enum {
    WAIT_S = 30,
    HEARTBEAT_MS = 10000,
    LOOK_MS = 500, /* how often the devices are compared with what the server knows */
    CALL_TIMEOUT_MS = 10000,
    PAUSE_MS = 2000, /* after an answer that makes no sense to repeat at once */
    REPLY_MAX_BYTES = 16 << 20,
    SMALL_REPLY_BYTES = 1 << 20,
    URL_BYTES = 1024,
};

/* One kind of request of which at most one is open. */
struct line {
    struct claims *claims;
    struct http_call *call;
    char *body;
    char url[URL_BYTES];
};

/* Acknowledgements: one per answer of the long poll, so there may be several. */
struct ack {
    struct claims *claims;
    struct ack *next;
    struct http_call *call;
    json_t *ids;
    char *body;
    int64_t sent_us;
};

struct claims {
    struct claims_options o;
    struct line poll, heartbeat, pool;
    struct ack *acks;
    char ack_url[URL_BYTES];
    uv_timer_t pause, look;
    uint64_t polled_ms; /* loop time of the open poll */
    uint64_t beaten_ms; /* loop time of the last heartbeat */
    json_t *told;       /* the devices that it had */
    json_t *kept;       /* the claims that it had */
    int64_t sent_us;    /* lease_now_us() of it */
    double lease_s;     /* how long the server keeps a claim; 0: not told yet */
    int open_handles;
    bool stopped;
};

static void poll_again(struct claims *c);

static void each_text(const json_t *list, void (*take)(void *ctx, const char *text), void *ctx)
{
    size_t i;
    const json_t *item;

    json_array_foreach(list, i, item) if (json_is_string(item)) take(ctx, json_string_value(item));
}

/* The claims of `ids` that the answer does not name as lost are ours for its `lease_s`. */
static void tell_extended(struct claims *c, const json_t *ids, const json_t *answer,
                          int64_t sent_us)
{
    double lease_s = json_number_value(json_object_get(answer, "lease_s"));
    const json_t *lost = json_object_get(answer, "lost"), *id, *gone;
    size_t i, k;

    if (lease_s <= 0)
        return;
    c->lease_s = lease_s;
    json_array_foreach(ids, i, id)
    {
        bool ours = true;
        json_array_foreach(lost, k, gone) ours &= !json_equal(gone, id);
        if (ours)
            c->o.hooks.extended(c->o.hooks.ctx, json_string_value(id), sent_us, lease_s);
    }
}

static void tell_cancels(struct claims *c, const json_t *answer)
{
    const json_t *id, *reasons = json_object_get(answer, "reasons");
    size_t i;

    json_array_foreach(json_object_get(answer, "cancel"), i, id) if (json_is_string(id))
        c->o.hooks.cancel(c->o.hooks.ctx, json_string_value(id),
                          json_string_value(json_object_get(reasons, json_string_value(id))));
}

/* ---- one request of a line ---- */

/* Takes the reference to `body`. */
static void line_send(struct line *line, json_t *body, int64_t timeout_ms, int tries,
                      size_t reply_max_bytes, http_done_fn *done)
{
    line->body = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    struct http_request rq = {
        .method = "POST",
        .url = line->url,
        .body = line->body,
        .body_len = line->body ? strlen(line->body) : 0,
        .reply_max_bytes = reply_max_bytes,
        .timeout_ms = timeout_ms,
        .tries = tries,
        .done = done,
        .ctx = line,
    };
    line->call = line->body ? http_send(line->claims->o.http, &rq) : NULL;
}

/* The answer of a line, or NULL after having logged why there is none. */
static json_t *line_answer(struct line *line, const struct http_reply *reply, const char *what)
{
    line->call = NULL;
    free(line->body);
    line->body = NULL;
    if (reply->status == 200)
        return json_loadb(reply->body, reply->len, 0, NULL);
    log_warn(what, KV_I("status", reply->status),
             KV_S("answer", reply->status ? reply->body : reply->err->detail));
    return NULL;
}

static void line_close(struct line *line)
{
    http_cancel(line->call);
    line->call = NULL;
    free(line->body);
    line->body = NULL;
}

/* ---- acknowledgement ---- */

static void free_ack(struct ack *ack)
{
    struct ack **link = &ack->claims->acks;
    while (*link != ack)
        link = &(*link)->next;
    *link = ack->next;
    json_decref(ack->ids);
    free(ack->body);
    free(ack);
}

/* An answer other than 200 (the server knows nothing of the claims) loses them all: they return to
 * the queue. */
static void on_acked(void *ctx, const struct http_reply *reply)
{
    struct ack *ack = ctx;
    struct claims_hooks *hooks = &ack->claims->o.hooks;
    json_t *root = reply->status == 200 ? json_loadb(reply->body, reply->len, 0, NULL) : NULL;

    ack->call = NULL;
    if (root) {
        tell_extended(ack->claims, json_object_get(root, "live"), root, ack->sent_us);
        each_text(json_object_get(root, "live"), hooks->acked, hooks->ctx);
        each_text(json_object_get(root, "lost"), hooks->lost, hooks->ctx);
    } else {
        log_warn("claims.ack", KV_I("status", reply->status), KV_S("answer", reply->body));
        each_text(ack->ids, hooks->lost, hooks->ctx);
    }
    json_decref(root);
    free_ack(ack);
}

/* Takes the references. */
static void send_ack(struct claims *c, json_t *claims, json_t *ids)
{
    struct ack *ack = calloc(1, sizeof(*ack));
    json_t *body = json_pack("{s:s, s:I, s:o}", "agent", c->o.agent, "epoch",
                             (json_int_t)c->o.epoch, "claims", claims);
    char *text = json_dumps(body, JSON_COMPACT);

    json_decref(body);
    if (!ack || !text)
        abort(); /* out of memory for a few hundred bytes: let the supervisor start the agent anew
                  */
    *ack = (struct ack){
        .claims = c, .next = c->acks, .ids = ids, .body = text, .sent_us = lease_now_us()};
    c->acks = ack;
    ack->call = http_send(c->o.http, &(struct http_request){
                                         .method = "POST",
                                         .url = c->ack_url,
                                         .body = text,
                                         .body_len = strlen(text),
                                         .reply_max_bytes = SMALL_REPLY_BYTES,
                                         .timeout_ms = CALL_TIMEOUT_MS,
                                         .done = on_acked,
                                         .ctx = ack,
                                     });
}

/* ---- the long poll ---- */

static void take_claims(struct claims *c, const json_t *list)
{
    json_t *acks = json_array(), *ids = json_array(), *claim;
    size_t i;

    json_array_foreach(list, i, claim)
    {
        if (!c->o.hooks.claimed(c->o.hooks.ctx, claim))
            continue; /* not acknowledged: back to the queue in seconds */
        json_t *id = json_object_get(claim, "claim_id");
        json_array_append_new(acks, json_pack("{s:O, s:O}", "claim_id", id, "token",
                                              json_object_get(claim, "token")));
        json_array_append(ids, id);
    }
    if (json_array_size(ids)) {
        send_ack(c, acks, ids);
    } else {
        json_decref(acks);
        json_decref(ids);
    }
}

static void on_pause_over(uv_timer_t *timer)
{
    poll_again(timer->data);
}

static void ensure_pool(struct claims *c);

static void on_polled(void *ctx, const struct http_reply *reply)
{
    struct line *line = ctx;
    struct claims *c = line->claims;
    json_t *root = line_answer(line, reply, "claims.poll");

    if (root) {
        bool empty = !json_array_size(json_object_get(root, "claims")) &&
                     !json_array_size(json_object_get(root, "cancel"));
        bool early = empty && uv_now(c->o.loop) - c->polled_ms < PAUSE_MS;
        take_claims(c, json_object_get(root, "claims"));
        tell_cancels(c, root);
        json_decref(root);
        if (early) /* the other side does not wait: do not hurry either */
            uv_timer_start(&c->pause, on_pause_over, PAUSE_MS, 0);
        else
            poll_again(c);
    } else if (reply->status == 409) {
        c->o.hooks.fatal(c->o.hooks.ctx, reply->body);
    } else if (reply->status == 404) {
        ensure_pool(c);
    } else {
        uv_timer_start(&c->pause, on_pause_over, PAUSE_MS, 0);
    }
}

static json_t *identify(struct claims *c)
{
    return json_pack("{s:s, s:s, s:I, s:s, s:o}", "agent", c->o.agent, "name", c->o.name, "epoch",
                     (json_int_t)c->o.epoch, "pool", c->o.pool, "devices",
                     c->o.hooks.devices(c->o.hooks.ctx));
}

static void poll_again(struct claims *c)
{
    if (c->stopped || c->poll.call)
        return;
    c->polled_ms = uv_now(c->o.loop);
    json_t *body = identify(c);
    json_object_set_new(body, "slots", json_integer(c->o.slots));
    json_object_set_new(body, "wait_s", json_integer(WAIT_S));
    line_send(&c->poll, body, (WAIT_S + 10) * INT64_C(1000), 0, REPLY_MAX_BYTES, on_polled);
    if (!c->poll.call)
        uv_timer_start(&c->pause, on_pause_over, PAUSE_MS, 0);
}

/* ---- heartbeat ---- */

static void on_beaten(void *ctx, const struct http_reply *reply)
{
    struct line *line = ctx;
    struct claims_hooks *hooks = &line->claims->o.hooks;
    json_t *root = line_answer(line, reply, "claims.heartbeat");

    tell_extended(line->claims, line->claims->kept, root, line->claims->sent_us);
    each_text(json_object_get(root, "lost"), hooks->lost, hooks->ctx);
    tell_cancels(line->claims, root);
    each_text(json_object_get(root, "return"), hooks->returns, hooks->ctx);
    if (root)
        hooks->answered(hooks->ctx, line->claims->told, json_object_get(root, "held"));
    json_decref(root);
    if (reply->status == 409)
        hooks->fatal(hooks->ctx, reply->body);
}

static void beat(struct claims *c)
{
    json_t *body = identify(c);

    json_decref(c->kept);
    c->kept = c->o.hooks.live(c->o.hooks.ctx);
    c->sent_us = lease_now_us();
    json_object_set(body, "claims", c->kept);
    json_decref(c->told);
    c->told = json_incref(json_object_get(body, "devices"));
    c->beaten_ms = uv_now(c->o.loop);
    line_send(&c->heartbeat, body, CALL_TIMEOUT_MS, 3, SMALL_REPLY_BYTES, on_beaten);
}

/* Several fit into a lease. */
static uint64_t heartbeat_ms(const struct claims *c)
{
    double quarter_ms = c->lease_s * 1000 / 4;
    return c->lease_s > 0 && quarter_ms < HEARTBEAT_MS ? (uint64_t)quarter_ms : HEARTBEAT_MS;
}

static void on_look(uv_timer_t *timer)
{
    struct claims *c = timer->data;
    bool due = uv_now(c->o.loop) - c->beaten_ms >= heartbeat_ms(c);

    c->o.hooks.look(c->o.hooks.ctx, c->lease_s);
    if (c->heartbeat.call || c->pool.call)
        return;
    json_t *devices = due ? NULL : c->o.hooks.devices(c->o.hooks.ctx);
    if (due || !json_equal(devices, c->told))
        beat(c);
    json_decref(devices);
}

/* ---- the pool ---- */

static json_t *pool_template(void)
{
    static const char text[] =
        "{\"job_configuration\":{\"command\":\"{{ command }}\",\"env\":\"{{ env "
        "}}\",\"working_dir\":\"{{ working_dir }}\","
        "\"stream_output\":\"{{ stream_output }}\",\"grace_s\":\"{{ grace_s "
        "}}\",\"native_flow\":\"{{ native_flow }}\","
        "\"bench\":\"{{ bench }}\",\"devices\":\"{{ devices }}\",\"lost_attempts\":\"{{ "
        "lost_attempts }}\"},"
        "\"variables\":{\"type\":\"object\",\"properties\":{"
        "\"command\":{\"type\":\"string\",\"title\":\"Command\",\"description\":\"What to execute; "
        "default: the flow's entrypoint.\"},"
        "\"env\":{\"type\":\"object\",\"title\":\"Environment\",\"additionalProperties\":{\"type\":"
        "\"string\"}},"
        "\"working_dir\":{\"type\":\"string\",\"title\":\"Working folder\"},"
        "\"stream_output\":{\"type\":\"boolean\",\"title\":\"Output to the run's "
        "log\",\"default\":true},"
        "\"grace_s\":{\"type\":\"number\",\"title\":\"Seconds from TERM to KILL\",\"default\":30},"
        "\"native_flow\":{\"type\":\"string\",\"title\":\"Native "
        "flow\",\"description\":\"sha256:... of a YAML file in the file store.\"},"
        "\"bench\":{\"type\":\"object\",\"title\":\"Bench\",\"description\":\"{\\\"target\\\": "
        "...}: a free bench of that target.\"},"
        "\"devices\":{\"type\":\"array\",\"title\":\"Devices\",\"items\":{\"type\":\"object\"},"
        "\"description\":\"Instead: a list of what it needs, all of one agent.\"},"
        "\"lost_attempts\":{\"type\":\"integer\",\"title\":\"Attempts that may be "
        "lost\",\"default\":3}}}}";
    return json_loads(text, 0, NULL);
}

static void on_pool(void *ctx, const struct http_reply *reply)
{
    struct line *line = ctx;
    struct claims *c = line->claims;
    bool made = reply->status == 201, there = reply->status == 409;

    line->call = NULL;
    if (!made && !there)
        log_warn("claims.pool", KV_S("pool", c->o.pool), KV_I("status", reply->status),
                 KV_S("answer", reply->status ? reply->body : reply->err->detail));
    if (made)
        log_info("pool.made", KV_S("pool", c->o.pool));
    line_close(line);
    if (made || there) {
        beat(c); /* first: the server learns of the devices */
        poll_again(c);
    } else
        uv_timer_start(&c->pause, on_pause_over, PAUSE_MS, 0);
}

static void ensure_pool(struct claims *c)
{
    json_t *body = json_pack("{s:s, s:s, s:o}", "name", c->o.pool, "type", "switchyard",
                             "base_job_template", pool_template());
    line_send(&c->pool, body, CALL_TIMEOUT_MS, 0, SMALL_REPLY_BYTES, on_pool);
}

/* ---- start and end ---- */

static void set_url(const struct claims_options *o, char out[static URL_BYTES], const char *path)
{
    snprintf(out, URL_BYTES, "%s%s", o->api_url, path);
}

struct claims *claims_start(const struct claims_options *o)
{
    struct claims *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    c->o = *o;
    c->poll.claims = c->heartbeat.claims = c->pool.claims = c;
    set_url(o, c->poll.url, "/switchyard/claim");
    set_url(o, c->heartbeat.url, "/switchyard/heartbeat");
    set_url(o, c->pool.url, "/work_pools/");
    set_url(o, c->ack_url, "/switchyard/claims/ack");
    uv_timer_init(o->loop, &c->pause);
    uv_timer_init(o->loop, &c->look);
    c->pause.data = c->look.data = c;
    c->open_handles = 2;
    ensure_pool(c);
    uv_timer_start(&c->look, on_look, LOOK_MS, LOOK_MS);
    return c;
}

void claims_drain(struct claims *c)
{
    c->o.slots = 0;
    if (!c->poll.call)
        return;
    line_close(&c->poll); /* what it may have been given in this moment is not acknowledged */
    poll_again(c);
}

static void on_closed(uv_handle_t *handle)
{
    struct claims *c = handle->data;
    if (--c->open_handles)
        return;
    json_decref(c->told);
    json_decref(c->kept);
    free(c);
}

void claims_stop(struct claims *c)
{
    if (!c || c->stopped)
        return;
    c->stopped = true;
    line_close(&c->poll);
    line_close(&c->heartbeat);
    line_close(&c->pool);
    for (struct ack *ack = c->acks, *next; ack; ack = next) {
        next = ack->next;
        http_cancel(ack->call);
        free_ack(ack);
    }
    uv_close((uv_handle_t *)&c->pause, on_closed);
    uv_close((uv_handle_t *)&c->look, on_closed);
}
