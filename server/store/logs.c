#include "server/store/logs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "server/db/notify.h"
#include "server/db/params.h"
#include "server/http/broadcast.h"
#include "server/server.h"
#include "shared/base/buf.h"
#include "shared/base/clock.h"

enum { COPY_MAX_BYTES = 512 << 20 };

/* PostgreSQL's text format of COPY. */
static void put_text(struct buf *b, const char *text)
{
    static const char specials[] = "\\\t\n\r";
    const char *run = text;

    for (;; run = text) {
        text += strcspn(text, specials);
        buf_add(b, run, (size_t)(text - run));
        if (!*text)
            return;
        const char escaped[2] = {'\\', "\\tnr"[strchr(specials, *text) - specials]};
        buf_add(b, escaped, sizeof(escaped));
        text++;
    }
}

static void put_uuid(struct buf *b, struct uuid id)
{
    static const struct uuid nil;
    char text[UUID_TEXT_BYTES];

    if (memcmp(&id, &nil, sizeof(id)) == 0) {
        buf_lit(b, "\\N");
        return;
    }
    uuid_format(id, text);
    buf_add(b, text, UUID_TEXT_BYTES - 1);
}

static void put_log(struct buf *b, struct uuid id, const struct log *l)
{
    char number[24], time[TIME_TEXT_BYTES];

    put_uuid(b, id);
    buf_lit(b, "\t");
    put_text(b, l->name);
    buf_lit(b, "\t");
    buf_add(b, number, (size_t)snprintf(number, sizeof(number), "%" PRId64, l->level));
    buf_lit(b, "\t");
    put_uuid(b, l->flow_run_id);
    buf_lit(b, "\t");
    put_uuid(b, l->task_run_id);
    buf_lit(b, "\t");
    put_text(b, l->message);
    buf_lit(b, "\t");
    buf_add(b, time, time_format(l->timestamp_us, time));
    buf_lit(b, "\n");
}

/* ---- telling /logs/out ---- */

struct announcement {
    struct commit_hook hook; /* first member */
    struct log *logs;
    struct broadcast_item *items;
    size_t count;
};

static void tell(struct work *w, struct commit_hook *hook)
{
    const struct announcement *a = (const struct announcement *)hook;

    notify_send(w->server->notify, "logs", "");
    broadcast_publish(w->server->log_broadcast, a->items, a->count);
}

/* Room for all lines, or NULL when none are published. */
static struct announcement *prepare(struct work *w, const struct log_batch *batches, size_t count)
{
    size_t total = 0;

    if (!w->server->log_broadcast)
        return NULL;
    for (size_t i = 0; i < count; i++)
        total += batches[i].count;
    struct announcement *a = arena_new(&w->arena, struct announcement);
    a->hook.run = tell;
    a->logs = arena_array(&w->arena, struct log, total + 1);
    a->items = arena_array(&w->arena, struct broadcast_item, total + 1);
    return a;
}

static void add(struct announcement *a, struct uuid id, const struct log *l)
{
    struct log *copy = &a->logs[a->count];

    *copy = *l;
    copy->id = id;
    copy->created_us = copy->updated_us = TIME_NONE;
    a->items[a->count++] = (struct broadcast_item){id, copy};
}

static struct uuid read_uuid(const struct rows *r, int row, int column)
{
    struct uuid id = {{0}};
    const char *text = rows_text(r, row, column);

    if (text && !uuid_parse(text, rows_len(r, row, column), &id))
        return (struct uuid){{0}};
    return id;
}

/* When a UUIDv7 was made. */
static int64_t made_us(struct uuid id)
{
    int64_t ms = 0;
    for (int i = 0; i < 6; i++)
        ms = ms << 8 | id.bytes[i];
    return ms * 1000;
}

enum err_code logs_publish_since(struct work *w, int64_t limit, int64_t *since_us,
                                 size_t *out_count)
{
    struct rows r;
    enum err_code rc =
        db_query(w, Q_logs_since, PARAMS(param_time(w, *since_us), param_i64(w, limit)), &r);

    if (rc)
        return rc;
    struct log *logs = arena_array(&w->arena, struct log, (size_t)r.count + 1);
    struct broadcast_item *items =
        arena_array(&w->arena, struct broadcast_item, (size_t)r.count + 1);
    for (int i = 0; i < r.count; i++) {
        logs[i] = (struct log){.id = read_uuid(&r, i, 0),
                               .created_us = TIME_NONE,
                               .updated_us = TIME_NONE,
                               .name = rows_text(&r, i, 1),
                               .level = rows_i64(&r, i, 2),
                               .message = rows_text(&r, i, 3),
                               .timestamp_us = rows_time(&r, i, 4),
                               .flow_run_id = read_uuid(&r, i, 5),
                               .task_run_id = read_uuid(&r, i, 6)};
        items[i] = (struct broadcast_item){logs[i].id, &logs[i]};
        *since_us = made_us(logs[i].id);
    }
    *out_count = (size_t)r.count;
    broadcast_publish(w->server->log_broadcast, items, *out_count);
    return ERR_OK;
}

/* ---- storing ---- */

static enum err_code copy_in(struct work *w, const struct buf *text)
{
    if (text->full)
        return err_set(&w->err, TOO_LARGE, "a batch of logs has more than %d bytes",
                       COPY_MAX_BYTES);
    if (!text->len)
        return ERR_OK;
    return db_copy_in(w,
                      "COPY log (id, name, level, flow_run_id, task_run_id, message, "
                      "\"timestamp\") FROM STDIN",
                      text->bytes, text->len);
}

enum err_code logs_store(struct work *w, const struct log_batch *batches, size_t count)
{
    struct buf text = {.max_bytes = COPY_MAX_BYTES};
    struct announcement *a = prepare(w, batches, count);

    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < batches[i].count; k++) {
            struct uuid id = uuid_v7();
            put_log(&text, id, &batches[i].logs[k]);
            if (a)
                add(a, id, &batches[i].logs[k]);
        }
    enum err_code rc = copy_in(w, &text);
    buf_free(&text);
    if (!rc && a)
        db_after_commit(w, &a->hook);
    return rc;
}
