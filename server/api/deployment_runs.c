/* POST /deployments/{id}/create_flow_run, one and many; very many for campaigns. */
#include "server/api/deployment_runs.h"

#include <stdio.h>
#include <string.h>

#include "server/http/reply.h"
#include "server/store/deployment_runs.h"
#include "shared/json/write.h"

enum { BULK_MAX = 100, BATCH_MAX = 1000, CREATED_BY_MAX_BYTES = 8192 };

/* ---- who made it ---- */

static int base64_value(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

static const char *base64_text(struct arena *a, const char *text)
{
    char *out = arena_array(a, char, strlen(text) + 1), *p = out;
    unsigned bits = 0, count = 0;

    for (; base64_value(*text) >= 0; text++) {
        bits = bits << 6 | (unsigned)base64_value(*text);
        count += 6;
        if (count < 8)
            continue;
        count -= 8;
        *p++ = (char)(bits >> count & 0xff);
    }
    *p = '\0';
    return out;
}

struct raw created_by_of(struct request *rq)
{
    const char *id = request_header(rq, "Prefect-Automation-ID");
    const char *name = request_header(rq, "Prefect-Automation-Name");
    struct buf b = {.max_bytes = CREATED_BY_MAX_BYTES};
    struct uuid automation;

    if (!id || !uuid_parse(id, strlen(id), &automation))
        return (struct raw){0};
    write_object(&b);
    write_key(&b, "id");
    write_uuid(&b, automation);
    write_key(&b, "type");
    write_string(&b, "AUTOMATION");
    write_key(&b, "display_value");
    write_string(&b, name ? base64_text(&rq->work.arena, name) : NULL);
    write_end_object(&b);
    struct raw out = {arena_strndup(&rq->work.arena, b.bytes, b.len), b.len};
    bool full = b.full;
    buf_free(&b);
    return full ? (struct raw){0} : out;
}

/* ---- one ---- */

enum err_code deployments_create_flow_run(struct request *rq)
{
    struct flow_run_new run = {.created_by = created_by_of(rq)};
    struct run_source source;
    struct rows rows;
    enum err_code rc = run_source_get(&rq->work, rq->ids[0], &source);

    if (!rc)
        rc = run_source_prepare(&rq->work, &source, request_in(rq, struct flow_run_create), &run);
    if (!rc)
        rc = flow_run_create(&rq->work, &run);
    if (!rc)
        rc = flow_run_get(&rq->work, run.id, &rows);
    return rc ? rc : reply_row(rq, run.created ? 201 : 200, &flow_run_resource, &rows, 0);
}

/* ---- many ---- */

/* What a failed item says: without the words for single requests. */
static const char *item_error(struct request *rq)
{
    static const struct {
        enum err_code code;
        const char *single, *instead;
    } words[] = {
        {ERR_CONFLICT, "Error creating flow run: ", "Parameter validation failed: "},
        {ERR_BAD_REQUEST, "Error hydrating flow run parameters: ", ""},
    };
    const struct err *e = &rq->work.err;
    const char *detail = e->detail;

    for (size_t i = 0; i < COUNT(words); i++) {
        size_t len = strlen(words[i].single);
        if (e->code == words[i].code && strncmp(detail, words[i].single, len) == 0)
            return arena_printf(&rq->work.arena, "%s%s", words[i].instead, detail + len);
    }
    return arena_printf(&rq->work.arena, "%s", detail);
}

static void write_item(struct buf *b, struct uuid id, const char *error)
{
    write_object(b);
    write_key(b, "flow_run_id");
    if (error)
        write_null(b);
    else
        write_uuid(b, id);
    write_key(b, "status");
    write_string(b, error ? "FAILED" : "CREATED");
    write_key(b, "error");
    write_string(b, error);
    write_end_object(b);
}

/* Each in a transaction of its own: one that fails leaves the others alone. */
static void create_items(struct request *rq, const struct run_source *source)
{
    const struct flow_run_create *in = rq->in;
    struct buf *b = &rq->reply.body;

    for (size_t i = 0; i < rq->in_count; i++) {
        struct flow_run_new run = {.created_by = created_by_of(rq)};
        enum err_code rc = run_source_prepare(&rq->work, source, &in[i], &run);
        if (!rc)
            rc = flow_run_create(&rq->work, &run);
        write_item(b, run.id, rc ? item_error(rq) : NULL);
    }
}

enum err_code deployments_create_flow_runs(struct request *rq)
{
    struct run_source source;

    if (rq->in_count > BULK_MAX)
        return err_set(&rq->work.err, BAD_REQUEST, "Cannot create more than %d flow runs at once.",
                       BULK_MAX);
    enum err_code rc = run_source_get(&rq->work, rq->ids[0], &source);
    if (rc)
        return rc;
    write_object(&rq->reply.body);
    write_key(&rq->reply.body, "results");
    write_array(&rq->reply.body);
    create_items(rq, &source);
    write_end_array(&rq->reply.body);
    write_end_object(&rq->reply.body);
    return reply_status(rq, 200);
}

/* ---- very many, for campaigns ---- */

/* Which of the items it was. */
static void name_item(struct err *e, size_t i)
{
    char why[sizeof(e->detail)];

    memcpy(why, e->detail, sizeof(why));
    snprintf(e->detail, sizeof(e->detail), "run %zu: %.*s", i, (int)sizeof(why) - 32, why);
}

/* The queue that all of them name is looked for once. */
static enum err_code prepare_all(struct request *rq, struct run_source *source,
                                 struct flow_run_new **runs)
{
    const struct flow_run_create *in = rq->in;
    const char *queue = NULL;
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < rq->in_count && !rc; i++) {
        struct flow_run_create item = in[i];
        if (queue && item.work_queue_name && !strcmp(queue, item.work_queue_name))
            item.work_queue_name = NULL;
        runs[i] = arena_new(&rq->work.arena, struct flow_run_new);
        runs[i]->created_by = created_by_of(rq);
        rc = run_source_prepare(&rq->work, source, &item, runs[i]);
        if (rc)
            name_item(&rq->work.err, i);
        if (!rc && item.work_queue_name) {
            queue = item.work_queue_name;
            source->work_queue_id = runs[i]->work_queue_id;
            source->work_queue_name = queue;
        }
    }
    return rc;
}

static enum err_code insert_all(struct request *rq, struct flow_run_new **runs)
{
    struct work *w = &rq->work;
    enum err_code rc = db_begin(w);

    if (!rc)
        rc = flow_runs_insert(w, runs, rq->in_count);
    for (size_t i = 0; i < rq->in_count && !rc; i++)
        if (uuid_is_nil(runs[i]->id))
            rc = err_set(&w->err, CONFLICT, "run %zu: its flow or its parent is not there", i);
    rc = db_end(w, rc);
    if (!rc)
        flow_runs_announce(w, runs, rq->in_count);
    return rc;
}

/* Idempotent by the keys of the items: one that is there is answered as it is. */
enum err_code deployments_create_runs(struct request *rq)
{
    struct run_source source;
    struct buf *b = &rq->reply.body;

    if (!rq->in_count || rq->in_count > BATCH_MAX)
        return err_set(&rq->work.err, INVALID, "1 to %d runs at once, not %zu", BATCH_MAX,
                       rq->in_count);
    struct flow_run_new **runs = arena_array(&rq->work.arena, struct flow_run_new *, rq->in_count);
    enum err_code rc = run_source_get(&rq->work, rq->ids[0], &source);
    if (!rc)
        rc = prepare_all(rq, &source, runs);
    if (!rc)
        rc = insert_all(rq, runs);
    if (rc)
        return rc;
    write_array(b);
    for (size_t i = 0; i < rq->in_count; i++) {
        write_object(b);
        write_key(b, "id");
        write_uuid(b, runs[i]->id);
        write_key(b, "created");
        write_bool(b, runs[i]->created);
        write_end_object(b);
    }
    write_end_array(b);
    return reply_status(rq, 200);
}
