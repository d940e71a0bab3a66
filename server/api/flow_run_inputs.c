#include "server/api/flow_run_inputs.h"

#include <string.h>

#include "server/api/set_state.h"
#include "server/http/reply.h"
#include "server/store/flow_run_resume.h"
#include "server/store/flow_runs.h"
#include "shared/json/decode.h"
#include "shared/json/write.h"

/* ---- inputs ---- */

struct input_create {
    struct given given;
    const char *key, *value, *sender;
};
/* Prefect keeps them as bytes. */
static bool read_bytes(const struct reading *r, void *out)
{
    if (val_type(r->v) != DOC_STRING)
        return reading_fail(r, "bytes_type", "Input should be a valid bytes", NULL);
    return readers[FIELD_STR](r, out);
}

static const struct field create_fields[] = {
    F_STR(struct input_create, key, F_REQUIRED, F_PATTERN("^[a-z0-9-]*$"),
          .doc = "Unique within the run."),
    F_STR(struct input_create, value, F_REQUIRED, .read = read_bytes,
          .doc = "JSON, as the flow wants it."),
    F_STR(struct input_create, sender, F_NULLABLE, .doc = "Who sends it."),
};
const struct resource flow_run_input_create_resource =
    RESOURCE_NAMED("Body_create_flow_run_input", input_create, create_fields, .extra = true);

struct input_filter {
    struct given given;
    const char *prefix;
    int64_t limit;
    struct strings exclude_keys;
};
static const struct field filter_fields[] = {
    F_STR(struct input_filter, prefix, F_REQUIRED, .doc = "Of the key."),
    F_INT(struct input_filter, limit, .def = "1", .doc = "At most so many, the oldest first."),
    F_STRS(struct input_filter, exclude_keys, .def = "[]", .doc = "Keys to leave out."),
};
const struct resource flow_run_input_filter_resource =
    RESOURCE_NAMED("Body_filter_flow_run_input", input_filter, filter_fields, .extra = true);

enum err_code flow_runs_input_create(struct request *rq)
{
    const struct input_create *in = request_in(rq, struct input_create);
    enum err_code rc = flow_run_input_add(&rq->work, rq->ids[0], in->key, in->value, in->sender);
    return rc ? rc : reply_text(rq, 201, "null");
}

enum err_code flow_runs_input_filter(struct request *rq)
{
    const struct input_filter *in = request_in(rq, struct input_filter);
    int64_t limit = in->limit < 0 ? INT32_MAX : in->limit; /* negative: all, as SQLite has it */
    struct rows rows;
    enum err_code rc =
        flow_run_inputs(&rq->work, rq->ids[0], in->prefix, in->exclude_keys, limit, &rows);
    return rc ? rc : reply_rows(rq, &flow_run_input_resource, &rows);
}

enum err_code flow_runs_input_get(struct request *rq)
{
    struct rows rows;
    enum err_code rc = flow_run_input_get(&rq->work, rq->ids[0], rq->params[1], &rows);

    if (rc)
        return rc;
    rq->reply.content_type = "text/plain; charset=utf-8";
    return reply_text(rq, 200, rows_text(&rows, 0, 0));
}

enum err_code flow_runs_input_delete(struct request *rq)
{
    enum err_code rc = flow_run_input_delete(&rq->work, rq->ids[0], rq->params[1]);
    return rc ? rc : reply_empty(rq, 204);
}

/* ---- resume ---- */

struct resume_in {
    struct given given;
    struct raw run_input;
};
static const struct field resume_fields[] = {
    F_DICT(struct resume_in, run_input, F_NULLABLE, .doc = "What the paused flow asked for."),
};
const struct resource resume_resource =
    RESOURCE_NAMED("Body_resume_flow_run", resume_in, resume_fields, .extra = true);

/* A refused input is a REJECT with the details of an ABORT; a run that is not paused has no state
 * in the answer. */
static void write_refusal(struct buf *b, const struct verdict *v)
{
    write_object(b);
    write_key(b, "state");
    if (v->state.type)
        state_encode(b, &v->state);
    else
        write_null(b);
    write_key(b, "status");
    write_string(b, verdict_status_name(v->status));
    write_key(b, "details");
    write_object(b);
    write_key(b, "type");
    write_string(b, "abort_details");
    write_key(b, "reason");
    write_string(b, v->reason);
    write_end_object(b);
    write_end_object(b);
}

enum err_code flow_runs_resume(struct request *rq)
{
    struct val body = rq->doc.count ? doc_root(&rq->doc) : (struct val){0};
    struct resume r = {
        .id = rq->ids[0],
        .input = val_get(body, "run_input"),
        .client = {.version = client_version_parse(request_header(rq, "User-Agent")),
                   .api_version = api_version_parse(request_header(rq, "X-PREFECT-API-VERSION"))},
    };
    enum err_code rc = flow_run_resume(&rq->work, &r);

    if (rc)
        return rc;
    if (r.input_refused || !r.verdict.state.type)
        write_refusal(&rq->reply.body, &r.verdict);
    else
        set_state_write(&rq->reply.body, &r.verdict);
    return reply_status(rq, r.verdict.writes ? 201 : 200);
}
