#include <stdlib.h>
#include <string.h>

#include "worker/run/native_state.h"

typedef enum err_code root_fn(struct view *view, const struct path *path, json_t **out,
                              struct err *err);

static enum err_code give(json_t *value, json_t **out)
{
    *out = json_incref(value);
    return ERR_OK;
}

static enum err_code get_parameter(struct view *view, const struct path *path, json_t **out,
                                   struct err *err)
{
    (void)err;
    return give(path_get(view->scope->parameters, path, 1), out);
}

static enum err_code get_matrix(struct view *view, const struct path *path, json_t **out,
                                struct err *err)
{
    (void)err;
    return give(view->tr ? path_get(view->tr->matrix, path, 1) : NULL, out);
}

static enum err_code get_run(struct view *view, const struct path *path, json_t **out,
                             struct err *err)
{
    (void)err;
    return give(path_get(view->scope->run->run_values, path, 1), out);
}

static enum err_code get_device(struct view *view, const struct path *path, json_t **out,
                                struct err *err)
{
    (void)err;
    json_t *devices = (json_t *)(uintptr_t)view->scope->run->step_run.devices;
    return give(path_get(devices, path, 1), out);
}

static const char *state_word(enum outcome outcome)
{
    static const char *const words[] = {"Pending", "Completed", "Skipped",
                                        "Failed",  "Cancelled", "NotReady"};
    return words[outcome];
}

static enum err_code get_task(struct view *view, const struct path *path, json_t **out,
                              struct err *err)
{
    struct scope *scope = view->scope;
    const char *name = path->count > 1 ? path->segments[1].name : NULL;
    const char *member = path->count > 2 ? path->segments[2].name : NULL;
    for (size_t i = 0; name && member && i < scope->flow->task_count; i++) {
        struct task *task = &scope->tasks[i];
        if (strcmp(task->def->name, name) != 0)
            continue;
        if (!strcmp(member, "state")) {
            *out = json_string(state_word(task->outcome));
            return ERR_OK;
        }
        view->touched_dry |= task->dry;
        return give(path_get(task->outputs, path, 3), out);
    }
    return err_set(err, INVALID, "there is no `%s`", path->text);
}

/* A block whose only member is `value` stands for that value. */
static json_t *block_value(json_t *block)
{
    json_t *value = json_object_size(block) == 1 ? json_object_get(block, "value") : NULL;
    return value ? value : block;
}

static enum err_code get_prefect(struct view *view, const struct path *path, json_t **out,
                                 struct err *err)
{
    struct native *n = view->scope->run;
    const char *kind = path->count > 2 ? path->segments[1].name : NULL;
    if (kind && !strcmp(kind, "variables"))
        return give(path_get(n->variables, path, 2), out);
    if (!kind || path->count < 4 || !path->segments[2].name || !path->segments[3].name)
        return err_set(err, INVALID, "there is no `%s`", path->text);
    json_t *of_type = json_object_get(n->blocks, path->segments[2].name);
    json_t *block = json_object_get(of_type, path->segments[3].name);
    return give(path_get(path->count > 4 ? block : block_value(block), path, 4), out);
}

static const struct {
    const char *name;
    root_fn *get;
} roots[] = {
    {"parameters", get_parameter}, {"tasks", get_task},
    {"matrix", get_matrix},        {"run", get_run},
    {"devices", get_device},       {"prefect", get_prefect},
};

static enum err_code get(void *ctx, const struct path *path, json_t **out, struct err *err)
{
    struct view *view = ctx;
    const char *root = path->segments[0].name;
    if (root[0] == '$') { /* textual even when unset; source: wire facts 7.1 */
        const char *value = getenv(root + 1);
        *out = json_string(value ? value : "");
        return ERR_OK;
    }
    for (size_t i = 0; i < COUNT(roots); i++)
        if (!strcmp(roots[i].name, root))
            return roots[i].get(view, path, out, err);
    return err_set(err, INVALID, "there is no placeholder `%s`", path->text);
}

/* ---- success() and failure() ---- */

bool values_success(const struct task *task)
{
    for (size_t i = 0; i < task->def->need_count; i++) {
        enum outcome o = task->scope->tasks[task->def->needs[i]].outcome;
        if (o != OUT_COMPLETED && o != OUT_SKIPPED)
            return false;
    }
    return !task->def->waits_for_all || !(task->scope->failed || task->scope->cancelled_count);
}

bool values_failure(const struct task *task)
{
    for (size_t i = 0; i < task->def->need_count; i++) {
        enum outcome o = task->scope->tasks[task->def->needs[i]].outcome;
        if (o == OUT_FAILED || o == OUT_NOT_READY)
            return true;
    }
    return task->def->waits_for_all && task->scope->failed;
}

static bool status(void *ctx, const char *function)
{
    struct view *view = ctx;
    if (!strcmp(function, "cancelled"))
        return view->scope->cancelled;
    if (!strcmp(function, "always") || !view->task)
        return true;
    return !strcmp(function, "failure") ? values_failure(view->task) : values_success(view->task);
}

void view_init(struct view *view, struct scope *scope, struct task *task, struct task_run *tr)
{
    *view = (struct view){{get, status, view}, scope, task, tr, false};
}

/* ---- `with` ---- */

/* A number or a truth value from a placeholder serves as text. */
static void loosen(const struct step_param *p, json_t *with, json_t *value)
{
    if (p->type == FLOW_STRING && (json_is_number(value) || json_is_boolean(value))) {
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
        json_object_set_new(with, p->name, json_string(text));
        free(text);
    } else if (p->type == FLOW_DURATION && json_is_string(value)) {
        double seconds;
        if (flow_duration(json_string_value(value), &seconds))
            json_object_set_new(with, p->name, json_real(seconds));
    }
}

static enum err_code check_param(const struct step_param *p, json_t *with, bool dry,
                                 struct err *err)
{
    json_t *value = json_object_get(with, p->name);
    if (json_is_null(value)) {
        json_object_del(with, p->name);
        value = NULL;
    }
    if (!value && p->fallback) {
        json_object_set_new(with, p->name, json_loads(p->fallback, JSON_DECODE_ANY, NULL));
        value = json_object_get(with, p->name);
    }
    if (!value && p->required && !dry)
        return err_set(err, INVALID, "`%s` has no value: its placeholder leads to nothing",
                       p->name);
    if (!value)
        return ERR_OK;
    loosen(p, with, value);
    value = json_object_get(with, p->name);
    if (!flow_type_fits(p->type, value))
        return err_set(err, INVALID, "`%s` is not %s", p->name, flow_type_names[p->type]);
    if (p->choices && json_is_string(value) &&
        !step_is_choice(p->choices, json_string_value(value)))
        return err_set(err, INVALID, "`%s` is `%s`, expected one of %s", p->name,
                       json_string_value(value), p->choices);
    return ERR_OK;
}

enum err_code values_with(struct view *view, json_t **out, struct err *err)
{
    const struct flow_task *def = view->task->def;
    json_t *with = NULL;
    enum err_code code = ERR_OK;
    if (def->with)
        code = template_render(def->with, &view->lookup, &with, err);
    else
        with = json_object();
    const struct step_schema *s = def->step;
    for (size_t i = 0; !code && s && i < s->param_count; i++)
        code = check_param(&s->params[i], with, view->touched_dry, err);
    if (code)
        json_decref(with);
    else
        *out = with;
    return code;
}

/* ---- blocks and variables, before the run ---- */

static void add_lookup(struct native *n, const char *type, const char *name)
{
    for (struct native_lookup *l = n->lookups; l; l = l->next)
        if (!strcmp(l->name, name) && !l->block_type == !type &&
            (!type || !strcmp(l->block_type, type)))
            return;
    struct native_lookup *l = arena_new(&n->arena, struct native_lookup);
    *l = (struct native_lookup){n, n->lookups, type, name, false};
    n->lookups = l;
    n->lookups_open++;
}

static void collect(void *ctx, const struct node *at, const struct part *part)
{
    struct native *n = ctx;
    struct path path;
    (void)at;
    if (part->len < 8 || strncmp(part->text, "prefect.", 8) != 0 ||
        !path_parse(&n->arena, part->text, part->len, &path))
        return;
    const char *second = path.segments[1].name;
    if (second && !strcmp(second, "blocks") && path.count > 3)
        add_lookup(n, path.segments[2].name, path.segments[3].name);
    else if (second && path.count > 2)
        add_lookup(n, NULL, path.segments[2].name);
}

void values_collect(struct native *n, const struct flow *flow)
{
    struct part_visitor visitor = {collect, n};
    expr_visit(flow->dry_run, &visitor);
    for (size_t i = 0; i < flow->task_count; i++) {
        const struct flow_task *t = &flow->tasks[i];
        if (t->with)
            template_visit(t->with, &visitor);
        if (t->cache_key)
            template_visit(t->cache_key, &visitor);
        expr_visit(t->when, &visitor);
        for (size_t k = 0; k < t->axis_count; k++)
            template_visit(t->axes[k].values, &visitor);
        if (t->flow)
            values_collect(n, t->flow);
    }
    if (flow->result)
        template_visit(flow->result, &visitor);
}
