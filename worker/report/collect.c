#include "worker/report/collect.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { POINTS_KEPT = 200, IDLE_KNOWN = 5 };

#define IDLE_APART_REL 0.2

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
    if (array && count)
        memcpy(more, array, count * size);
    return more;
}

static void release(void *object)
{
    json_decref(object);
}

/* A set of texts, or a map from texts to places in an array; lives as long as the arena. */
static json_t *map_of(struct collection *c, json_t **in_out)
{
    if (!*in_out) {
        *in_out = json_object();
        arena_defer(c->arena, release, *in_out);
    }
    return *in_out;
}

static struct listed_run *find_run(struct collection *c, const char *id)
{
    const json_t *place = json_object_get(map_of(c, &c->run_places), id);
    return place ? &c->runs[json_integer_value(place)] : NULL;
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
    struct listed_run *run = find_run(c, text(c->arena, artifact, "flow_run_id"));
    if (!run)
        return;
    m.flow_run_id = run->is.id;
    m.flow_run_name = run->is.name;
    run->measured = true;
    const char *key = arena_printf(c->arena, "%s\n%s\n%s", m.flow_run_id, m.model, m.target);
    if (json_object_get(map_of(c, &c->keys), key))
        return;
    json_object_set_new(c->keys, key, json_true());
    c->measurements =
        grown(c->arena, c->measurements, c->measurement_count, &c->measurement_room, sizeof m);
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

static bool is_type(const json_t *run, const char *type)
{
    const json_t *value = json_object_get(run, "state_type");
    return json_is_string(value) && strcmp(json_string_value(value), type) == 0;
}

static const char *reason_of(struct arena *a, const json_t *run)
{
    const char *message = text(a, json_object_get(run, "state"), "message");
    if (is_type(run, "COMPLETED"))
        return "completed without a measurement";
    if (!is_type(run, "FAILED") && !is_type(run, "CRASHED") && !is_type(run, "CANCELLED"))
        return "had not ended when the report was made";
    return message[0] ? message : "no reason was given";
}

static void add_run(struct collection *c, const json_t *run, const char *id)
{
    struct arena *a = c->arena;
    const json_t *parameters = json_object_get(run, "parameters");
    struct listed_run r = {.is = {.id = id, .name = text(a, run, "name")},
                           .completed = is_type(run, "COMPLETED")};
    r.is.flow_id = text(a, run, "flow_id");
    r.is.model = text(a, parameters, "model");
    r.is.target = text(a, parameters, "target");
    r.is.state = text(a, run, "state_name");
    r.is.reason = reason_of(a, run);
    json_object_set_new(map_of(c, &c->run_places), id, json_integer((json_int_t)c->run_count));
    c->runs = grown(a, c->runs, c->run_count, &c->run_room, sizeof r);
    c->runs[c->run_count++] = r;
}

enum err_code collect_runs(struct collection *c, const json_t *rows, struct err *e)
{
    const json_t *run;
    size_t i;
    if (!json_is_array(rows))
        return err_set(e, INVALID, "the server's list of runs is not a list");
    json_array_foreach(rows, i, run)
    {
        const char *id = text(c->arena, run, "id");
        if (strcmp(id, c->own_run_id) == 0)
            c->own_flow_id = text(c->arena, run, "flow_id");
        if (strcmp(id, c->own_run_id) == 0 || find_run(c, id))
            continue;
        if (c->run_count == REPORT_ROWS_MAX)
            return err_set(e, TOO_LARGE, "the campaign has more than %d runs", REPORT_ROWS_MAX);
        add_run(c, run, id);
    }
    return ERR_OK;
}

/* An earlier report that failed is no failed measurement; what completed without a measurement
 * was to measure when it had a model. */
static bool is_failure(const struct collection *c, const struct listed_run *r)
{
    bool other = c->own_flow_id && strcmp(r->is.flow_id, c->own_flow_id) == 0;
    return !r->measured && !other && (!r->completed || r->is.model[0]);
}

static void note(struct collection *c, struct measurement *m, const char *text)
{
    const char **notes = arena_array(c->arena, const char *, m->warning_count + 1);
    if (m->warning_count)
        memcpy(notes, m->warnings, m->warning_count * sizeof *notes);
    notes[m->warning_count++] = text;
    m->warnings = notes;
}

/* A result whose run came to a bad end afterwards says so. */
static void note_end(struct collection *c, struct measurement *m)
{
    const struct listed_run *run = find_run(c, m->flow_run_id);
    if (run && !run->completed)
        note(c, m, arena_printf(c->arena, "its run is %s: %s", run->is.state, run->is.reason));
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* An idle level that has moved before a measurement began passes all of its gates; it stands apart
 * from the others on its target only, and so does its total energy. */
static void note_idle(struct collection *c, const char *target)
{
    double *idle_a = arena_array(c->arena, double, c->measurement_count + 1);
    size_t count = 0;
    for (size_t i = 0; i < c->measurement_count; i++) {
        const struct measurement *m = &c->measurements[i];
        if (m->passed && m->baseline_a > 0 && strcmp(m->target, target) == 0)
            idle_a[count++] = m->baseline_a;
    }
    if (count < IDLE_KNOWN)
        return;
    qsort(idle_a, count, sizeof *idle_a, by_value);
    double usual_a = idle_a[count / 2];
    for (size_t i = 0; i < c->measurement_count; i++) {
        struct measurement *m = &c->measurements[i];
        if (m->passed && strcmp(m->target, target) == 0 && m->baseline_a > 0 &&
            fabs(m->baseline_a / usual_a - 1) > IDLE_APART_REL)
            note(c, m,
                 arena_printf(c->arena,
                              "its idle current is %.4g A, that of the others on this target %.4g "
                              "A: the total energy has the difference in it",
                              m->baseline_a, usual_a));
    }
}

void collect_finish(struct collection *c, struct report *r)
{
    struct failed_run *failures = arena_array(c->arena, struct failed_run, c->run_count + 1);
    r->failure_count = 0;
    for (size_t i = 0; i < c->run_count; i++)
        if (is_failure(c, &c->runs[i]))
            failures[r->failure_count++] = c->runs[i].is;
    for (size_t i = 0; i < c->measurement_count; i++)
        note_end(c, &c->measurements[i]);
    r->measurements = c->measurements;
    r->measurement_count = c->measurement_count;
    r->failures = failures;
    report_sort(c->arena, r);
    for (size_t i = 0; i < r->target_count; i++)
        note_idle(c, r->targets[i]);
}
