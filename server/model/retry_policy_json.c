/* Retry policies as JSON, both ways. */
#include "server/model/retry_policy.h"
#include "shared/json/write.h"

static const struct enum_name retry_types[] = {
    {"in_process", RETRY_IN_PROCESS},
    {"reschedule", RETRY_RESCHEDULE},
    {NULL, 0},
};

static bool is_number(struct raw r)
{
    return r.len && (*r.text == '-' || (*r.text >= '0' && *r.text <= '9'));
}

static const char *check_delays(struct arena *a, const void *value)
{
    const struct raw *r = value;
    struct doc doc;
    struct doc_error bad;

    if (!r->text || is_number(*r))
        return NULL;
    if (!doc_parse(a, r->text, r->len, &doc, &bad) || val_type(doc_root(&doc)) != DOC_ARRAY)
        return "retry_delay must be a number of seconds or a list of them";
    if (val_count(doc_root(&doc)) > RETRY_DELAYS_MAX)
        return "Can not configure more than 50 retry delays per task.";
    for (struct val_iter it = val_each(doc_root(&doc)); val_next(&it);)
        if (val_type(it.value) != DOC_INT && val_type(it.value) != DOC_FLOAT)
            return "retry_delay must be a number of seconds or a list of them";
    return NULL;
}

static const char *check_jitter(struct arena *a, const void *value)
{
    (void)a;
    return *(const double *)value < 0 ? "`retry_jitter_factor` must be >= 0." : NULL;
}

/* clang-format off */
#define P struct retry_policy
static const struct field flow_fields[] = {
    F_INT(P, max_retries, .def = "0", .doc = "Old name of retries."),
    F_NUM(P, retry_delay_seconds, .def = "0", .doc = "Old name of retry_delay."),
    F_INT(P, retries, F_NULLABLE, .doc = "How often a failed run is tried again."),
    F_ROW("retry_delay", P, retry_delay_s, FIELD_INT, int64_t, F_NULLABLE, .doc = "Seconds between attempts."),
    F_STRS(P, pause_keys, F_NULLABLE, .def = "[]", .doc = "Pauses that have fired in this attempt."),
    F_TRI(P, resuming, F_NULLABLE, .def = "false", .doc = "The run is about to go on after a pause."),
    F_ENUM(P, retry_type, retry_types, F_NULLABLE, F_LITERAL, .doc = "Whether the engine or a new process retries."),
};
static const struct field task_fields[] = {
    F_INT(P, max_retries, .def = "0", .doc = "Old name of retries."),
    F_NUM(P, retry_delay_seconds, .def = "0", .doc = "Old name of retry_delay."),
    F_INT(P, retries, F_NULLABLE, .doc = "How often a failed run is tried again."),
    F_JSON(P, retry_delay, F_NULLABLE, .check = check_delays, .doc = "Seconds between attempts, one number or one per attempt."),
    F_NUM(P, retry_jitter_factor, F_NULLABLE, .check = check_jitter, .doc = "By how much a delay may vary, as a fraction of it."),
};
#undef P
/* clang-format on */

const struct resource flow_run_policy_resource = RESOURCE_NAMED(
    "FlowRunPolicy", retry_policy, flow_fields, .lax = true, .doc = "How a flow run retries.");
const struct resource task_run_policy_resource = RESOURCE_NAMED(
    "TaskRunPolicy", retry_policy, task_fields, .lax = true, .doc = "How a task run retries.");

static const struct resource *resource_of(enum run_kind kind)
{
    return kind == RUN_FLOW ? &flow_run_policy_resource : &task_run_policy_resource;
}

/* Keys of a set: each once. */
static void drop_duplicates(struct strings *keys)
{
    size_t kept = 0;

    for (size_t i = 0; i < keys->count; i++) {
        size_t k = 0;
        while (k < kept && strcmp(keys->items[k], keys->items[i]) != 0)
            k++;
        if (k == kept)
            keys->items[kept++] = keys->items[i];
    }
    keys->count = kept;
}

void retry_policy_complete(struct arena *a, enum run_kind kind, struct retry_policy *p)
{
    drop_duplicates(&p->pause_keys);
    if (!p->pause_keys.items)
        p->pause_keys.items = arena_array(a, const char *, 1); /* empty, not null */
    if ((p->retries == INT_NONE || p->retries == 0) && p->max_retries)
        p->retries = p->max_retries;
    if (p->retry_delay_seconds == 0 || retry_policy_delay_s(p, 1) != 0)
        return;
    if (kind == RUN_FLOW) {
        p->retry_delay_s = (int64_t)p->retry_delay_seconds;
        return;
    }
    struct buf b = {.max_bytes = 64};
    write_double(&b, p->retry_delay_seconds);
    p->retry_delay = (struct raw){arena_strndup(a, b.bytes, b.len), b.len};
    buf_free(&b);
}

enum err_code retry_policy_read(struct arena *a, enum run_kind kind, const char *text, size_t len,
                                struct retry_policy *out, struct err *e)
{
    struct retry_policy p = RETRY_POLICY_INIT;
    enum err_code rc = json_decode_text(a, resource_of(kind), text, len, &p, e);

    if (rc)
        return rc;
    if (kind == RUN_FLOW) {
        p.retry_jitter_factor = NAN;
    } else {
        p.retry_type = RETRY_NONE;
        p.retry_delay_s = INT_NONE;
    }
    retry_policy_complete(a, kind, &p);
    *out = p;
    return ERR_OK;
}

void retry_policy_write(struct buf *b, enum run_kind kind, const struct retry_policy *p)
{
    json_encode(b, resource_of(kind), p);
}
