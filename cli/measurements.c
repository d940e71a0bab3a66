/* Measurements as rows: lists, exports, and the comparison of two campaigns.
 *
 * Of one run the newest of a model and target counts: a task that was retried has measured again;
 * what is superseded is not asked for. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/actions.h"
#include "cli/parquet.h"

enum { PAGE = 1000, EXPORT_MAX_BYTES = 512 << 20, PATIENCE_MS = 120000 };

/* Of the export, all of the server's rows. */
static const struct parquet_column columns[] = {
    {"id", PARQUET_TEXT},
    {"created", PARQUET_TEXT},
    {"flow_run_id", PARQUET_TEXT},
    {"task_run_id", PARQUET_TEXT},
    {"campaign", PARQUET_TEXT},
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
    {"dynamic_uncertainty_rel", PARQUET_REAL},
    {"flash_bytes", PARQUET_INT},
    {"ram_bytes", PARQUET_INT},
    {"trace_sha256", PARQUET_TEXT},
    {"windows", PARQUET_TEXT},    /* JSON */
    {"gates", PARQUET_TEXT},      /* JSON */
    {"provenance", PARQUET_TEXT}, /* JSON */
};

static void release_json(void *value)
{
    json_decref(value);
}

/* ---- reading ---- */

/* {group: {member: {"any_": [text]}}} for the options that are given. */
static void add_texts(struct cli *cli, json_t *filter)
{
    static const struct {
        const char *option, *member;
    } rows[] = {{"campaign", "campaign"}, {"model", "model"},
                {"target", "target"},     {"board", "board"},
                {"meter", "meter"},       {"firmware-commit", "firmware_commit"},
                {"build-id", "build_id"}};
    for (size_t i = 0; i < COUNT(rows); i++)
        if (cli_option(cli, rows[i].option))
            json_object_set_new(filter, rows[i].member,
                                json_pack("{s:[s]}", "any_", cli_option(cli, rows[i].option)));
}

/* `after`: when the last row of the page before arrived, or NULL. */
static json_t *page_body(struct cli *cli, const char *after)
{
    json_t *filter = json_pack("{s:{s:b}}", "superseded", "eq_", false);
    add_texts(cli, filter);
    if (cli_option(cli, "valid"))
        json_object_set_new(filter, "valid", json_pack("{s:b}", "eq_", true));
    if (after)
        json_object_set_new(filter, "created", json_pack("{s:s}", "after_", after));
    return json_pack("{s:o,s:s,s:i}", "measurements", filter, "sort", "CREATED_ASC", "limit", PAGE);
}

static json_t *compact(const json_t *value)
{
    char *text = value ? json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
    json_t *out = text ? json_string(text) : json_null();
    free(text);
    return out;
}

/* What is not a column of its own stands in one as JSON. */
static json_t *flatten(json_t *row)
{
    static const char *const names[] = {"windows", "gates", "provenance"};
    for (size_t i = 0; i < COUNT(names); i++)
        json_object_set_new(row, names[i], compact(json_object_get(row, names[i])));
    return row;
}

/* Those of the page that are not in `rows` yet.  A page begins with the rows that came at the same
 * moment as the last one before; one delivery of an agent brings fewer than PAGE. */
static size_t take_page(json_t *rows, json_t *page)
{
    size_t i, j, known = json_array_size(rows), back = known > PAGE ? known - PAGE : 0;
    json_t *row, *seen = json_object();
    for (j = back; j < known; j++)
        json_object_set_new(seen, text_at(json_array_get(rows, j), "id"), json_true());
    json_array_foreach(page, i, row) if (!json_object_get(seen, text_at(row, "id")))
        json_array_append(rows, flatten(row));
    json_decref(seen);
    return json_array_size(rows) - known;
}

/* By the time of arrival instead of an offset: a page costs what it has. */
static enum err_code read_rows(struct cli *cli, json_t **out)
{
    json_t *rows = json_array(), *page = NULL;
    bool fresh = true;
    arena_defer(&cli->arena, release_json, rows);
    enum err_code code = cli_connect(cli);
    if (!code)
        http_client_patience(cli->http, PATIENCE_MS);
    const struct arena_mark mark = arena_mark(&cli->arena);
    while (!code && fresh) {
        json_t *last = json_array_get(rows, json_array_size(rows) - 1);
        code = rest_post(&cli->rest, "/switchyard/measurements/filter",
                         page_body(cli, last ? text_at(last, "created") : NULL), &page);
        fresh = !code && take_page(rows, page) && json_array_size(page) == PAGE;
        arena_rewind(&cli->arena, &mark);
        progress(cli, "measurements", json_array_size(rows), 0);
    }
    progress_end(cli);
    *out = rows;
    return code;
}

enum err_code cmd_measurement_list(struct cli *cli)
{
    static const struct column shown[] = {
        {"MODEL", "model", CELL_TEXT, false},
        {"TARGET", "target", CELL_TEXT, false},
        {"J/INFERENCE", "median_energy_per_inference_j", CELL_REAL, true},
        {"LATENCY S", "latency_s", CELL_REAL, true},
        {"EMULATED", "emulated", CELL_SWITCH, true},
        {"FAILED GATES", "failed_gates", CELL_TEXT, false},
        {"RUN", "flow_run_id", CELL_ID, true},
        {NULL},
    };
    const struct resource measurements = {
        .name = "", .columns = shown, .empty = "No measurements."};
    json_t *rows = NULL;
    enum err_code code = read_rows(cli, &rows);
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
    enum err_code code = read_rows(cli, &rows);
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

struct tally {
    size_t compared, fresh, gone, grew, mixed; /* grew: by more than the limit */
};

static void count_line(struct tally *t, json_t *line, double limit_rel)
{
    json_t *change = json_object_get(line, "change_percent");
    bool compared = json_is_number(change);

    t->compared += compared;
    t->fresh += !strcmp(text_at(line, "verdict"), "new");
    t->gone += !compared && json_is_number(json_object_get(line, "before_j"));
    t->grew += compared && json_number_value(change) > limit_rel * 100;
    t->mixed += json_is_true(json_object_get(line, "emulated_differs"));
}

/* What was a result before and is none now is a regression, too. */
static void say_tally(struct cli *cli, const struct tally *t, double limit_rel)
{
    fprintf(stderr, "%zu compared, %zu without a result any more, %zu new", t->compared, t->gone,
            t->fresh);
    if (!isinf(limit_rel))
        fprintf(stderr, "; %zu grew by more than %g %%", t->grew, limit_rel * 100);
    if (t->mixed)
        fprintf(stderr, "; %zu compare emulated with measured", t->mixed);
    fputc('\n', stderr);
    if (!isinf(limit_rel) && t->grew + t->gone)
        cli->exit_status = EXIT_RUN_FAILED;
}

enum err_code cmd_campaign_compare(struct cli *cli)
{
    static const struct column shown[] = {
        {"MODEL", "model", CELL_TEXT, false},
        {"TARGET", "target", CELL_TEXT, false},
        {"BEFORE J", "before_j", CELL_REAL, true},
        {"AFTER J", "after_j", CELL_REAL, true},
        {"CHANGE %", "change_percent", CELL_CHANGE, true},
        {"NOISE %", "noise_percent", CELL_REAL, true},
        {"", "verdict", CELL_TEXT, true},
        {NULL},
    };
    const struct resource lines = {.name = "", .columns = shown, .empty = "Nothing to compare."};
    json_t *found = NULL, *line;
    struct tally tally = {0};
    size_t i;
    double limit_rel;
    enum err_code code = read_limit(cli, &limit_rel);
    if (!code)
        code = cli_connect(cli);
    if (!code)
        code = rest_get(&cli->rest,
                        arena_printf(&cli->arena,
                                     "/switchyard/measurements/compare?before=%s&after=%s",
                                     http_escape(&cli->arena, cli->words[0]),
                                     http_escape(&cli->arena, cli->words[1])),
                        &found);
    if (code)
        return code;
    json_array_foreach(found, i, line) count_line(&tally, line, limit_rel);
    resource_show(cli, &lines, found);
    say_tally(cli, &tally, limit_rel);
    return ERR_OK;
}
