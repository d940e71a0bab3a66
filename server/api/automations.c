#include "server/api/automations.h"

#include "server/api/listing.h"
#include "server/http/reply.h"
#include "server/model/jinja.h"
#include "server/store/automations.h"
#include "shared/json/write.h"

enum err_code automations_create(struct request *rq)
{
    struct rows rows;
    enum err_code rc = automation_create(&rq->work, request_in(rq, struct automation), &rows);
    return rc ? rc : reply_row(rq, 201, &automation_resource, &rows, 0);
}

enum err_code automations_get(struct request *rq)
{
    struct rows rows;
    enum err_code rc = automation_get(&rq->work, rq->ids[0], &rows);
    return rc ? rc : reply_row(rq, 200, &automation_resource, &rows, 0);
}

enum err_code automations_update(struct request *rq)
{
    enum err_code rc = automation_update(&rq->work, rq->ids[0], request_in(rq, struct automation));
    return rc ? rc : reply_empty(rq, 204);
}

enum err_code automations_patch(struct request *rq)
{
    const struct automation_patch *in = rq->in;
    const char *reason;

    if (!given(in, enabled)) {
        struct rows rows;
        enum err_code rc = automation_get(&rq->work, rq->ids[0], &rows);
        return rc ? rc : reply_empty(rq, 204);
    }
    enum err_code rc = automation_enable(&rq->work, rq->ids[0], in->enabled, &reason);
    if (reason)
        invalid_add(&rq->invalid, NULL, "value_error",
                    arena_printf(&rq->work.arena, "Value error, %s", reason),
                    (struct raw){rq->body.bytes, rq->body.len}, "{\"error\":{}}");
    return rc ? rc : reply_empty(rq, 204);
}

enum err_code automations_delete(struct request *rq)
{
    enum err_code rc = automation_delete(&rq->work, rq->ids[0]);
    return rc ? rc : reply_empty(rq, 204);
}

enum err_code automations_related(struct request *rq)
{
    struct rows rows;
    enum err_code rc = automations_related_to(&rq->work, rq->params[0], &rows);
    return rc ? rc : reply_rows(rq, &automation_resource, &rows);
}

enum err_code automations_delete_owned_by(struct request *rq)
{
    enum err_code rc = automations_delete_owned(&rq->work, rq->params[0]);
    return rc ? rc : reply_text(rq, 202, "null");
}

static const struct sort sorts[] = {
    {"CREATED_DESC", "am.created DESC, am.id"},
    {"UPDATED_DESC", "am.updated DESC, am.id"},
    {"NAME_ASC", "am.name COLLATE \"C\", am.id"},
    {"NAME_DESC", "am.name COLLATE \"C\" DESC, am.id"},
};
static const struct listing automations = {
    .resource = &automation_resource,
    .from = "automation am",
    .alias = "am",
    .target = FILTER_AUTOMATIONS,
    .sorts = sorts,
    .sort_count = COUNT(sorts),
    .default_sort = 2,
};

enum err_code automations_filter(struct request *rq)
{
    return listing_filter(rq, &automations);
}

enum err_code automations_count(struct request *rq)
{
    return listing_count(rq, &automations);
}

/* ---- templates ---- */

static enum err_code reply_bad_template(struct request *rq, const struct jinja_error *bad,
                                        const char *source, size_t len)
{
    struct buf *b = &rq->reply.body;

    write_object(b);
    write_key(b, "error");
    write_object(b);
    write_key(b, "line");
    write_int64(b, bad->line);
    write_key(b, "message");
    write_string(b, bad->message);
    write_key(b, "source");
    write_string_n(b, source, len);
    write_end_object(b);
    write_end_object(b);
    return reply_status(rq, 422);
}

/* The body is a JSON string; none, or null, is an empty template. */
enum err_code templates_validate(struct request *rq)
{
    struct arena *a = &rq->work.arena;
    struct val v = rq->doc.count ? doc_root(&rq->doc) : (struct val){0};
    struct jinja_template *t;
    struct jinja_error bad;
    size_t len;

    if (val_type(v) == DOC_NONE || val_type(v) == DOC_NULL)
        return reply_empty(rq, 204);
    const char *text = val_string(a, v, &len);
    if (!text) {
        invalid_add(&rq->invalid, &loc_body, "string_type", "Input should be a valid string",
                    val_raw(v), NULL);
        return err_set(&rq->work.err, INVALID, "%s", rq->invalid.first);
    }
    if (jinja_parse(a, text, len, &t, &bad) && jinja_check_loops(a, t, &bad))
        return reply_empty(rq, 204);
    return reply_bad_template(rq, &bad, text, len);
}
