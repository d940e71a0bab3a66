/* Measurements as rows: lists, exports, and the comparison of two campaigns.
 *
 * A measurement is an artifact of type `measurement` (docs/measurement.md).  Of one run the newest
 * of a model and target counts: a task that was retried has measured again. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/actions.h"
#include "cli/parquet.h"

enum { PAGE = 200, MOST = 100000, EXPORT_MAX_BYTES = 512 << 20, PATIENCE_MS = 120000 };

/* Of the export: members of the artifact or of the measurement; add_verdict() makes the others. */
static const struct parquet_column columns[] = {
    {"id", PARQUET_TEXT},
    {"created", PARQUET_TEXT},
    {"flow_run_id", PARQUET_TEXT},
    {"model", PARQUET_TEXT},
    {"target", PARQUET_TEXT},
    {"board", PARQUET_TEXT},
    {"meter", PARQUET_TEXT},
    {"firmware_commit", PARQUET_TEXT},
    {"build_id", PARQUET_TEXT},
    {"emulated", PARQUET_BOOL},
    {"valid", PARQUET_BOOL},
    {"failed_gates", PARQUET_TEXT},
    {"volts", PARQUET_REAL},
    {"sample_rate_hz", PARQUET_REAL},
    {"samples", PARQUET_INT},
    {"lost", PARQUET_INT},
    {"window_count", PARQUET_INT},
    {"median_energy_per_inference_j", PARQUET_REAL},
    {"mad_energy_per_inference_j", PARQUET_REAL},
    {"median_dynamic_energy_per_inference_j", PARQUET_REAL},
    {"mad_dynamic_energy_per_inference_j", PARQUET_REAL},
    {"latency_s", PARQUET_REAL},
    {"baseline_a", PARQUET_REAL},
    {"baseline_drift_rel", PARQUET_REAL},
    {"uncertainty_rel", PARQUET_REAL},
    {"flash_bytes", PARQUET_INT},
    {"ram_bytes", PARQUET_INT},
    {"trace_sha256", PARQUET_TEXT},
    {"windows", PARQUET_TEXT}, /* JSON */
    {"gates", PARQUET_TEXT},   /* JSON */
};

static void release_json(void *value)
{
    json_decref(value);
}

/* ---- reading ---- */

static json_t *compact(const json_t *value)
{
    char *text = value ? json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
    json_t *out = text ? json_string(text) : json_null();
    free(text);
    return out;
}

/* The names of gates that failed; valid: there are windows, and none failed. */
static void add_verdict(struct arena *a, json_t *row, json_t *data)
{
    json_t *gates = json_object_get(data, "gates"), *gate, *sha = json_at(data, "trace.sha256");
    const char *failed = "";
    size_t i, windows = json_array_size(json_object_get(data, "windows"));
    json_array_foreach(gates, i, gate) if (!json_is_true(json_object_get(gate, "passed"))) failed =
        arena_printf(a, "%s%s%s", failed, *failed ? " " : "", text_at(gate, "name"));
    json_object_set_new(row, "failed_gates", json_string(failed));
    json_object_set_new(row, "valid", json_boolean(windows && !*failed));
    json_object_set_new(row, "window_count", json_integer((json_int_t)windows));
    json_object_set_new(row, "windows", compact(json_object_get(data, "windows")));
    json_object_set_new(row, "gates", compact(gates));
    if (json_is_string(sha))
        json_object_set(row, "trace_sha256", sha);
}

/* NULL when the artifact holds no measurement.  What is not of its type is null. */
static json_t *row_of(struct arena *a, json_t *artifact)
{
    json_t *data = json_object_get(artifact, "data"), *row = json_object();
    /* Prefect's clients store data as a text that holds JSON; ours as JSON */
    data = json_is_string(data) ? json_loads(json_string_value(data), 0, NULL) : json_incref(data);
    for (size_t i = 0; i < COUNT(columns); i++) {
        json_t *value = json_object_get(artifact, columns[i].name);
        if (!value)
            value = json_object_get(data, columns[i].name);
        json_object_set_new(row, columns[i].name,
                            parquet_fits(value, columns[i].type) ? json_incref(value)
                                                                 : json_null());
    }
    add_verdict(a, row, data);
    bool good = json_is_object(data) && json_is_string(json_object_get(row, "model"));
    json_decref(data);
    if (good)
        return row;
    json_decref(row);
    return NULL;
}

/* Newest first in, so the first of a run, model and target is the one. */
static bool is_newest(struct arena *a, json_t *row, json_t *seen)
{
    const char *key = arena_printf(a, "%s\n%s\n%s", text_at(row, "flow_run_id"),
                                   text_at(row, "model"), text_at(row, "target"));
    if (json_object_get(seen, key))
        return false;
    json_object_set_new(seen, key, json_true());
    return true;
}

static bool wanted(struct cli *cli, json_t *row)
{
    const char *model = cli_option(cli, "model"), *target = cli_option(cli, "target");
    return (!model || !strcmp(model, text_at(row, "model"))) &&
           (!target || !strcmp(target, text_at(row, "target"))) &&
           (!cli_option(cli, "valid") || json_is_true(json_object_get(row, "valid")));
}

static json_t *page_body(const char *campaign, int64_t offset)
{
    json_t *body =
        json_pack("{s:{s:{s:[s]}},s:s,s:i,s:I}", "artifacts", "type", "any_", "measurement", "sort",
                  "CREATED_DESC", "limit", PAGE, "offset", (json_int_t)offset);
    if (campaign)
        json_object_set_new(
            body, "flow_runs",
            json_pack("{s:{s:[o]}}", "tags", "all_", json_sprintf("campaign:%s", campaign)));
    return body;
}

static enum err_code read_rows(struct cli *cli, const char *campaign, json_t **out)
{
    json_t *rows = json_array(), *seen = json_object(), *page = NULL, *artifact;
    size_t i, count = PAGE;
    arena_defer(&cli->arena, release_json, rows);
    arena_defer(&cli->arena, release_json, seen);
    enum err_code code = cli_connect(cli);
    if (!code)
        http_client_patience(cli->http, PATIENCE_MS);
    for (int64_t at = 0; !code && count == PAGE && at < MOST; at += PAGE) {
        code = rest_post(&cli->rest, "/artifacts/filter", page_body(campaign, at), &page);
        count = json_array_size(page);
        json_array_foreach(page, i, artifact)
        {
            json_t *row = row_of(&cli->arena, artifact);
            if (row && is_newest(&cli->arena, row, seen) && wanted(cli, row))
                json_array_append(rows, row);
            json_decref(row);
        }
    }
    *out = rows;
    return code;
}

enum err_code cmd_measurement_list(struct cli *cli)
{
    static const struct column shown[] = {
        {"MODEL", "model", CELL_TEXT, false},
        {"TARGET", "target", CELL_TEXT, false},
        {"J/INFERENCE", "median_energy_per_inference_j", CELL_TEXT, true},
        {"LATENCY", "latency_s", CELL_TEXT, true},
        {"EMULATED", "emulated", CELL_SWITCH, true},
        {"FAILED GATES", "failed_gates", CELL_TEXT, false},
        {"RUN", "flow_run_id", CELL_ID, true},
        {NULL},
    };
    const struct resource measurements = {
        .name = "", .columns = shown, .empty = "No measurements."};
    json_t *rows = NULL;
    enum err_code code = read_rows(cli, cli_option(cli, "campaign"), &rows);
    if (!code)
        resource_show(cli, &measurements, rows);
    return code;
}

/* ---- export ---- */

static void csv_cell(struct buf *out, const json_t *value)
{
    char number[40] = "";
    if (json_is_real(value))
        snprintf(number, sizeof(number), "%.15g", json_real_value(value));
    else if (json_is_integer(value))
        snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_boolean(value))
        snprintf(number, sizeof(number), "%s", json_is_true(value) ? "true" : "false");
    const char *text = json_is_string(value) ? json_string_value(value) : number;
    bool quoted = strpbrk(text, ",\"\r\n");
    if (quoted)
        buf_add(out, "\"", 1);
    for (; *text; text++) {
        if (*text == '"')
            buf_add(out, "\"", 1);
        buf_add(out, text, 1);
    }
    if (quoted)
        buf_add(out, "\"", 1);
}

static void csv_end(struct buf *out, size_t column)
{
    bool last = column + 1 == COUNT(columns);
    buf_add(out, last ? "\r\n" : ",", last ? 2 : 1);
}

/* RFC 4180. */
static enum err_code write_csv(struct cli *cli, const json_t *rows, struct buf *out)
{
    (void)cli;
    for (size_t i = 0; i < COUNT(columns); i++) {
        buf_add(out, columns[i].name, strlen(columns[i].name));
        csv_end(out, i);
    }
    for (size_t r = 0; r < json_array_size(rows); r++)
        for (size_t i = 0; i < COUNT(columns); i++) {
            csv_cell(out, json_object_get(json_array_get(rows, r), columns[i].name));
            csv_end(out, i);
        }
    return ERR_OK;
}

static enum err_code write_json(struct cli *cli, const json_t *rows, struct buf *out)
{
    (void)cli;
    char *text = json_dumps(rows, JSON_INDENT(1) | JSON_REAL_PRECISION(15));
    if (text)
        buf_add(out, text, strlen(text));
    free(text);
    return ERR_OK;
}

static enum err_code write_parquet(struct cli *cli, const json_t *rows, struct buf *out)
{
    return parquet_write(rows, columns, COUNT(columns), out, &cli->err);
}

static const struct format {
    const char *name;
    enum err_code (*write)(struct cli *cli, const json_t *rows, struct buf *out);
} formats[] = {{"csv", write_csv}, {"json", write_json}, {"parquet", write_parquet}};

static const struct format *choose_format(struct cli *cli, const char *file)
{
    const char *dot = strrchr(file, '.'), *name = cli_option(cli, "format");
    if (!name)
        name = dot ? dot + 1 : "csv";
    for (size_t i = 0; i < COUNT(formats); i++)
        if (!strcasecmp(formats[i].name, name))
            return &formats[i];
    return NULL;
}

static enum err_code save(struct cli *cli, const char *path, const struct buf *b)
{
    FILE *f = strcmp(path, "-") != 0 ? fopen(path, "wb") : stdout;
    bool good = f && fwrite(b->bytes, 1, b->len, f) == b->len && !fflush(f);
    int why = errno;
    if (f && f != stdout && fclose(f)) {
        good = false;
        why = errno;
    }
    return good ? ERR_OK : err_set(&cli->err, IO, "cannot write %.200s: %s", path, strerror(why));
}

enum err_code cmd_measurement_export(struct cli *cli)
{
    const char *file = cli->words[0];
    const struct format *format = choose_format(cli, file);
    struct buf out = {.max_bytes = EXPORT_MAX_BYTES};
    json_t *rows = NULL;
    if (!format)
        return err_set(&cli->err, INVALID,
                       "--format is csv, json or parquet; the name of %.80s does not say which",
                       file);
    enum err_code code = read_rows(cli, cli_option(cli, "campaign"), &rows);
    if (!code)
        code = format->write(cli, rows, &out);
    if (!code && out.full)
        code = err_set(&cli->err, TOO_LARGE, "the export is larger than %d MB",
                       EXPORT_MAX_BYTES >> 20);
    if (!code)
        code = save(cli, file, &out);
    buf_free(&out);
    if (!code)
        fprintf(stderr, "%zu measurement%s\n", json_array_size(rows),
                json_array_size(rows) == 1 ? "" : "s");
    return code;
}

/* ---- comparison ---- */

static json_t *same_kind(json_t *rows, json_t *row)
{
    json_t *other;
    size_t i;
    json_array_foreach(
        rows, i, other) if (!strcmp(text_at(other, "model"), text_at(row, "model")) &&
                            !strcmp(text_at(other, "target"), text_at(row, "target"))) return other;
    return NULL;
}

/* 0: no result. */
static double energy_of(json_t *row)
{
    return json_is_true(json_object_get(row, "valid"))
               ? json_number_value(json_object_get(row, "median_energy_per_inference_j"))
               : 0;
}

/* One line of the comparison; *out_change is NAN when one side has no result. */
static json_t *compare_row(json_t *before, json_t *after, double *out_change)
{
    double old_j = energy_of(before), new_j = energy_of(after);
    json_t *any = before ? before : after;
    const char *verdict = !before ? "new" : !after ? "missing" : "no result";
    *out_change = old_j > 0 && new_j > 0 ? new_j / old_j - 1 : (double)NAN;
    if (!isnan(*out_change))
        verdict = "compared";
    return json_pack(
        "{s:O,s:O,s:o,s:o,s:o,s:s}", "model", json_object_get(any, "model"), "target",
        json_object_get(any, "target"), "before_j", old_j > 0 ? json_real(old_j) : json_null(),
        "after_j", new_j > 0 ? json_real(new_j) : json_null(), "change_percent",
        isnan(*out_change) ? json_null() : json_real(*out_change * 100), "verdict", verdict);
}

static enum err_code read_limit(struct cli *cli, double *out_rel)
{
    const char *text = cli_option(cli, "fail-above");
    char *rest;
    *out_rel = INFINITY;
    if (!text)
        return ERR_OK;
    double percent = strtod(text, &rest);
    if (rest == text || (*rest && strcmp(rest, "%") != 0) || !(percent >= 0 && percent <= 1000))
        return err_set(&cli->err, INVALID, "--fail-above is a percentage such as 3%%, not %.40s",
                       text);
    *out_rel = percent / 100;
    return ERR_OK;
}

/* What was measured before and is no result now is a regression, too. */
static int compare_all(json_t *before, json_t *after, double limit_rel, json_t *out_lines)
{
    json_t *row;
    size_t i;
    double change;
    int worse = 0;
    json_array_foreach(before, i, row)
    {
        json_array_append_new(out_lines, compare_row(row, same_kind(after, row), &change));
        worse += isnan(change) ? energy_of(row) > 0 : change > limit_rel;
    }
    json_array_foreach(after, i, row) if (!same_kind(before, row))
        json_array_append_new(out_lines, compare_row(NULL, row, &change));
    return worse;
}

enum err_code cmd_campaign_compare(struct cli *cli)
{
    static const struct column shown[] = {
        {"MODEL", "model", CELL_TEXT, false},
        {"TARGET", "target", CELL_TEXT, false},
        {"BEFORE J", "before_j", CELL_TEXT, true},
        {"AFTER J", "after_j", CELL_TEXT, true},
        {"CHANGE %", "change_percent", CELL_TEXT, true},
        {"", "verdict", CELL_TEXT, true},
        {NULL},
    };
    const struct resource lines = {.name = "", .columns = shown, .empty = "Nothing to compare."};
    json_t *before = NULL, *after = NULL, *out = json_array();
    double limit_rel;
    arena_defer(&cli->arena, release_json, out);
    enum err_code code = read_limit(cli, &limit_rel);
    if (!code)
        code = read_rows(cli, cli->words[0], &before);
    if (!code)
        code = read_rows(cli, cli->words[1], &after);
    if (!code && !json_array_size(before))
        code =
            err_set(&cli->err, NOT_FOUND, "the campaign %.80s has no measurements", cli->words[0]);
    if (code)
        return code;
    int worse = compare_all(before, after, limit_rel, out);
    resource_show(cli, &lines, out);
    if (isinf(limit_rel) || !worse)
        return ERR_OK;
    fprintf(stderr, "%d of %zu grew by more than %g %%, or have no result any more\n", worse,
            json_array_size(before), limit_rel * 100);
    cli->exit_status = EXIT_RUN_FAILED;
    return ERR_OK;
}
