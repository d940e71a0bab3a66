#include "worker/report/measurement.h"

#include <math.h>
#include <string.h>

/* Where a number or a text of the document goes. */
struct member {
    const char *name;
    enum { M_TEXT, M_REAL, M_WHOLE, M_FLAG } type;
    bool required;
    size_t offset;
};

#define ROW(T, m, type, required)                                                                  \
    {                                                                                              \
#m, type, required, offsetof(struct T, m)                                                  \
    }
#define ROW_AS(T, m, name, type, required)                                                         \
    {                                                                                              \
        name, type, required, offsetof(struct T, m)                                                \
    }

static const struct member head_rows[] = {
    ROW(measurement, model, M_TEXT, true),
    ROW(measurement, target, M_TEXT, true),
    ROW(measurement, board, M_TEXT, false),
    ROW(measurement, meter, M_TEXT, false),
    ROW(measurement, firmware_commit, M_TEXT, false),
    ROW(measurement, build_id, M_TEXT, false),
    ROW(measurement, emulated, M_FLAG, true),
    ROW(measurement, volts, M_REAL, false),
    ROW(measurement, sample_rate_hz, M_REAL, false),
    ROW(measurement, samples, M_WHOLE, false),
    ROW(measurement, lost, M_WHOLE, false),
    ROW(measurement, latency_s, M_REAL, false),
    ROW(measurement, baseline_a, M_REAL, false),
    ROW(measurement, uncertainty_rel, M_REAL, false),
    ROW(measurement, dynamic_uncertainty_rel, M_REAL, false),
    ROW(measurement, flash_bytes, M_WHOLE, false),
    ROW(measurement, ram_bytes, M_WHOLE, false),
    ROW_AS(measurement, energy_j, "median_energy_per_inference_j", M_REAL, false),
    ROW_AS(measurement, dynamic_energy_j, "median_dynamic_energy_per_inference_j", M_REAL, false),
    ROW_AS(measurement, energy_mad_j, "mad_energy_per_inference_j", M_REAL, false),
    ROW_AS(measurement, dynamic_energy_mad_j, "mad_dynamic_energy_per_inference_j", M_REAL, false),
    ROW(measurement, baseline_drift_rel, M_REAL, false),
};
static const struct member window_rows[] = {
    ROW(measured_window, start_s, M_REAL, true),
    ROW(measured_window, end_s, M_REAL, true),
    ROW(measured_window, inferences, M_WHOLE, true),
    ROW(measured_window, energy_j, M_REAL, true),
    ROW(measured_window, energy_per_inference_j, M_REAL, false),
    ROW(measured_window, dynamic_energy_per_inference_j, M_REAL, false),
    ROW(measured_window, latency_s, M_REAL, false),
};
static const struct member gate_rows[] = {
    ROW(measured_gate, name, M_TEXT, true),    ROW(measured_gate, passed, M_FLAG, true),
    ROW(measured_gate, value, M_REAL, false),  ROW(measured_gate, limit, M_REAL, false),
    ROW(measured_gate, detail, M_TEXT, false),
};

static const char *const expected[] = {
    [M_TEXT] = "a text",
    [M_REAL] = "a number",
    [M_WHOLE] = "a whole number",
    [M_FLAG] = "true or false",
};

static bool store(struct arena *a, const struct member *row, const json_t *value, char *at)
{
    switch (row->type) {
    case M_TEXT:
        if (!json_is_string(value))
            return false;
        *(const char **)(void *)at =
            arena_strndup(a, json_string_value(value), json_string_length(value));
        return true;
    case M_REAL:
        if (!json_is_number(value))
            return false;
        *(double *)(void *)at = json_number_value(value);
        return true;
    case M_WHOLE:
        if (!json_is_integer(value))
            return false;
        *(int64_t *)(void *)at = json_integer_value(value);
        return true;
    case M_FLAG:
        if (!json_is_boolean(value))
            return false;
        *(bool *)at = json_is_true(value);
        return true;
    }
    return false;
}

/* An absent member: a number nobody knows is NAN, a text is "". */
static void store_absent(const struct member *row, char *at)
{
    if (row->type == M_TEXT)
        *(const char **)(void *)at = "";
    else if (row->type == M_REAL)
        *(double *)(void *)at = NAN;
}

/* A kind of object in the document. */
struct part {
    const char *where; /* in front of its members' names */
    const struct member *rows;
    size_t count;
};

static const struct part head_part = {"", head_rows, COUNT(head_rows)};
static const struct part window_part = {"windows[].", window_rows, COUNT(window_rows)};
static const struct part gate_part = {"gates[].", gate_rows, COUNT(gate_rows)};

static enum err_code read_rows(struct arena *a, const struct part *part, const json_t *object,
                               void *out, struct err *e)
{
    const struct member *rows = part->rows;
    const char *where = part->where;

    if (!json_is_object(object))
        return err_set(e, INVALID, "measurement: %s must be an object", where);
    for (size_t i = 0; i < part->count; i++) {
        const json_t *value = json_object_get(object, rows[i].name);
        char *at = (char *)out + rows[i].offset;
        bool absent = !value || json_is_null(value);
        if (absent && rows[i].required)
            return err_set(e, INVALID, "measurement: %s%s is missing", where, rows[i].name);
        if (absent)
            store_absent(&rows[i], at);
        else if (!store(a, &rows[i], value, at))
            return err_set(e, INVALID, "measurement: %s%s must be %s", where, rows[i].name,
                           expected[rows[i].type]);
    }
    return ERR_OK;
}

/* The list `name` of the document; absent: empty. */
static enum err_code open_list(const json_t *document, const char *name, size_t max,
                               const json_t **out, struct err *e)
{
    json_t *list = json_object_get(document, name);
    if (list && !json_is_null(list) && !json_is_array(list))
        return err_set(e, INVALID, "measurement: %s must be a list", name);
    if (json_array_size(list) > max)
        return err_set(e, INVALID, "measurement: %s has %zu entries, at most %zu are allowed", name,
                       json_array_size(list), max);
    *out = list;
    return ERR_OK;
}

static enum err_code read_windows(struct arena *a, const json_t *document, struct measurement *m,
                                  struct err *e)
{
    const json_t *list = NULL, *entry;
    size_t i;
    enum err_code rc = open_list(document, "windows", 10000, &list, e);
    if (rc)
        return rc;
    m->windows = arena_array(a, struct measured_window, json_array_size(list) + 1);
    json_array_foreach(list, i, entry)
    {
        rc = read_rows(a, &window_part, entry, &m->windows[i], e);
        if (rc)
            return rc;
    }
    m->window_count = json_array_size(list);
    return ERR_OK;
}

static enum err_code read_gates(struct arena *a, const json_t *document, struct measurement *m,
                                struct err *e)
{
    const json_t *list = NULL, *entry;
    size_t i;
    enum err_code rc = open_list(document, "gates", 100, &list, e);
    if (rc)
        return rc;
    m->gates = arena_array(a, struct measured_gate, json_array_size(list) + 1);
    json_array_foreach(list, i, entry)
    {
        rc = read_rows(a, &gate_part, entry, &m->gates[i], e);
        if (rc)
            return rc;
        m->passed = m->passed && m->gates[i].passed;
    }
    m->gate_count = json_array_size(list);
    return ERR_OK;
}

static double number_at(const json_t *list, size_t i)
{
    const json_t *value = json_array_get(list, i);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

/* Bins with a number missing are left out; a preview is for the eye only. */
static enum err_code read_preview(struct arena *a, const json_t *document, struct measurement *m,
                                  struct err *e)
{
    const json_t *preview = json_object_get(document, "preview");
    const json_t *min, *mean = NULL, *max;
    double bin_s = json_number_value(json_object_get(preview, "bin_s"));
    enum err_code rc = open_list(preview, "mean_a", 10000, &mean, e);
    if (rc || !(bin_s > 0) || !isfinite(bin_s))
        return rc;
    min = json_object_get(preview, "min_a");
    max = json_object_get(preview, "max_a");
    m->points = arena_array(a, struct measured_point, json_array_size(mean) + 1);
    for (size_t i = 0; i < json_array_size(mean); i++) {
        struct measured_point p = {((double)i + 0.5) * bin_s, number_at(min, i), number_at(mean, i),
                                   number_at(max, i)};
        if (isfinite(p.min_a) && isfinite(p.mean_a) && isfinite(p.max_a))
            m->points[m->point_count++] = p;
    }
    return ERR_OK;
}

static void read_warnings(struct arena *a, const json_t *document, struct measurement *m)
{
    const json_t *list = json_object_get(document, "warnings"), *entry;
    size_t i;
    m->warnings = arena_array(a, const char *, json_array_size(list) + 1);
    json_array_foreach(list, i, entry) if (json_is_string(entry)) m->warnings[m->warning_count++] =
        arena_strndup(a, json_string_value(entry), json_string_length(entry));
}

static const char *read_trace(struct arena *a, const json_t *document)
{
    const json_t *hash = json_object_get(json_object_get(document, "trace"), "sha256");
    return json_is_string(hash)
               ? arena_strndup(a, json_string_value(hash), json_string_length(hash))
               : "";
}

enum err_code measurement_read(struct arena *a, const json_t *document, struct measurement *out,
                               struct err *e)
{
    struct measurement m = {.passed = true, .flow_run_id = "", .flow_run_name = ""};
    enum err_code rc = read_rows(a, &head_part, document, &m, e);
    if (rc == ERR_OK)
        rc = read_windows(a, document, &m, e);
    if (rc == ERR_OK)
        rc = read_gates(a, document, &m, e);
    if (rc == ERR_OK)
        rc = read_preview(a, document, &m, e);
    if (rc)
        return rc;
    read_warnings(a, document, &m);
    m.trace_sha256 = read_trace(a, document);
    const json_t *provenance = json_object_get(document, "provenance");
    const json_t *celsius = json_object_get(provenance, "meter_temperature_c");
    m.meter_temperature_c = json_is_number(celsius) ? json_number_value(celsius) : NAN;
    m.passed = m.passed && m.window_count > 0 && m.energy_j > 0 && isfinite(m.energy_j);
    *out = m;
    return ERR_OK;
}

const char *measurement_reason(struct arena *a, const struct measurement *m)
{
    const char *text = "";
    for (size_t i = 0; i < m->gate_count; i++) {
        const struct measured_gate *g = &m->gates[i];
        if (!g->passed)
            text = arena_printf(a, "%s%s%.80s%s%.300s", text, text[0] ? "; " : "", g->name,
                                g->detail[0] ? ": " : "", g->detail);
    }
    if (!text[0] && !m->passed)
        text = m->window_count ? "no energy per inference was found" : "no window was found";
    for (size_t i = 0; i < m->warning_count; i++)
        text = arena_printf(a, "%s%snote: %.300s", text, text[0] ? "; " : "", m->warnings[i]);
    return text;
}
