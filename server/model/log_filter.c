#include "server/model/log_filter.h"

#include <string.h>

#include "shared/base/clock.h"

struct level_in {
    struct given given;
    int64_t ge_, le_;
};
struct times_in {
    struct given given;
    int64_t before__us, after__us;
};
struct run_in {
    struct given given;
    struct uuids any_;
    enum tri is_null_;
};
struct words_in {
    struct given given;
    const char *query;
};
struct filter_in {
    struct given given;
    int operator;
    struct level_in *level;
    struct times_in *timestamp;
    struct run_in *flow_run_id, *task_run_id;
    struct words_in *text;
};

static const struct enum_name operators[] = {{"and_", 0}, {"or_", 1}, {NULL, 0}};

/* clang-format off */
static const struct field level_fields[] = {
    F_INT(struct level_in, ge_, F_NULLABLE, .doc = "At least."),
    F_INT(struct level_in, le_, F_NULLABLE, .doc = "At most."),
};
static const struct field times_fields[] = {
    F_TIME(struct times_in, before_, F_NULLABLE, .doc = "Up to then."),
    F_TIME(struct times_in, after_, F_NULLABLE, .doc = "From then on."),
};
static const struct field flow_run_fields[] = {
    F_UUIDS(struct run_in, any_, F_NULLABLE, .doc = "Of these flow runs."),
};
static const struct field task_run_fields[] = {
    F_UUIDS(struct run_in, any_, F_NULLABLE, .doc = "Of these task runs."),
    F_TRI(struct run_in, is_null_, F_NULLABLE, .doc = "Of no task run, or of one."),
};
static const struct field words_fields[] = {
    F_STR(struct words_in, query, F_REQUIRED, F_LEN(0, TEXT_QUERY_MAX_CHARS), .doc = "word -without +required \"a phrase\""),
};
static const struct resource level_in_resource = RESOURCE_NAMED("LogFilterLevel", level_in, level_fields);
static const struct resource times_in_resource = RESOURCE_NAMED("LogFilterTimestamp", times_in, times_fields);
static const struct resource flow_run_resource_ = RESOURCE_NAMED("LogFilterFlowRunId", run_in, flow_run_fields);
static const struct resource run_in_resource = RESOURCE_NAMED("LogFilterTaskRunId", run_in, task_run_fields);
static const struct resource words_in_resource = RESOURCE_NAMED("LogFilterTextSearch", words_in, words_fields);
static const struct field filter_fields[] = {
    F_ENUM(struct filter_in, operator, operators, .def = "\"and_\"", .doc = "All conditions, or one."),
    F_OBJECT(struct filter_in, level, level_in, F_NULLABLE, .doc = "How severe."),
    F_OBJECT(struct filter_in, timestamp, times_in, F_NULLABLE, .doc = "When."),
    {.name = "flow_run_id", .kind = FIELD_OBJECT, .of = &flow_run_resource_, .nullable = true, .offset = F_OFFSET(struct filter_in, flow_run_id, struct run_in *), .doc = "Of which flow run."},
    F_OBJECT(struct filter_in, task_run_id, run_in, F_NULLABLE, .doc = "Of which task run."),
    F_OBJECT(struct filter_in, text, words_in, F_NULLABLE, .doc = "Words in it."),
};
/* clang-format on */
static const struct resource filter_resource =
    RESOURCE_NAMED("LogFilter", filter_in, filter_fields);

enum err_code log_filter_decode(struct val v, const struct loc *at, struct log_filter *out,
                                struct invalid *bad)
{
    struct filter_in in = {0};

    *out = (struct log_filter){.level_ge = INT_NONE,
                               .level_le = INT_NONE,
                               .before_us = TIME_NONE,
                               .after_us = TIME_NONE,
                               .task_run_is_null = TRI_NONE};
    if (val_type(v) == DOC_NULL)
        return ERR_OK;
    if (json_decode(&filter_resource, v, at, &in, bad) != ERR_OK)
        return ERR_INVALID;
    out->any = in.operator;
    if (in.level) {
        out->level_ge = in.level->ge_;
        out->level_le = in.level->le_;
    }
    if (in.timestamp) {
        out->before_us = in.timestamp->before__us;
        out->after_us = in.timestamp->after__us;
    }
    if (in.flow_run_id)
        out->flow_runs = in.flow_run_id->any_;
    if (in.task_run_id) {
        out->task_runs = in.task_run_id->any_;
        out->task_run_is_null = in.task_run_id->is_null_;
    }
    if (in.text) {
        out->query = in.text->query;
        text_query_parse(bad->arena, out->query, &out->text);
    }
    return ERR_OK;
}

/* ---- matching ---- */

/* Conditions that were met, of those that were asked. */
struct score {
    size_t asked, met;
};

static void ask(struct score *s, bool asked, bool met)
{
    s->asked += asked;
    s->met += asked && met;
}

static bool listed(const struct uuids *ids, struct uuid id)
{
    for (size_t i = 0; ids->items && i < ids->count; i++)
        if (uuid_equal(ids->items[i], id))
            return true;
    return false;
}

static bool text_met(struct arena *a, const struct log_filter *f, const struct log *l)
{
    const char *text = arena_printf(a, "%s %s", l->message, l->name);
    return text_query_match(&f->text, text, strlen(text));
}

bool log_filter_match(struct arena *a, const struct log_filter *f, const struct log *l)
{
    struct score s = {0};

    ask(&s, f->level_ge != INT_NONE, l->level >= f->level_ge);
    ask(&s, f->level_le != INT_NONE, l->level <= f->level_le);
    ask(&s, f->before_us != TIME_NONE, l->timestamp_us <= f->before_us);
    ask(&s, f->after_us != TIME_NONE, l->timestamp_us >= f->after_us);
    ask(&s, f->flow_runs.items != NULL, listed(&f->flow_runs, l->flow_run_id));
    ask(&s, f->task_runs.items != NULL, listed(&f->task_runs, l->task_run_id));
    ask(&s, f->task_run_is_null != TRI_NONE,
        uuid_is_nil(l->task_run_id) == (f->task_run_is_null == TRI_TRUE));
    if (f->query)
        ask(&s, true, text_met(a, f, l));
    return s.asked == 0 || (f->any ? s.met > 0 : s.met == s.asked);
}
