/* What a flow says about itself must hold: every reference leads somewhere, every step gets what it
 * asks for, and the tasks can be put in an order. */
#include <stdio.h>
#include <string.h>

#include "shared/flow/build.h"

/* Where a placeholder stands. */
struct place {
    struct builder *b;
    struct flow *flow;
    struct flow_task *task; /* NULL: `result`, `devices`, `dry_run` */
    bool early;             /* before the run: no tasks, no devices */
    const struct node *at;  /* the placeholder itself */
    const struct part *part;
};

static void said(struct place *p, const char *text)
{
    char found[200];
    snprintf(found, sizeof(found), "%.*s", (int)p->part->len, p->part->text);
    problem_in(p->b->problems, p->at, found, "%s", text);
}

/* "... there is no X `name`, did you mean `near`?" */
static void unknown(struct place *p, const char *kind, const char *name, const char *const *names,
                    size_t count)
{
    char text[500], list[300] = "";
    const char *near = nearest_name(name, names, count);
    for (size_t i = 0; i < count && i < 12; i++)
        snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", i ? ", " : "", names[i]);
    if (near)
        snprintf(text, sizeof(text), "there is no %s `%s`, did you mean `%s`?", kind, name, near);
    else
        snprintf(text, sizeof(text), "there is no %s `%s`%s%s%s", kind, name,
                 count ? ", expected one of " : "", list, count > 12 ? ", ..." : "");
    said(p, text);
}

static void name_tasks(struct builder *b, const struct flow *flow)
{
    b->task_names = arena_array(b->arena, const char *, flow->task_count + 1);
    for (size_t i = 0; i < flow->task_count; i++)
        b->task_names[i] = flow->tasks[i].name;
}

static void add_need(struct builder *b, struct flow_task *t, size_t index)
{
    for (size_t i = 0; i < t->need_count; i++)
        if (t->needs[i] == index)
            return;
    if ((t->need_count & (t->need_count - 1)) == 0) { /* full at the powers of two */
        size_t *needs = arena_array(b->arena, size_t, t->need_count ? t->need_count * 2 : 1);
        if (t->need_count)
            memcpy(needs, t->needs, t->need_count * sizeof(*needs));
        t->needs = needs;
    }
    t->needs[t->need_count++] = index;
}

/* ---- references, one function per first word ---- */

typedef void root_fn(struct place *p, const struct path *path);

static const char *name_at(const struct path *path, size_t i)
{
    return i < path->count ? path->segments[i].name : NULL;
}

static void check_named(struct place *p, const struct path *path, const char *kind,
                        const char *const *names, size_t count)
{
    const char *name = name_at(path, 1);
    if (!name)
        said(p, "the placeholder names nothing, expected a name after the first dot");
    else if (!name_among(name, names, count))
        unknown(p, kind, name, names, count);
}

static void check_parameter(struct place *p, const struct path *path)
{
    check_named(p, path, "parameter", p->b->parameter_names, p->b->parameter_count);
}

static void check_output(struct place *p, const struct flow_task *of, const char *name)
{
    static const char *const plain[] = {"result"};
    const char *const *names = plain;
    size_t count = COUNT(plain);
    char kind[120];
    if (!name || (!of->flow && (!of->step || of->step->free_outputs)))
        return;
    if (of->flow && of->flow->result && of->flow->result->type == NODE_MAP)
        names = flow_map_names(p->b, of->flow->result, &count);
    if (of->step) {
        const char **list = arena_array(p->b->arena, const char *, of->step->output_count + 1);
        for (count = 0; count < of->step->output_count; count++)
            list[count] = of->step->outputs[count].name;
        names = list;
    }
    snprintf(kind, sizeof(kind), "output of task `%s` called", of->name);
    if (!name_among(name, names, count))
        unknown(p, kind, name, names, count);
}

static void check_task_ref(struct place *p, const struct path *path)
{
    const char *name = name_at(path, 1), *member = name_at(path, 2);
    size_t count = p->flow->task_count, i = 0;
    const char *const *names = p->b->task_names;
    if (p->early) {
        said(p, "tasks have not run yet here, expected parameters");
        return;
    }
    while (name && i < count && strcmp(names[i], name) != 0)
        i++;
    if (!name || i == count) {
        check_named(p, path, "task", names, count);
        return;
    }
    if (!member || (strcmp(member, "outputs") != 0 && strcmp(member, "state") != 0))
        said(p, "expected tasks.NAME.outputs.OUTPUT or tasks.NAME.state");
    else if (!strcmp(member, "outputs"))
        check_output(p, &p->flow->tasks[i], name_at(path, 3));
    if (p->task == &p->flow->tasks[i])
        said(p, "a task cannot refer to itself");
    else if (p->task)
        add_need(p->b, p->task, i);
}

static void check_matrix(struct place *p, const struct path *path)
{
    size_t count = p->task ? p->task->axis_count : 0;
    const char **names = arena_array(p->b->arena, const char *, count + 1);
    for (size_t i = 0; i < count; i++)
        names[i] = p->task->axes[i].name;
    if (!count)
        said(p, "`matrix` has no meaning here, expected it in a task with a `matrix`");
    else
        check_named(p, path, "matrix axis", names, count);
}

static void check_run(struct place *p, const struct path *path)
{
    static const char *const names[] = {"id", "name", "flow", "work_dir", "dry_run"};
    check_named(p, path, "member of the run", names, COUNT(names));
}

static void check_device(struct place *p, const struct path *path)
{
    size_t count;
    const char **names = flow_map_names(p->b, p->flow->devices, &count);
    if (p->early)
        said(p, "devices are not chosen yet here, expected parameters");
    else
        check_named(p, path, "device", names, count);
}

static void check_prefect(struct place *p, const struct path *path)
{
    const char *kind = name_at(path, 1);
    bool block = kind && !strcmp(kind, "blocks") && name_at(path, 2) && name_at(path, 3);
    bool variable = kind && !strcmp(kind, "variables") && name_at(path, 2);
    if (!block && !variable)
        said(p, "expected prefect.blocks.TYPE.NAME or prefect.variables.NAME");
}

static const struct {
    const char *name;
    root_fn *check;
} roots[] = {
    {"parameters", check_parameter}, {"tasks", check_task_ref},
    {"matrix", check_matrix},        {"run", check_run},
    {"devices", check_device},       {"prefect", check_prefect},
};

static void visit(void *ctx, const struct node *at, const struct part *part)
{
    struct place *p = ctx;
    struct path path;
    const char *names[COUNT(roots)], *root;
    p->at = at;
    p->part = part;
    if (part->kind == PART_MALFORMED || !path_parse(p->b->arena, part->text, part->len, &path)) {
        char text[300];
        snprintf(text, sizeof(text),
                 "`%.*s` is not a placeholder, expected a dotted name as in {{ parameters.x }}; "
                 "`\\{{` stands for two braces",
                 (int)(part->len < 80 ? part->len : 80), part->text);
        said(p, text);
        return;
    }
    root = path.segments[0].name;
    if (root[0] == '$' && path.count == 1)
        return;
    for (size_t i = 0; i < COUNT(roots); i++) {
        names[i] = roots[i].name;
        if (!strcmp(roots[i].name, root)) {
            roots[i].check(p, &path);
            return;
        }
    }
    unknown(p, "placeholder", root, names, COUNT(roots));
}

/* ---- order ---- */

static void take_need(struct builder *b, struct flow *flow, struct flow_task *t,
                      const struct node *name)
{
    const char *const *names = b->task_names;
    for (size_t i = 0; i < flow->task_count; i++) {
        if (strcmp(names[i], name->text) != 0)
            continue;
        if (t == &flow->tasks[i])
            problem_at(b->problems, name, "a task cannot need itself");
        else
            add_need(b, t, i);
        return;
    }
    const char *near = nearest_name(name->text, names, flow->task_count);
    problem_at(b->problems, name, "there is no task `%s`%s%s%s", name->text,
               near ? ", did you mean `" : "", near ? near : "", near ? "`?" : "");
}

static void take_needs(struct builder *b, struct flow *flow, struct flow_task *t)
{
    const struct node *n = t->needs_node;
    if (n && n->type == NODE_STRING)
        take_need(b, flow, t, n);
    for (size_t i = 0; n && n->type == NODE_LIST && i < n->count; i++)
        take_need(b, flow, t, n->members[i].value);
    t->waits_for_all = t->always && !n;
}

enum color { WHITE, GREY, BLACK };

struct walk {
    struct builder *b;
    struct flow *flow;
    unsigned char *colors;
    size_t *trail;
    size_t depth;
};

static void say_cycle(struct walk *w, size_t first)
{
    char text[400] = "";
    size_t from = 0;
    while (w->trail[from] != first)
        from++;
    for (size_t i = from; i < w->depth; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s -> ",
                 w->flow->tasks[w->trail[i]].name);
    problem_at(w->b->problems, w->flow->tasks[first].at, "the tasks wait for each other: %s%s",
               text, w->flow->tasks[first].name);
}

static void walk(struct walk *w, size_t i)
{
    const struct flow_task *t = &w->flow->tasks[i];
    w->colors[i] = GREY;
    w->trail[w->depth++] = i;
    for (size_t k = 0; k < t->need_count; k++) {
        size_t need = t->needs[k];
        if (w->colors[need] == GREY)
            say_cycle(w, need);
        else if (w->colors[need] == WHITE)
            walk(w, need);
    }
    w->depth--;
    w->colors[i] = BLACK;
}

static void check_order(struct builder *b, struct flow *flow)
{
    struct walk w = {b, flow, arena_array(b->arena, unsigned char, flow->task_count + 1),
                     arena_array(b->arena, size_t, flow->task_count + 1), 0};
    for (size_t i = 0; i < flow->task_count; i++)
        if (w.colors[i] == WHITE)
            walk(&w, i);
    for (size_t i = 0; i < flow->task_count; i++) {
        const struct flow_task *t = &flow->tasks[i];
        for (size_t k = 0; !t->always && k < t->need_count; k++)
            if (flow->tasks[t->needs[k]].always)
                problem_at(
                    b->problems, t->at,
                    "task `%s` needs the clean-up task `%s`, expected that `%s` is `always` too",
                    t->name, flow->tasks[t->needs[k]].name, t->name);
    }
}

/* ---- all of it ---- */

static void check_task(struct builder *b, struct flow *flow, struct flow_task *t)
{
    struct place place = {.b = b, .flow = flow, .task = t};
    struct part_visitor visitor = {visit, &place};
    check_use(b, flow, t);
    take_needs(b, flow, t);
    if (t->with)
        template_visit(t->with, &visitor);
    expr_visit(t->when, &visitor);
    if (t->cache_key)
        template_visit(t->cache_key, &visitor);
    for (size_t i = 0; i < t->axis_count; i++)
        template_visit(t->axes[i].values, &visitor);
}

void check_flow(struct builder *b, struct flow *flow)
{
    struct place place = {.b = b, .flow = flow};
    struct part_visitor visitor = {visit, &place};
    name_tasks(b, flow);
    b->parameter_names = flow_parameter_names(b, flow, &b->parameter_count);
    for (size_t i = 0; i < flow->task_count; i++)
        check_task(b, flow, &flow->tasks[i]);
    if (flow->result)
        template_visit(flow->result, &visitor);
    place.early = true;
    if (flow->devices)
        template_visit(flow->devices, &visitor);
    expr_visit(flow->dry_run, &visitor);
    check_order(b, flow);
}
