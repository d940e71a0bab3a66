#include "server/services/action_context.h"

#include <string.h>

#include "server/model/automation.h"
#include "server/model/concurrency_limit.h"
#include "server/model/deployment.h"
#include "server/model/flow.h"
#include "server/model/flow_run.h"
#include "server/model/jinja_event.h"
#include "server/model/task_run.h"
#include "server/model/work_pool.h"
#include "server/server.h"
#include "server/store/concurrency_limits.h"
#include "server/store/deployments.h"
#include "server/store/flow_runs.h"
#include "server/store/flows.h"
#include "server/store/task_runs.h"
#include "server/store/work_pools.h"
#include "shared/base/clock.h"

enum { COLUMNS_MAX = 80, OBJECT_MAX_BYTES = 8 << 20, OBJECTS_MAX = 8 };

/* ---- records: JSON objects with the rows that describe them ---- */

struct record {
    struct val v;
    const struct resource *of;  /* NULL: plain JSON */
    const char *page, *kind;    /* `runs/flow-run`, `prefect.flow-run` */
    const struct labels *state; /* of the event: what the run's state was then */
};

static void record_get(struct arena *a, const void *self, const char *name,
                       struct jinja_value *out);
static void record_plain(struct arena *a, const void *self, struct jinja_value *out);

/* Page TAB resource id. */
static const char *record_path(struct arena *a, const void *self)
{
    const struct record *r = self;
    const char *id = val_string(a, val_get(r->v, "id"), NULL);

    if (!r->kind || !id)
        return NULL;
    return arena_printf(a, "%s%s%s\t%s.%s", r->page ? r->page : "", r->page ? "/" : "",
                        r->page ? id : "", r->kind, id);
}

static const struct jinja_class record_class = {record_get, record_plain, record_path};

static struct jinja_value record(struct arena *a, struct record r)
{
    struct record *self = arena_new(a, struct record);

    *self = r;
    return jinja_object(&record_class, self);
}

static const char *const state_members[] = {"message", "name", "timestamp", "type"};

static struct jinja_value state_then(struct arena *a, const struct labels *l)
{
    struct jinja_value out = jinja_dict(a);
    int64_t us;

    for (size_t i = 0; i < COUNT(state_members); i++) {
        const char *text = labels_get(l, arena_printf(a, "prefect.state-%s", state_members[i]));
        bool time = !strcmp(state_members[i], "timestamp") && time_parse(text, strlen(text), &us);
        jinja_put(a, &out, jinja_text(state_members[i]), time ? jinja_time(us) : jinja_text(text));
    }
    return out;
}

static bool tells_state(struct arena *a, const struct labels *l)
{
    for (size_t i = 0; i < COUNT(state_members); i++)
        if (!labels_get(l, arena_printf(a, "prefect.state-%s", state_members[i])))
            return false;
    return true;
}

static const struct field *row_of(const struct resource *of, const char *name)
{
    for (size_t i = 0; of && i < of->count; i++)
        if (!strcmp(of->fields[i].name, name))
            return &of->fields[i];
    return NULL;
}

static struct jinja_value value_of(struct arena *a, const struct field *f, struct val v)
{
    const char *text = val_string(a, v, NULL);
    int64_t us;
    double seconds;

    if (f && f->kind == FIELD_TIME && text && time_parse(text, strlen(text), &us))
        return jinja_time(us);
    if (f && f->kind == FIELD_DURATION && val_double(v, &seconds))
        return jinja_duration((int64_t)(seconds * 1e6));
    if (f && f->kind == FIELD_OBJECT && val_type(v) == DOC_OBJECT)
        return record(a, (struct record){.v = v, .of = f->of});
    return jinja_of_json(a, v);
}

static void record_get(struct arena *a, const void *self, const char *name, struct jinja_value *out)
{
    const struct record *r = self;
    struct val v = val_get(r->v, name);

    if (r->state && !strcmp(name, "state"))
        *out = state_then(a, r->state);
    else if (val_type(v) != DOC_NONE)
        *out = value_of(a, row_of(r->of, name), v);
}

static void record_plain(struct arena *a, const void *self, struct jinja_value *out)
{
    const struct record *r = self;

    *out = jinja_dict(a);
    for (struct val_iter it = val_each(r->v); val_next(&it);) {
        const char *name = val_string(a, it.key, NULL);
        jinja_put(a, out, jinja_text(name), value_of(a, row_of(r->of, name), it.value));
    }
}

/* ---- the scope ---- */

struct object {
    const char *name;
    struct jinja_value value;
};

struct action_context {
    struct work *work;
    const struct claimed_action *action;
    struct jinja_scope scope;
    struct object objects[OBJECTS_MAX];
    size_t count;
};

/* A firing and those below it: their events, or they themselves. */
static void collect(struct arena *a, struct val firing, bool events, struct jinja_value *out)
{
    struct jinja_value event = jinja_event_of_json(a, val_get(firing, "triggering_event"));
    struct jinja_value v = jinja_of_json(a, firing);

    jinja_put(a, &v, jinja_text("triggering_event"), event);
    if (!events)
        jinja_append(a, out, v);
    else if (event.kind == JINJA_OBJECT)
        jinja_append(a, out, event);
    struct val children = val_get(firing, "triggering_firings");
    if (val_type(children) == DOC_ARRAY)
        for (struct val_iter it = val_each(children); val_next(&it);)
            collect(a, it.value, events, out);
}

static const struct labels *labels_of_json(struct arena *a, struct val object)
{
    struct labels *l = arena_new(a, struct labels);

    l->items = arena_array(a, struct label, val_count(object) + 1);
    for (struct val_iter it = val_each(object); val_next(&it);)
        l->items[l->count++] =
            (struct label){val_string(a, it.key, NULL), val_string(a, it.value, NULL)};
    return l;
}

static void scope_get(void *context, struct arena *a, const char *name, struct jinja_value *out)
{
    const struct action_context *c = context;
    const struct claimed_action *action = c->action;
    struct jinja_value list = jinja_list(a);

    for (size_t i = 0; i < c->count; i++)
        if (!strcmp(c->objects[i].name, name))
            *out = c->objects[i].value;
    if (!strcmp(name, "automation")) {
        *out = record(a, (struct record){action->automation, &automation_resource,
                                         "automations/automation", "prefect.automation", NULL});
    } else if (!strcmp(name, "event")) {
        *out = action->has_event ? jinja_event(&action->event) : jinja_none();
    } else if (!strcmp(name, "labels")) {
        *out = jinja_labels(a, labels_of_json(a, action->labels));
    } else if (!strcmp(name, "firing") || !strcmp(name, "firings")) {
        collect(a, action->firing, false, &list);
        *out = name[6] ? list : list.list->items[0];
    } else if (!strcmp(name, "events")) {
        collect(a, action->firing, true, &list);
        *out = list;
    }
}

/* ---- objects of the database ---- */

static enum err_code get_work_pool(struct work *w, struct uuid id, struct rows *out)
{
    const char *name;
    enum err_code rc = action_pool_name(w, id, &name);

    out->count = 0;
    return rc || !name ? rc : work_pool_get(w, name, out);
}

static enum err_code get_limit(struct work *w, struct uuid id, struct rows *out)
{
    char text[UUID_TEXT_BYTES];

    uuid_format(id, text);
    return limit_get(w, arena_printf(&w->arena, "%s", text), &concurrency_limit_resource, out);
}

static const struct {
    const char *name, *kind, *page;
    const struct resource *of;
    enum err_code (*get)(struct work *w, struct uuid id, struct rows *out);
} kinds[] = {
    {"flow", "prefect.flow", "flows/flow", &flow_resource, flow_get},
    {"flow_run", "prefect.flow-run", "runs/flow-run", &flow_run_resource, flow_run_get},
    {"task_run", "prefect.task-run", "runs/task-run", &task_run_resource, task_run_get},
    {"deployment", "prefect.deployment", "deployments/deployment", &deployment_resource,
     deployment_get},
    {"work_pool", "prefect.work-pool", NULL, &work_pool_resource, get_work_pool},
    {"work_queue", "prefect.work-queue", "work-queues/work-queue", &work_queue_resource,
     work_queue_get_by_id},
    {"concurrency_limit", "prefect.concurrency-limit", "concurrency-limits/concurrency-limit",
     &concurrency_limit_resource, get_limit},
};

static struct val row_json(struct work *w, const struct resource *of, const struct rows *rows)
{
    struct column columns[COLUMNS_MAX] = {0};
    struct buf b = {.max_bytes = OBJECT_MAX_BYTES};
    struct doc *doc = arena_new(&w->arena, struct doc);
    struct doc_error bad;

    for (int i = 0; i < rows->columns && i < COLUMNS_MAX; i++)
        columns[i] = (struct column){rows_text(rows, 0, i), rows_len(rows, 0, i)};
    json_encode_columns(&b, of, columns);
    const char *text = arena_strndup(&w->arena, b.bytes, b.len);
    bool ok = !b.full && doc_parse(&w->arena, text, b.len, doc, &bad);
    buf_free(&b);
    return ok ? doc_root(doc) : (struct val){0};
}

static enum err_code load_kind(struct action_context *c, size_t kind)
{
    struct work *w = c->work;
    const struct labels *l = seen_event_first(&c->action->event, kinds[kind].kind);
    struct jinja_value v = jinja_none();
    struct rows rows = {0};
    struct uuid id;

    if (l && resource_id_parse(labels_get(l, "prefect.resource.id"), kinds[kind].kind, &id)) {
        enum err_code rc = kinds[kind].get(w, id, &rows);
        if (rc && rc != ERR_NOT_FOUND)
            return rc;
        bool is_run = kinds[kind].of == &flow_run_resource || kinds[kind].of == &task_run_resource;
        if (!rc && rows.count)
            v = record(&w->arena,
                       (struct record){row_json(w, kinds[kind].of, &rows), kinds[kind].of,
                                       kinds[kind].page, kinds[kind].kind,
                                       is_run && tells_state(&w->arena, l) ? l : NULL});
    }
    c->objects[c->count++] = (struct object){kinds[kind].name, v};
    return ERR_OK;
}

static enum err_code load_variables(struct action_context *c)
{
    struct work *w = c->work;
    struct jinja_value all = jinja_dict(&w->arena);
    struct rows rows;
    enum err_code rc = action_variables(w, &rows);

    for (int i = 0; !rc && i < rows.count; i++) {
        struct doc *doc = arena_new(&w->arena, struct doc);
        struct doc_error bad;
        if (doc_parse(&w->arena, rows_text(&rows, i, 1), rows_len(&rows, i, 1), doc, &bad))
            jinja_put(&w->arena, &all, jinja_text(rows_text(&rows, i, 0)),
                      jinja_of_json(&w->arena, doc_root(doc)));
    }
    c->objects[c->count++] = (struct object){"variables", all};
    return rc;
}

static bool any_uses(struct jinja_template *const *templates, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (templates[i] && jinja_uses(templates[i], name))
            return true;
    return false;
}

enum err_code action_context_load(struct work *w, const struct claimed_action *action,
                                  const char *const *templates, size_t count,
                                  struct action_context **out)
{
    struct action_context *c = arena_new(&w->arena, struct action_context);
    struct jinja_template **all = arena_array(&w->arena, struct jinja_template *, count + 1);
    struct jinja_error bad;
    enum err_code rc = ERR_OK;

    *c = (struct action_context){
        .work = w,
        .action = action,
        .scope = {scope_get, c, w->server->config.settings.values[SETTING_UI_URL].text,
                  clock_now_us()},
    };
    for (size_t i = 0; i < count; i++)
        if (templates[i] &&
            !jinja_parse(&w->arena, templates[i], strlen(templates[i]), &all[i], &bad))
            return err_set(&w->err, INVALID, "%s", bad.message);
    for (size_t k = 0; action->has_event && k < COUNT(kinds) && !rc; k++)
        if (any_uses(all, count, kinds[k].name))
            rc = load_kind(c, k);
    if (!rc && action->has_event && any_uses(all, count, "variables"))
        rc = load_variables(c);
    *out = c;
    return rc;
}

bool action_context_render(struct action_context *c, const char *template, const char **out_text,
                           const char **out_reason)
{
    struct arena *a = &c->work->arena;
    struct buf b = {.max_bytes = JINJA_OUTPUT_MAX_BYTES};
    struct jinja_template *t;
    struct jinja_error bad;

    if (!strstr(template, "{{") && !strstr(template, "{%")) {
        *out_text = template;
        return true;
    }
    if (!jinja_parse(a, template, strlen(template), &t, &bad)) {
        *out_reason = jinja_exception(a, "TemplateSyntaxError", bad.message);
        return false;
    }
    bool ok = jinja_render(a, t, &c->scope, &b, out_reason);
    *out_text = arena_strndup(a, b.len ? b.bytes : "", b.len);
    buf_free(&b);
    return ok;
}
