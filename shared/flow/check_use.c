/* What a task uses: the step or the flow, what it gives it, the devices it drives. */
#include <stdio.h>
#include <string.h>

#include "shared/flow/build.h"

const char **flow_map_names(struct builder *b, const struct node *map, size_t *out_count)
{
    bool is_map = map && map->type == NODE_MAP;
    const char **names = arena_array(b->arena, const char *, is_map ? map->count : 1);
    *out_count = is_map ? map->count : 0;
    for (size_t i = 0; i < *out_count; i++)
        names[i] = map->members[i].key->text;
    return names;
}

const char **flow_parameter_names(struct builder *b, const struct flow *flow, size_t *out_count)
{
    json_t *properties = json_object_get(flow->parameters, "properties"), *sub;
    const char **names = arena_array(b->arena, const char *, json_object_size(properties) + 1);
    const char *name;
    size_t n = 0;
    json_object_foreach(properties, name, sub) names[n++] = name;
    *out_count = n;
    return names;
}

bool name_among(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(names[i], name))
            return true;
    return false;
}

static bool has_placeholder(const struct node *value)
{
    struct part part;
    for (const char *at = value->text; value->type == NODE_STRING && template_next(&at, &part);)
        if (part.kind == PART_PLACEHOLDER)
            return true;
    return false;
}

static void check_value(struct builder *b, const struct step_param *param, const struct node *value)
{
    if (has_placeholder(value) || value->type == NODE_NULL)
        return;
    json_t *json = node_json(value);
    bool number = value->type == NODE_INTEGER || value->type == NODE_NUMBER;
    if (!flow_type_fits(param->type, json))
        problem_at(b->problems, value, "`%s` is %s, expected %s%s", param->name,
                   node_type_name(value->type), flow_type_names[param->type],
                   param->type == FLOW_STRING && number ? " (put it in quotes)"
                   : param->type == FLOW_DURATION       ? " such as 90 or 1m30s"
                                                        : "");
    else if (param->choices && value->type == NODE_STRING &&
             !step_is_choice(param->choices, value->text))
        problem_at(b->problems, value, "`%s` is `%s`, expected one of %s", param->name, value->text,
                   param->choices);
    json_decref(json);
}

static void unknown_member(struct builder *b, const struct node *key, const char *of,
                           const char *const *names, size_t count)
{
    char list[300] = "";
    const char *near = nearest_name(key->text, names, count);
    for (size_t i = 0; i < count; i++)
        snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", i ? ", " : "", names[i]);
    if (near)
        problem_at(b->problems, key, "`%s` does not take `%s`, did you mean `%s`?", of, key->text,
                   near);
    else
        problem_at(b->problems, key, "`%s` does not take `%s`%s%s", of, key->text,
                   count ? ", expected one of " : "", list);
}

static void check_step_with(struct builder *b, const struct flow_task *t)
{
    const struct step_schema *s = t->step;
    const char **names = arena_array(b->arena, const char *, s->param_count + 1);
    for (size_t i = 0; i < s->param_count; i++) {
        const struct node *value = node_get(t->with, s->params[i].name);
        names[i] = s->params[i].name;
        if (value)
            check_value(b, &s->params[i], value);
        else if (s->params[i].required)
            problem_at(b->problems, t->at, "task `%s` gives no `%s`, which `%s` needs: %s", t->name,
                       names[i], s->name, s->params[i].doc);
    }
    for (size_t i = 0; t->with && !s->free_params && i < t->with->count; i++)
        if (!name_among(t->with->members[i].key->text, names, s->param_count))
            unknown_member(b, t->with->members[i].key, s->name, names, s->param_count);
}

static void check_flow_with(struct builder *b, const struct flow_task *t)
{
    json_t *properties = json_object_get(t->flow->parameters, "properties"), *required;
    size_t count, i;
    const char **names = flow_parameter_names(b, t->flow, &count);
    for (i = 0; t->with && i < t->with->count; i++) {
        const struct node *key = t->with->members[i].key, *value = t->with->members[i].value;
        struct buf reasons = {.max_bytes = 400};
        json_t *json = has_placeholder(value) ? NULL : node_json(value);
        const json_t *schema = json_object_get(properties, key->text);
        if (!schema)
            unknown_member(b, key, t->name, names, count);
        else if (json && value->type < NODE_LIST &&
                 !flow_schema_check(schema, json, key->text, &reasons))
            problem_at(b->problems, value, "%.*s", (int)reasons.len, reasons.bytes);
        json_decref(json);
        buf_free(&reasons);
    }
    json_array_foreach(json_object_get(t->flow->parameters, "required"), i,
                       required) if (!node_get(t->with, json_string_value(required)))
        problem_at(b->problems, t->at, "task `%s` gives no `%s`, which its flow needs", t->name,
                   json_string_value(required));
}

/* Devices are leased to the run, so the outermost flow declares them all. */
static void check_flow_devices(struct builder *b, const struct flow *flow,
                               const struct flow_task *t)
{
    const struct node *needed = t->flow->devices;
    for (size_t i = 0; needed && i < needed->count; i++) {
        const struct node *key = needed->members[i].key;
        if (!node_get(flow->devices, key->text))
            problem_at(b->problems, key,
                       "the sub-flow needs the device `%s`, which flow `%s` does not declare",
                       key->text, flow->name ? flow->name : "around it");
    }
}

/* A step that drives a bench has `device`; a file without devices may be a sub-flow. */
static void check_step_device(struct builder *b, const struct flow *flow, const struct flow_task *t)
{
    bool drives = false;
    size_t count;
    const char **names = flow_map_names(b, flow->devices, &count);
    const struct node *device = node_get(t->with, "device");
    for (size_t i = 0; i < t->step->param_count; i++)
        drives |= !strcmp(t->step->params[i].name, "device");
    if (!drives || !count || (device && (device->type != NODE_STRING || has_placeholder(device))))
        return;
    const char *near = device ? nearest_name(device->text, names, count) : NULL;
    if (device && near && !name_among(device->text, names, count))
        problem_at(b->problems, device, "there is no device `%s`, did you mean `%s`?", device->text,
                   near);
    else if (device && !name_among(device->text, names, count))
        problem_at(b->problems, device, "there is no device `%s` in the flow's `devices`",
                   device->text);
    else if (!device && count > 1 && !name_among("bench", names, count))
        problem_at(b->problems, t->at,
                   "task `%s` does not say which `device`, and the flow has %zu", t->name, count);
}

static void find_step(struct builder *b, struct flow_task *t)
{
    const char *names[200], *near;
    size_t count = 0;
    bool known = !b->options->step_name;
    if (!t->uses)
        return;
    for (; b->options->step_name && count < COUNT(names); count++) {
        names[count] = b->options->step_name(count);
        if (!names[count])
            break;
        known = known || strcmp(names[count], t->uses) == 0;
    }
    if (b->options->step)
        t->step = b->options->step(t->uses);
    if (b->options->step ? t->step != NULL : known)
        return;
    near = nearest_name(t->uses, names, count);
    problem_in(b->problems, t->at, t->uses, "there is no step `%s`%s%s%s", t->uses,
               near ? ", did you mean `" : "; `switchyard-worker flow steps` lists them",
               near ? near : "", near ? "`?" : "");
}

void check_use(struct builder *b, const struct flow *flow, struct flow_task *t)
{
    find_step(b, t);
    if (t->step) {
        check_step_with(b, t);
        check_step_device(b, flow, t);
    }
    if (t->flow) {
        check_flow_with(b, t);
        check_flow_devices(b, flow, t);
    }
}
