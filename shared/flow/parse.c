/* Nodes to struct flow: one table of keys per map of the language. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "shared/flow/build.h"

enum { PARALLEL_MAX = 1000 };

/* ---- helpers ---- */

static void release_json(void *value)
{
    json_decref(value);
}

json_t *keep_json(struct builder *b, json_t *value)
{
    arena_defer(b->arena, release_json, value);
    return value;
}

bool check_node_type(struct builder *b, const struct node *value, unsigned types, const char *name)
{
    char expected[120] = "";
    if (types & 1u << value->type)
        return true;
    for (unsigned t = NODE_NULL; t <= NODE_MAP; t++) {
        if (!(types & 1u << t) || (t == NODE_INTEGER && types & 1u << NODE_NUMBER))
            continue;
        size_t len = strlen(expected);
        snprintf(expected + len, sizeof(expected) - len, "%s%s", len ? " or " : "",
                 node_type_name(t));
    }
    bool number = value->type == NODE_NUMBER || value->type == NODE_INTEGER;
    problem_at(b->problems, value, "`%s` is %s, expected %s%s", name, node_type_name(value->type),
               expected, types & T_STRING && number ? " (put it in quotes)" : "");
    return false;
}

bool check_name(struct builder *b, const struct node *name, const char *what)
{
    const char *s = name->text;
    size_t len = strlen(s);
    bool ok = len && len <= 64 && (isalpha((unsigned char)s[0]) || s[0] == '_');
    for (size_t i = 0; ok && i < len; i++)
        ok = isalnum((unsigned char)s[i]) || s[i] == '_' || s[i] == '-';
    if (!ok)
        problem_at(
            b->problems, name,
            "`%s` cannot name a %s, expected up to 64 letters, digits, _ and -, a letter first", s,
            what);
    return ok;
}

static void unknown_key(struct builder *b, const struct node *key, const char *what,
                        const struct key *keys, size_t count)
{
    const char *names[32];
    char list[300] = "";
    for (size_t i = 0; i < count && i < COUNT(names); i++) {
        names[i] = keys[i].name;
        snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", i ? ", " : "", names[i]);
    }
    const char *near = nearest_name(key->text, names, count);
    if (near)
        problem_at(b->problems, key, "unknown key `%s` in %s, did you mean `%s`?", key->text, what,
                   near);
    else
        problem_at(b->problems, key, "unknown key `%s` in %s, expected one of %s", key->text, what,
                   list);
}

void take_keys(struct builder *b, const struct node *map, const char *what, const struct key *keys,
               size_t count, void *into)
{
    for (size_t i = 0; i < map->count; i++) {
        const struct member *m = &map->members[i];
        const struct key *key = NULL;
        for (size_t k = 0; k < count && !key; k++)
            if (!strcmp(keys[k].name, m->key->text))
                key = &keys[k];
        if (!key)
            unknown_key(b, m->key, what, keys, count);
        else if (check_node_type(b, m->value, key->types, key->name))
            key->take(b, into, m->value);
    }
}

static bool take_duration(struct builder *b, const struct node *value, const char *name,
                          double *out)
{
    if (value->text && value->type != NODE_BOOLEAN && flow_duration(value->text, out))
        return true;
    problem_at(b->problems, value,
               "`%s` is not a duration, expected for example 90, 1m30s or PT1M30S, at most 366d",
               name);
    return false;
}

static int take_count(struct builder *b, const struct node *value, const char *name, int least,
                      int most)
{
    if (value->integer >= least && value->integer <= most)
        return (int)value->integer;
    problem_at(b->problems, value, "`%s` is %s, expected %d to %d", name, value->text, least, most);
    return least;
}

/* ---- a task ---- */

static void take_uses(struct builder *b, void *into, const struct node *value)
{
    (void)b;
    ((struct flow_task *)into)->uses = value->text;
}

static void take_flow(struct builder *b, void *into, const struct node *value)
{
    struct flow_task *t = into;
    if (b->depth == FLOW_DEPTH_MAX) {
        problem_at(b->problems, value,
                   "flows are nested more than %d deep; do they use each other?", FLOW_DEPTH_MAX);
        return;
    }
    b->depth++;
    t->flow = value->type == NODE_STRING ? build_flow_file(b, value)
                                         : build_flow(b, value->source, value);
    b->depth--;
}

static void take_with(struct builder *b, void *into, const struct node *value)
{
    (void)b;
    ((struct flow_task *)into)->with = value;
}

static void take_needs(struct builder *b, void *into, const struct node *value)
{
    for (size_t i = 0; value->type == NODE_LIST && i < value->count; i++)
        if (!check_node_type(b, value->members[i].value, T_STRING, "needs"))
            return;
    ((struct flow_task *)into)->needs_node = value;
}

static void take_retries(struct builder *b, void *into, const struct node *value)
{
    ((struct flow_task *)into)->retries = take_count(b, value, "retries", 0, FLOW_RETRIES_MAX);
}

static void take_retry_delay(struct builder *b, void *into, const struct node *value)
{
    struct flow_task *t = into;
    bool list = value->type == NODE_LIST;
    size_t count = list ? value->count : 1;
    if (!count || count > FLOW_DELAYS_MAX) {
        problem_at(b->problems, value, "`retry_delay` has %zu delays, expected 1 to %d", count,
                   FLOW_DELAYS_MAX);
        return;
    }
    t->retry_delay_count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct node *one = list ? value->members[i].value : value;
        if (take_duration(b, one, "retry_delay", &t->retry_delays_s[i]))
            t->retry_delay_count = i + 1;
    }
}

static void take_timeout(struct builder *b, void *into, const struct node *value)
{
    struct flow_task *t = into;
    if (take_duration(b, value, "timeout", &t->timeout_s) && t->timeout_s <= 0)
        problem_at(b->problems, value, "`timeout` is 0, expected more");
}

static void take_when(struct builder *b, void *into, const struct node *value)
{
    ((struct flow_task *)into)->when = expr_parse(b->arena, value, b->problems);
}

static void take_always(struct builder *b, void *into, const struct node *value)
{
    (void)b;
    ((struct flow_task *)into)->always = value->flag;
}

static void take_dry(struct builder *b, void *into, const struct node *value)
{
    (void)b;
    ((struct flow_task *)into)->dry_run = value->flag ? DRY_RUNS : DRY_SKIPS;
}

static void take_cache_key(struct builder *b, void *into, const struct node *value)
{
    (void)b;
    ((struct flow_task *)into)->cache_key = value;
}

static void take_cache_expires(struct builder *b, void *into, const struct node *value)
{
    take_duration(b, value, "expires", &((struct flow_task *)into)->cache_s);
}

static const struct key cache_keys[] = {
    {"key", T_STRING, take_cache_key},
    {"expires", T_NUMBER | T_STRING, take_cache_expires},
};

static void take_cache(struct builder *b, void *into, const struct node *value)
{
    struct flow_task *t = into;
    take_keys(b, value, "`cache`", cache_keys, COUNT(cache_keys), t);
    if (!t->cache_key)
        problem_at(b->problems, value,
                   "`cache` has no `key`, expected a text of what the outputs depend on");
}

static void take_axis(struct builder *b, struct flow_axis *axis, const struct member *m)
{
    struct part part;
    *axis = (struct flow_axis){m->key->text, m->value};
    check_name(b, m->key, "matrix axis");
    if (m->value->type == NODE_STRING && !template_exact(m->value->text, &part))
        problem_at(b->problems, m->value,
                   "`%s` is a text, expected a list or one placeholder that gives a list",
                   axis->name);
    else if (m->value->type == NODE_LIST && !m->value->count)
        problem_at(b->problems, m->value, "`%s` is empty, expected at least one value", axis->name);
    else if (m->value->type != NODE_STRING)
        check_node_type(b, m->value, T_LIST, axis->name);
}

static void take_matrix(struct builder *b, void *into, const struct node *value)
{
    struct flow_task *t = into;
    size_t product = 1;
    if (!value->count)
        problem_at(b->problems, value, "`matrix` is empty, expected at least one axis");
    t->axes = arena_array(b->arena, struct flow_axis, value->count);
    t->axis_count = value->count;
    for (size_t i = 0; i < value->count; i++) {
        take_axis(b, &t->axes[i], &value->members[i]);
        if (value->members[i].value->type == NODE_LIST && product <= FLOW_MATRIX_MAX)
            product *= value->members[i].value->count;
    }
    if (product > FLOW_MATRIX_MAX)
        problem_at(b->problems, value, "`matrix` makes more than %d task runs", FLOW_MATRIX_MAX);
}

static void take_task_parallel(struct builder *b, void *into, const struct node *value)
{
    ((struct flow_task *)into)->max_parallel =
        take_count(b, value, "max_parallel", 1, PARALLEL_MAX);
}

static const struct key task_keys[] = {
    {"uses", T_STRING, take_uses},
    {"flow", T_STRING | T_MAP, take_flow},
    {"with", T_MAP, take_with},
    {"needs", T_STRING | T_LIST, take_needs},
    {"when", T_STRING | T_BOOLEAN, take_when},
    {"always", T_BOOLEAN, take_always},
    {"matrix", T_MAP, take_matrix},
    {"max_parallel", T_INTEGER, take_task_parallel},
    {"retries", T_INTEGER, take_retries},
    {"retry_delay", T_NUMBER | T_STRING | T_LIST, take_retry_delay},
    {"timeout", T_NUMBER | T_STRING, take_timeout},
    {"cache", T_MAP, take_cache},
    {"dry_run", T_BOOLEAN, take_dry},
};

static const struct key default_keys[] = {
    {"retries", T_INTEGER, take_retries},
    {"retry_delay", T_NUMBER | T_STRING | T_LIST, take_retry_delay},
    {"timeout", T_NUMBER | T_STRING, take_timeout},
};

static void build_task(struct builder *b, struct flow_task *t, const struct member *m,
                       const struct flow_task *defaults)
{
    *t = *defaults;
    t->name = m->key->text;
    t->at = m->key;
    check_name(b, m->key, "task");
    if (!check_node_type(b, m->value, T_MAP, t->name))
        return;
    take_keys(b, m->value, "a task", task_keys, COUNT(task_keys), t);
    bool uses = node_get(m->value, "uses"), flow = node_get(m->value, "flow");
    if (uses == flow)
        problem_at(b->problems, m->key, "task `%s` has %s, expected one of `uses` and `flow`",
                   t->name, uses ? "both" : "neither");
    if (flow && t->cache_key)
        problem_at(b->problems, node_get(m->value, "cache"),
                   "a sub-flow has no `cache` of its own, give it to the tasks in it");
    if (t->max_parallel && !t->axis_count)
        problem_at(b->problems, node_get(m->value, "max_parallel"),
                   "`max_parallel` of a task belongs to a `matrix`, which `%s` has not", t->name);
}

/* ---- the flow ---- */

static void take_flow_name(struct builder *b, void *into, const struct node *value)
{
    if (!value->text[0] || strlen(value->text) > 200 || strpbrk(value->text, "/%&<>\n"))
        problem_at(b->problems, value,
                   "`name` cannot name a flow, expected up to 200 characters without / %% & < >");
    ((struct flow *)into)->name = value->text;
}

static void take_description(struct builder *b, void *into, const struct node *value)
{
    (void)b;
    ((struct flow *)into)->description = value->text;
}

static void take_parameters(struct builder *b, void *into, const struct node *value)
{
    ((struct flow *)into)->parameters = build_parameters(b, value);
}

/* What a device can be asked for; a placeholder may stand for any of it. */
static const struct {
    const char *name;
    unsigned types;
} device_members[] = {
    {"type", T_STRING},   {"target", T_STRING}, {"name", T_STRING},       {"agent", T_STRING},
    {"count", T_INTEGER}, {"labels", T_MAP},    {"capabilities", T_LIST}, {"health", T_STRING},
};

static void check_device(struct builder *b, const struct node *device)
{
    const char *names[COUNT(device_members)];
    for (size_t k = 0; k < COUNT(device_members); k++)
        names[k] = device_members[k].name;
    for (size_t i = 0; i < device->count; i++) {
        const struct node *key = device->members[i].key;
        size_t k = 0;
        while (k < COUNT(names) && strcmp(names[k], key->text) != 0)
            k++;
        const char *near = nearest_name(key->text, names, COUNT(names));
        if (k < COUNT(names))
            check_node_type(b, device->members[i].value, device_members[k].types | T_STRING,
                            key->text);
        else
            problem_at(b->problems, key, "a device has no `%s`, %s%s%s", key->text,
                       near ? "did you mean `"
                            : "expected one of type, target, name, agent, count, ",
                       near ? near : "labels, capabilities", near ? "`?" : "");
    }
}

static void take_devices(struct builder *b, void *into, const struct node *value)
{
    for (size_t i = 0; i < value->count; i++) {
        check_name(b, value->members[i].key, "device");
        if (check_node_type(b, value->members[i].value, T_MAP, value->members[i].key->text))
            check_device(b, value->members[i].value);
    }
    ((struct flow *)into)->devices = value;
}

/* Members of `health`, see docs/flows.md. */
static const struct {
    const char *name;
    unsigned types;
    bool is_duration;
} health_members[] = {
    {"type", T_STRING, false},
    {"target", T_STRING, false},
    {"every", T_STRING | T_INTEGER, true},
    {"return_after", T_STRING | T_INTEGER, true},
    {"low_j", T_NUMBER | T_INTEGER, false},
    {"high_j", T_NUMBER | T_INTEGER, false},
    {"sigmas", T_NUMBER | T_INTEGER, false},
    {"parameters", T_MAP, false},
};

static void check_health_member(struct builder *b, const struct member *m)
{
    double seconds;

    for (size_t i = 0; i < COUNT(health_members); i++) {
        if (strcmp(health_members[i].name, m->key->text) != 0)
            continue;
        if (check_node_type(b, m->value, health_members[i].types, m->key->text) &&
            health_members[i].is_duration && !flow_duration(m->value->text, &seconds))
            problem_at(b->problems, m->value, "`%s` is not a duration such as 24h", m->value->text);
        return;
    }
    problem_at(b->problems, m->key, "`health` has no member `%s`", m->key->text);
}

static void take_health(struct builder *b, void *into, const struct node *value)
{
    if (!node_get(value, "type"))
        problem_at(b->problems, value, "`health` needs the `type` of the devices that it checks");
    for (size_t i = 0; i < value->count; i++)
        check_health_member(b, &value->members[i]);
    ((struct flow *)into)->health = value;
}

static void take_flow_dry(struct builder *b, void *into, const struct node *value)
{
    ((struct flow *)into)->dry_run = expr_parse(b->arena, value, b->problems);
}

static void take_result(struct builder *b, void *into, const struct node *value)
{
    (void)b;
    ((struct flow *)into)->result = value;
}

static void take_flow_parallel(struct builder *b, void *into, const struct node *value)
{
    ((struct flow *)into)->max_parallel = take_count(b, value, "max_parallel", 1, PARALLEL_MAX);
}

static void take_nothing(struct builder *b, void *into, const struct node *value)
{
    (void)b, (void)into,
        (void)value; /* `defaults` and `tasks` are taken in this order by take_tasks() */
}

static const struct key flow_keys[] = {
    {"name", T_STRING, take_flow_name},
    {"description", T_STRING, take_description},
    {"parameters", T_MAP, take_parameters},
    {"devices", T_MAP, take_devices},
    {"health", T_MAP, take_health},
    {"defaults", T_MAP, take_nothing},
    {"tasks", T_MAP, take_nothing},
    {"result", T_ANY, take_result},
    {"max_parallel", T_INTEGER, take_flow_parallel},
    {"dry_run", T_BOOLEAN | T_STRING, take_flow_dry},
};

static void take_tasks(struct builder *b, struct flow *flow, const struct node *root)
{
    struct flow_task defaults = {0};
    const struct node *tasks = node_get(root, "tasks"), *given = node_get(root, "defaults");
    if (given && given->type == NODE_MAP)
        take_keys(b, given, "`defaults`", default_keys, COUNT(default_keys), &defaults);
    if (!tasks || (tasks->type == NODE_MAP && !tasks->count))
        problem_at(b->problems, tasks ? tasks : root,
                   "the flow has no `tasks`, expected at least one");
    if (!tasks || tasks->type != NODE_MAP)
        return;
    flow->tasks = arena_array(b->arena, struct flow_task, tasks->count);
    flow->task_count = tasks->count;
    for (size_t i = 0; i < tasks->count; i++)
        build_task(b, &flow->tasks[i], &tasks->members[i], &defaults);
}

struct flow *build_flow(struct builder *b, const struct source *source, const struct node *root)
{
    struct flow *flow = arena_new(b->arena, struct flow);
    if (!check_node_type(b, root, T_MAP, source->file))
        return NULL;
    flow->source = source;
    flow->root = root;
    flow->max_parallel = FLOW_PARALLEL_DEFAULT;
    size_t before = b->problems->count;
    take_keys(b, root, "a flow", flow_keys, COUNT(flow_keys), flow);
    if (!node_get(root, "name") && !b->depth)
        problem_at(b->problems, root, "the flow has no `name`");
    if (!flow->parameters)
        flow->parameters = build_parameters(b, NULL);
    take_tasks(b, flow, root);
    check_flow(b, flow);
    return b->problems->count == before ? flow : NULL;
}
