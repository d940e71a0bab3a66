#include "worker/report/collect.h"

#include <stdlib.h>
#include <string.h>

enum { POINTS_KEPT = 200 };

static const char *text(struct arena *a, const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_string(value)
               ? arena_strndup(a, json_string_value(value), json_string_length(value))
               : "";
}

/* Room for one more; the old array stays in the arena until its end. */
static void *grown(struct arena *a, const void *array, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return (void *)(uintptr_t)array;
    *room = *room ? *room * 2 : 64;
    char *more = arena_alloc(a, *room, size, _Alignof(max_align_t));
    if (count)
        memcpy(more, array, count * size);
    return more;
}

static bool is_known(const struct collection *c, const char *key)
{
    for (size_t i = 0; i < c->measurement_count; i++)
        if (strcmp(c->artifact_keys[i], key) == 0)
            return true;
    return false;
}

/* Prefect's clients store data as a text that holds JSON; ours as JSON. */
static json_t *artifact_data(const json_t *artifact)
{
    json_t *data = json_object_get(artifact, "data");
    if (json_is_string(data))
        return json_loads(json_string_value(data), 0, NULL);
    return json_incref(data);
}

static void add_measurement(struct collection *c, const json_t *artifact, struct err *e)
{
    struct measurement m;
    json_t *data = artifact_data(artifact);
    /* The first ones only are drawn; the others' points would fill the arena. */
    if (c->measurement_count >= POINTS_KEPT)
        json_object_del(data, "preview");
    enum err_code rc = measurement_read(c->arena, data, &m, e);
    json_decref(data);
    if (rc) {
        c->unreadable++;
        return;
    }
    m.flow_run_id = text(c->arena, artifact, "flow_run_id");
    const char *key = arena_printf(c->arena, "%s\n%s\n%s", m.flow_run_id, m.model, m.target);
    if (is_known(c, key))
        return;
    size_t room = c->measurement_room, keys_room = room;
    c->measurements = grown(c->arena, c->measurements, c->measurement_count, &room, sizeof m);
    c->artifact_keys =
        grown(c->arena, c->artifact_keys, c->measurement_count, &keys_room, sizeof key);
    c->measurement_room = room;
    c->artifact_keys[c->measurement_count] = key;
    c->measurements[c->measurement_count++] = m;
}

enum err_code collect_artifacts(struct collection *c, const json_t *rows, struct err *e)
{
    const json_t *artifact;
    size_t i;
    if (!json_is_array(rows))
        return err_set(e, INVALID, "the server's list of artifacts is not a list");
    json_array_foreach(rows, i, artifact)
    {
        if (c->measurement_count == REPORT_ROWS_MAX)
            return err_set(e, TOO_LARGE, "the campaign has more than %d measurements",
                           REPORT_ROWS_MAX);
        add_measurement(c, artifact, e);
    }
    return ERR_OK;
}

/* Names the run in its measurements; false when it has none. */
static bool name_measurements(struct collection *c, const char *id, const char *name)
{
    bool found = false;
    for (size_t i = 0; i < c->measurement_count; i++) {
        if (strcmp(c->measurements[i].flow_run_id, id) != 0)
            continue;
        c->measurements[i].flow_run_name = name;
        found = true;
    }
    return found;
}

static bool is_listed(const struct collection *c, const char *id)
{
    for (size_t i = 0; i < c->failure_count; i++)
        if (strcmp(c->failures[i].id, id) == 0)
            return true;
    return false;
}

static void add_failure(struct collection *c, const json_t *run, const char *id, const char *name)
{
    struct arena *a = c->arena;
    const json_t *parameters = json_object_get(run, "parameters");
    const char *type = text(a, run, "state_type");
    const char *message = text(a, json_object_get(run, "state"), "message");
    bool ended = strcmp(type, "FAILED") == 0 || strcmp(type, "CRASHED") == 0 ||
                 strcmp(type, "CANCELLED") == 0;
    if (!ended)
        message = "had not ended when the report was made";
    else if (!message[0])
        message = "no reason was given";
    c->failures = grown(a, c->failures, c->failure_count, &c->failure_room, sizeof *c->failures);
    c->failures[c->failure_count++] = (struct failed_run){.id = id,
                                                          .flow_id = text(a, run, "flow_id"),
                                                          .name = name,
                                                          .model = text(a, parameters, "model"),
                                                          .target = text(a, parameters, "target"),
                                                          .state = text(a, run, "state_name"),
                                                          .reason = message};
}

enum err_code collect_runs(struct collection *c, const json_t *rows, struct err *e)
{
    const json_t *run;
    size_t i;
    if (!json_is_array(rows))
        return err_set(e, INVALID, "the server's list of runs is not a list");
    json_array_foreach(rows, i, run)
    {
        const char *id = text(c->arena, run, "id"), *name = text(c->arena, run, "name");
        if (strcmp(id, c->own_run_id) == 0)
            c->own_flow_id = text(c->arena, run, "flow_id");
        if (strcmp(id, c->own_run_id) == 0 || is_listed(c, id))
            continue;
        if (++c->run_count > REPORT_ROWS_MAX)
            return err_set(e, TOO_LARGE, "the campaign has more than %d runs", REPORT_ROWS_MAX);
        if (name_measurements(c, id, name))
            continue;
        /* Completed without a measurement: not a measuring run, such as an earlier report. */
        const json_t *type = json_object_get(run, "state_type");
        if (!json_is_string(type) || strcmp(json_string_value(type), "COMPLETED") != 0)
            add_failure(c, run, id, name);
    }
    return ERR_OK;
}

/* An earlier report that failed is no failed measurement. */
static void drop_own_flow(struct collection *c)
{
    size_t kept = 0;
    for (size_t i = 0; i < c->failure_count; i++)
        if (!c->own_flow_id || strcmp(c->failures[i].flow_id, c->own_flow_id) != 0)
            c->failures[kept++] = c->failures[i];
    c->failure_count = kept;
}

void collect_finish(struct collection *c, struct report *r)
{
    drop_own_flow(c);
    r->measurements = c->measurements;
    r->measurement_count = c->measurement_count;
    r->failures = c->failures;
    r->failure_count = c->failure_count;
    report_sort(c->arena, r);
}
