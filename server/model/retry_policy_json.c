/* Retry policies as JSON, both ways. */
#include "server/model/retry_policy.h"
#include "shared/json/decode.h"
#include "shared/json/write.h"

static const struct enum_name retry_types[] = {
    {"in_process", RETRY_IN_PROCESS},
    {"reschedule", RETRY_RESCHEDULE},
    {NULL, 0},
};

enum { DELAYS_MAX_BYTES = 4096 };

/* One number, as an integer or any; false: the error is in bad. */
static bool read_delay(struct val v, bool whole, const struct loc *at, struct invalid *bad,
                       struct buf *out)
{
    static const struct field row = {.name = "retry_delay"};
    const struct reading r = {&row, v, at, bad};
    int64_t seconds;
    double number;

    if (whole ? !read_int(&r, &seconds) : !read_num(&r, &number))
        return false;
    if (whole)
        write_int64(out, seconds);
    else
        write_double(out, number);
    return true;
}

static bool read_delay_list(struct val v, bool whole, const struct loc *at, struct invalid *bad,
                            struct buf *out)
{
    static const struct field row = {.name = "retry_delay"};

    if (val_type(v) != DOC_ARRAY)
        return reading_fail(&(struct reading){&row, v, at, bad}, "list_type",
                            "Input should be a valid list", NULL);
    write_array(out);
    for (struct val_iter it = val_each(v); bad->count < INVALID_LISTED_MAX && val_next(&it);) {
        struct loc item = {at, NULL, it.index};
        read_delay(it.value, whole, &item, bad, out);
    }
    write_end_array(out);
    return bad->count == 0;
}

/* int, float, list[int] or list[float]: the first that fits, or the errors of all. */
static bool read_delays(const struct reading *r, void *out)
{
    static const struct {
        const char *branch;
        bool whole, list;
    } kinds[] = {{"int", true, false},
                 {"float", false, false},
                 {"list[int]", true, true},
                 {"list[float]", false, true}};
    struct invalid bads[COUNT(kinds)];
    struct buf b = {.max_bytes = DELAYS_MAX_BYTES};

    if (val_type(r->v) == DOC_ARRAY && val_count(r->v) > RETRY_DELAYS_MAX)
        return reading_refuse(r, "Can not configure more than 50 retry delays per task.");
    for (size_t i = 0; i < COUNT(kinds); i++) {
        struct loc at = {r->at, kinds[i].branch, 0};
        bads[i] = (struct invalid){.arena = r->bad->arena};
        b.len = 0;
        if (kinds[i].list ? read_delay_list(r->v, kinds[i].whole, &at, &bads[i], &b)
                          : read_delay(r->v, kinds[i].whole, &at, &bads[i], &b)) {
            *(struct raw *)out = (struct raw){arena_strndup(r->bad->arena, b.bytes, b.len), b.len};
            buf_free(&b);
            return true;
        }
    }
    buf_free(&b);
    for (size_t i = 0; i < COUNT(kinds); i++)
        invalid_join(r->bad, &bads[i]);
    return false;
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
    F_INT(P, retries, F_NULLABLE, .falls_back_on = "max_retries", .doc = "How often a failed run is tried again."),
    F_ROW("retry_delay", P, retry_delay_s, FIELD_INT, int64_t, F_NULLABLE, .falls_back_on = "retry_delay_seconds", .doc = "Seconds between attempts."),
    F_STRS(P, pause_keys, F_NULLABLE, .def = "[]", .read = read_set, .doc = "Pauses that have fired in this attempt."),
    F_TRI(P, resuming, F_NULLABLE, .def = "false", .doc = "The run is about to go on after a pause."),
    F_ENUM(P, retry_type, retry_types, F_NULLABLE, F_LITERAL, .doc = "Whether the engine or a new process retries."),
};
static const struct field task_fields[] = {
    F_INT(P, max_retries, .def = "0", .doc = "Old name of retries."),
    F_NUM(P, retry_delay_seconds, .def = "0", .doc = "Old name of retry_delay."),
    F_INT(P, retries, F_NULLABLE, .falls_back_on = "max_retries", .doc = "How often a failed run is tried again."),
    F_JSON(P, retry_delay, F_NULLABLE, .read = read_delays, .falls_back_on = "retry_delay_seconds", .doc = "Seconds between attempts, one number or one per attempt."),
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
