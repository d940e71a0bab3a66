#include "server/model/action.h"

#include <string.h>

#include "server/model/hydrate.h"
#include "server/model/jinja.h"
#include "server/model/state.h"
#include "server/model/variant.h"
#include "shared/json/write.h"

#define A struct action

/* ---- members ---- */

static const struct enum_name sources[] = {
    {"selected", SOURCE_SELECTED}, {"inferred", SOURCE_INFERRED}, {NULL, 0}};

static const char *template_reason(struct arena *a, const char *text)
{
    struct jinja_template *t;
    struct jinja_error bad;

    return jinja_parse(a, text, strlen(text), &t, &bad) && jinja_check_loops(a, t, &bad)
               ? NULL
               : bad.message;
}

static const char *check_template(struct arena *a, const char *text, const char *member)
{
    const char *reason = template_reason(a, text);
    return reason ? arena_printf(a, "'%s' is not a valid template: %s", member, reason) : NULL;
}

static const char *check_subject(struct arena *a, const void *value)
{
    return check_template(a, *(const char *const *)value, "subject");
}

static const char *check_body(struct arena *a, const void *value)
{
    return check_template(a, *(const char *const *)value, "body");
}

static const char *check_payload(struct arena *a, const void *value)
{
    return check_template(a, *(const char *const *)value, "payload");
}

static const char *check_schedule_after(struct arena *a, const void *value)
{
    (void)a;
    return *(const int64_t *)value < 0 ? "schedule_after must be non-negative" : NULL;
}

static void write_line(struct buf *b, size_t indent)
{
    buf_lit(b, "\n");
    for (size_t i = 0; i < indent; i++)
        buf_lit(b, "  ");
}

/* JSON on several lines. */
static void write_pretty(struct buf *b, struct val v, size_t indent)
{
    bool object = val_type(v) == DOC_OBJECT;

    if ((!object && val_type(v) != DOC_ARRAY) || !val_count(v)) {
        struct buf flat = {.max_bytes = ACTION_TEXT_MAX_BYTES};
        val_write(&flat, v);
        buf_add(b, flat.bytes, flat.len);
        b->full |= flat.full;
        buf_free(&flat);
        return;
    }
    buf_add(b, object ? "{" : "[", 1);
    for (struct val_iter it = val_each(v); val_next(&it);) {
        if (it.index)
            buf_lit(b, ",");
        write_line(b, indent + 1);
        if (object) {
            buf_add(b, val_raw(it.key).text, val_raw(it.key).len);
            buf_lit(b, ": ");
        }
        write_pretty(b, it.value, indent + 1);
    }
    write_line(b, indent);
    buf_add(b, object ? "}" : "]", 1);
}

/* Anything but a text was an object in older clients: it becomes one. */
static bool read_payload(const struct reading *r, void *out)
{
    struct buf b = {.max_bytes = ACTION_TEXT_MAX_BYTES};

    if (val_type(r->v) == DOC_STRING || val_type(r->v) == DOC_NULL)
        return readers[FIELD_STR](r, out);
    if (!val_storable(r->v))
        return reading_refuse(r, "a payload cannot contain U+0000 or a lone surrogate");
    write_pretty(&b, r->v, 0);
    *(const char **)out = arena_strndup(r->bad->arena, b.bytes, b.len);
    bool full = b.full;
    buf_free(&b);
    return full ? reading_refuse(r, "the payload is too large") : true;
}

/* ---- parameters of runs ---- */

static bool maybe_template(const char *text)
{
    return strstr(text, "{{") || strstr(text, "{%");
}

static size_t count_of(const char *text, const char *what)
{
    size_t n = 0;
    for (; (text = strstr(text, what)); text += strlen(what))
        n++;
    return n;
}

static void write_jinja(struct buf *b, const char *template)
{
    write_object(b);
    write_key(b, "__prefect_kind");
    write_string(b, "jinja");
    write_key(b, "template");
    write_string(b, template);
    write_end_object(b);
}

static const char *strip(struct arena *a, const char *text, size_t len)
{
    static const char blanks[] = " \t\r\n\f\v";

    while (len && strchr(blanks, *text))
        text++, len--;
    while (len && strchr(blanks, text[len - 1]))
        len--;
    return arena_strndup(a, text, len);
}

static void write_template(struct arena *a, struct buf *b, const char *text)
{
    const char *bare = strip(a, text, strlen(text));
    size_t n = strlen(bare);

    if (n < 4 || strncmp(bare, "{{", 2) != 0 || strcmp(bare + n - 2, "}}") != 0 ||
        count_of(bare, "{{") != 1) {
        write_jinja(b, text);
        return;
    }
    write_object(b);
    write_key(b, "__prefect_kind");
    write_string(b, "json");
    write_key(b, "value");
    write_jinja(b, arena_printf(a, "{{ %s | tojson }}", strip(a, bare + 2, n - 4)));
    write_end_object(b);
}

static void write_value(struct arena *a, struct buf *b, struct val v, bool in_list)
{
    const char *text = val_string(a, v, NULL);

    if (text && maybe_template(text)) {
        write_template(a, b, text);
    } else if (val_type(v) == DOC_OBJECT && val_type(val_get(v, "__prefect_kind")) == DOC_NONE) {
        action_write_parameters(a, b, v);
    } else if (val_type(v) == DOC_ARRAY && !in_list) {
        write_array(b);
        for (struct val_iter it = val_each(v); val_next(&it);)
            write_value(a, b, it.value, true);
        write_end_array(b);
    } else {
        write_separator(b);
        val_write(b, v);
    }
}

void action_write_parameters(struct arena *a, struct buf *b, struct val parameters)
{
    write_object(b);
    for (struct val_iter it = val_each(parameters); val_next(&it);) {
        write_key(b, val_string(a, it.key, NULL));
        write_value(a, b, it.value, false);
    }
    write_end_object(b);
}

static bool only_parse(void *context, struct arena *a, const char *template, const char **out_text,
                       const char **out_reason)
{
    (void)context;
    *out_reason = template_reason(a, template);
    *out_text = "null";
    return !*out_reason;
}

/* Why the one value cannot be hydrated; NULL: it can, or only the variables will tell. */
static const char *hydration_reason(struct arena *a, struct val v)
{
    struct buf b = {.max_bytes = CANONICAL_MAX_BYTES}, out = {.max_bytes = CANONICAL_MAX_BYTES};
    struct hydration h = {.arena = a, .render = only_parse};
    struct strings names = {0};
    struct doc doc;
    struct doc_error bad;

    write_object(&b);
    write_key(&b, "v");
    val_write(&b, v);
    write_end_object(&b);
    if (!b.full && doc_parse(a, arena_strndup(a, b.bytes, b.len), b.len, &doc, &bad)) {
        hydration_needs(a, doc_root(&doc), &names);
        if (names.count || hydrate(&h, doc_root(&doc), &out))
            h.reason = NULL;
    }
    buf_free(&b);
    buf_free(&out);
    return h.reason;
}

static const char *collect(struct arena *a, struct val object, const char *path, const char *text)
{
    for (struct val_iter it = val_each(object); val_next(&it);) {
        const char *at = arena_printf(a, "%s%s", path, val_string(a, it.key, NULL));
        if (val_type(it.value) != DOC_OBJECT)
            continue;
        if (val_type(val_get(it.value, "__prefect_kind")) == DOC_NONE) {
            text = collect(a, it.value, arena_printf(a, "%s.", at), text);
            continue;
        }
        const char *reason = hydration_reason(a, it.value);
        if (reason)
            text = arena_printf(a, "%s%s%s: %s", text, *text ? "\n  " : "", at, reason);
        if (strlen(text) > 10000)
            break;
    }
    return text;
}

static const char *check_parameters(struct arena *a, const void *value)
{
    const struct raw *raw = value;
    struct buf b = {.max_bytes = CANONICAL_MAX_BYTES};
    struct doc doc;
    struct doc_error bad;
    const char *problems = "";

    if (!raw->text || !doc_parse(a, raw->text, raw->len, &doc, &bad))
        return NULL;
    action_write_parameters(a, &b, doc_root(&doc));
    if (b.full)
        problems = "the parameters are too large";
    else if (doc_parse(a, arena_strndup(a, b.bytes, b.len), b.len, &doc, &bad))
        problems = collect(a, doc_root(&doc), "", "");
    buf_free(&b);
    return *problems ? arena_printf(a, "Invalid parameters: \n%s", problems) : NULL;
}

/* ---- rows ---- */

static const char *check_target(struct arena *a, const A *action, const char *member)
{
    bool there = !uuid_is_nil(action->target);

    if ((action->source == SOURCE_SELECTED) == there)
        return NULL;
    return arena_printf(a, "%s is %s", member, there ? "not allowed" : "required");
}

#define CHECK_TARGET(kind)                                                                         \
    static const char *check_##kind(struct arena *a, const void *object)                           \
    {                                                                                              \
        return check_target(a, object, #kind "_id");                                               \
    }
CHECK_TARGET(deployment)
CHECK_TARGET(work_queue)
CHECK_TARGET(automation)
CHECK_TARGET(work_pool)

/* clang-format off */
#define TYPE(name)   F_STR(A, type, .def = "\"" name "\"", .read = read_literal, .doc = "Which kind of action it is.")
#define SOURCE       F_ENUM(A, source, sources, .def = "\"selected\"", .read = read_literal, .doc = "Whether the target is given or comes from the event.")
#define TARGET(name) F_ROW(name "_id", A, target, FIELD_UUID, struct uuid, F_NULLABLE, .doc = "The target, if it is selected.")
#define BLOCK        F_UUID(A, block_document_id, F_REQUIRED, .doc = "The block document that delivers.")

static const struct field run_deployment_fields[] = {
    TYPE("run-deployment"), SOURCE, TARGET("deployment"),
    F_DICT(A, parameters, F_NULLABLE, .check = check_parameters, .doc = "Of the run, over those of the deployment; strings may be templates."),
    F_DICT(A, job_variables, F_NULLABLE, .doc = "Of the run, over those of the deployment."),
    F_DURATION(A, schedule_after, .def = "0", .check = check_schedule_after, .doc = "How long to wait before the run, in seconds."),
};
static const struct field change_flow_run_state_fields[] = {
    TYPE("change-flow-run-state"),
    F_STR(A, name, F_NULLABLE, .doc = "Of the state; null: that of its type."),
    F_ENUM(A, state, state_type_names, F_REQUIRED, .doc = "The type of the state."),
    F_STR(A, message, F_NULLABLE, .doc = "Of the state."),
    F_BOOL(A, force, .def = "false", .doc = "Whether most rules are left out."),
};
static const struct field send_notification_fields[] = {
    TYPE("send-notification"), BLOCK,
    F_STR(A, subject, .def = "\"Prefect automated notification\"", .check = check_subject, .doc = "A template."),
    F_STR(A, body, F_REQUIRED, .check = check_body, .doc = "A template."),
};
static const struct field call_webhook_fields[] = {
    TYPE("call-webhook"), BLOCK,
    F_STR(A, payload, .def = "\"\"", .read = read_payload, .check = check_payload, .doc = "A template; an object becomes its text."),
};
#define PLAIN(id, name)        static const struct field id##_fields[] = {TYPE(name)};
#define TARGETED(id, name, of) static const struct field id##_fields[] = {TYPE(name), SOURCE, TARGET(of)};
PLAIN(do_nothing, "do-nothing")
PLAIN(cancel_flow_run, "cancel-flow-run")
PLAIN(delete_flow_run, "delete-flow-run")
PLAIN(suspend_flow_run, "suspend-flow-run")
PLAIN(resume_flow_run, "resume-flow-run")
TARGETED(pause_deployment, "pause-deployment", "deployment")
TARGETED(resume_deployment, "resume-deployment", "deployment")
TARGETED(pause_work_queue, "pause-work-queue", "work_queue")
TARGETED(resume_work_queue, "resume-work-queue", "work_queue")
TARGETED(pause_automation, "pause-automation", "automation")
TARGETED(resume_automation, "resume-automation", "automation")
TARGETED(pause_work_pool, "pause-work-pool", "work_pool")
TARGETED(resume_work_pool, "resume-work-pool", "work_pool")

#define RESOURCE_OF(id, name, ...) static const struct resource id##_resource = RESOURCE_NAMED(name, action, id##_fields, .lax = true, __VA_ARGS__);
RESOURCE_OF(do_nothing, "DoNothing")
RESOURCE_OF(run_deployment, "RunDeployment", .check = check_deployment)
RESOURCE_OF(pause_deployment, "PauseDeployment", .check = check_deployment)
RESOURCE_OF(resume_deployment, "ResumeDeployment", .check = check_deployment)
RESOURCE_OF(cancel_flow_run, "CancelFlowRun")
RESOURCE_OF(delete_flow_run, "DeleteFlowRun")
RESOURCE_OF(change_flow_run_state, "ChangeFlowRunState")
RESOURCE_OF(pause_work_queue, "PauseWorkQueue", .check = check_work_queue)
RESOURCE_OF(resume_work_queue, "ResumeWorkQueue", .check = check_work_queue)
RESOURCE_OF(send_notification, "SendNotification")
RESOURCE_OF(call_webhook, "CallWebhook")
RESOURCE_OF(pause_automation, "PauseAutomation", .check = check_automation)
RESOURCE_OF(resume_automation, "ResumeAutomation", .check = check_automation)
RESOURCE_OF(suspend_flow_run, "SuspendFlowRun")
RESOURCE_OF(resume_flow_run, "ResumeFlowRun")
RESOURCE_OF(pause_work_pool, "PauseWorkPool", .check = check_work_pool)
RESOURCE_OF(resume_work_pool, "ResumeWorkPool", .check = check_work_pool)

#define AFTER(of, name) "function-after[selected_" of "_requires_id(), " name "]"
static const struct variant variants[ACTION_KINDS] = {
    [ACTION_DO_NOTHING] = {"DoNothing", &do_nothing_resource},
    [ACTION_RUN_DEPLOYMENT] = {AFTER("deployment", "RunDeployment"), &run_deployment_resource},
    [ACTION_PAUSE_DEPLOYMENT] = {AFTER("deployment", "PauseDeployment"), &pause_deployment_resource},
    [ACTION_RESUME_DEPLOYMENT] = {AFTER("deployment", "ResumeDeployment"), &resume_deployment_resource},
    [ACTION_CANCEL_FLOW_RUN] = {"CancelFlowRun", &cancel_flow_run_resource},
    [ACTION_DELETE_FLOW_RUN] = {"DeleteFlowRun", &delete_flow_run_resource},
    [ACTION_CHANGE_FLOW_RUN_STATE] = {"ChangeFlowRunState", &change_flow_run_state_resource},
    [ACTION_PAUSE_WORK_QUEUE] = {AFTER("work_queue", "PauseWorkQueue"), &pause_work_queue_resource},
    [ACTION_RESUME_WORK_QUEUE] = {AFTER("work_queue", "ResumeWorkQueue"), &resume_work_queue_resource},
    [ACTION_SEND_NOTIFICATION] = {"SendNotification", &send_notification_resource},
    [ACTION_CALL_WEBHOOK] = {"CallWebhook", &call_webhook_resource},
    [ACTION_PAUSE_AUTOMATION] = {AFTER("automation", "PauseAutomation"), &pause_automation_resource},
    [ACTION_RESUME_AUTOMATION] = {AFTER("automation", "ResumeAutomation"), &resume_automation_resource},
    [ACTION_SUSPEND_FLOW_RUN] = {"SuspendFlowRun", &suspend_flow_run_resource},
    [ACTION_RESUME_FLOW_RUN] = {"ResumeFlowRun", &resume_flow_run_resource},
    [ACTION_PAUSE_WORK_POOL] = {AFTER("work_pool", "PauseWorkPool"), &pause_work_pool_resource},
    [ACTION_RESUME_WORK_POOL] = {AFTER("work_pool", "ResumeWorkPool"), &resume_work_pool_resource},
};
/* clang-format on */

/* ---- lists ---- */

bool actions_read(const struct reading *r, void *out_raw)
{
    struct buf b = {.max_bytes = CANONICAL_MAX_BYTES};
    struct raw *out = out_raw;
    size_t before = r->bad->count;

    if (r->bad->trusted)
        return readers[FIELD_JSON](r, out);
    if (val_type(r->v) != DOC_ARRAY)
        return reading_fail(r, "list_type", "Input should be a valid list", NULL);
    if (val_count(r->v) > ACTIONS_MAX)
        return reading_refuse(r, "an automation has at most 200 actions");
    write_array(&b);
    for (struct val_iter it = val_each(r->v); val_next(&it);) {
        struct loc at = {r->at, NULL, it.index};
        const struct variant *v;
        void *value;
        if (!variant_read(&(struct reading){r->f, it.value, &at, r->bad}, variants, ACTION_KINDS,
                          &v, &value))
            continue;
        write_separator(&b);
        json_encode(&b, v->of, value);
    }
    write_end_array(&b);
    if (b.full)
        reading_refuse(r, "the actions are too large");
    *out = (struct raw){arena_strndup(r->bad->arena, b.bytes, b.len), b.len};
    buf_free(&b);
    return r->bad->count == before;
}

enum err_code action_load(struct arena *a, struct raw json, A *out, struct err *e)
{
    struct invalid bad = {.arena = a, .trusted = true};
    struct doc *doc = arena_new(a, struct doc);
    struct doc_error error;

    if (!doc_parse(a, json.text, json.len, doc, &error))
        return err_set(e, INTERNAL, "a stored action is not JSON");
    const struct variant *v = variant_find(variants, ACTION_KINDS, val_get(doc_root(doc), "type"));
    if (!v || json_decode(v->of, doc_root(doc), &loc_body, out, &bad))
        return err_set(e, INTERNAL, "a stored action is not one: %s", bad.first);
    out->kind = (enum action_kind)(v - variants);
    return ERR_OK;
}
