/* report.render: the report of a campaign, from what its runs left on the server.
 * Collects all measurements of runs with the tag `campaign:NAME`, and the runs that gave none;
 * writes the report into the run's folder, puts its files into the file store and registers two
 * artifacts: `energy-report` (Markdown) and `energy-report-files` (type `report`: the files and
 * their hashes).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "shared/base/clock.h"
#include "shared/base/sha256.h"
#include "shared/client/http.h"
#include "worker/io/api_call.h"
#include "worker/report/collect.h"
#include "worker/steps.h"

enum { ARTIFACTS_PER_PAGE = 50, RUNS_PER_PAGE = 200, REPLY_MAX_BYTES = 32 << 20 };

static const struct step_param params[] = {
    /* clang-format off */
    {"campaign", FLOW_STRING, true,  NULL,         "the runs with the tag `campaign:NAME`"},
    {"dir",      FLOW_STRING, false, "\"report\"", "where the files go; relative to the run's work folder"},
    /* clang-format on */
};

static const struct step_output outputs[] = {
    {"path", FLOW_STRING, "report.html"},
    {"sha256", FLOW_STRING, "of report.html, its name in the file store"},
    {"results", FLOW_INTEGER, "measurements whose gates all passed"},
    {"measurements", FLOW_INTEGER, "all measurements"},
    {"failed_runs", FLOW_INTEGER, "runs without a measurement"},
};

/* What the thread needs and what it brings back. */
struct render {
    const char *campaign, *folder, *run_id;
    struct api api;
    bool upload;
    struct report report;
    struct report_files files;
    char hashes[REPORT_FILES_MAX][SHA256_TEXT_BYTES];
    size_t bytes[REPORT_FILES_MAX];
    const char *markdown;
};

/* ---- on the thread ---- */

struct listing {
    const char *path, *sort;
    size_t per_page;
    json_t *filter;
};

static enum err_code list_page(const struct api *api, const struct listing *l, size_t offset,
                               json_t **out, struct err *e)
{
    json_t *body = json_pack("{s:I, s:I, s:s}", "limit", (json_int_t)l->per_page, "offset",
                             (json_int_t)offset, "sort", l->sort);
    json_object_update(body, l->filter);
    enum err_code rc = api_post(api, l->path, body, REPLY_MAX_BYTES, out, e);
    json_decref(body);
    return rc;
}

/* By the ids of a page of runs: a list of all measurements of the campaign, page by page, would
 * cost the server the whole list for each page. */
static enum err_code collect_measurements(const struct api *api, struct collection *c,
                                          const json_t *runs, struct err *e)
{
    json_t *run, *ids = json_array();
    size_t i, count = ARTIFACTS_PER_PAGE;
    json_array_foreach(runs, i, run) json_array_append(ids, json_object_get(run, "id"));
    struct listing l = {"/artifacts/filter", "CREATED_DESC", ARTIFACTS_PER_PAGE,
                        json_pack("{s:{s:{s:[s]}, s:{s:o}}}", "artifacts", "type", "any_",
                                  "measurement", "flow_run_id", "any_", ids)};
    enum err_code rc = ERR_OK;
    for (size_t offset = 0; rc == ERR_OK && count == ARTIFACTS_PER_PAGE; offset += count) {
        json_t *rows = NULL;
        rc = list_page(api, &l, offset, &rows, e);
        if (rc == ERR_OK)
            rc = collect_artifacts(c, rows, e);
        count = json_array_size(rows);
        json_decref(rows);
    }
    json_decref(l.filter);
    return rc;
}

/* The runs of ids[from..], at most a page, and what they measured. */
static enum err_code collect_page(const struct api *api, struct collection *c, const json_t *ids,
                                  size_t from, struct err *e)
{
    json_t *some = json_array(), *rows = NULL;
    for (size_t i = from; i < json_array_size(ids) && i < from + RUNS_PER_PAGE; i++)
        json_array_append(some, json_array_get(ids, i));
    struct listing l = {"/flow_runs/filter", "ID_DESC", RUNS_PER_PAGE,
                        json_pack("{s:{s:{s:o}}}", "flow_runs", "id", "any_", some)};
    enum err_code rc = list_page(api, &l, 0, &rows, e);
    if (rc == ERR_OK)
        rc = collect_runs(c, rows, e);
    if (rc == ERR_OK && json_array_size(rows))
        rc = collect_measurements(api, c, rows, e);
    json_decref(rows);
    json_decref(l.filter);
    return rc;
}

/* All ids first: a page of a known 200 costs the server the same however large the campaign is. */
static enum err_code collect_all(const struct api *api, struct collection *c, const char *campaign,
                                 struct err *e)
{
    json_t *ids = NULL;
    const char *path =
        arena_printf(c->arena, "/switchyard/campaigns/%s/runs", http_escape(c->arena, campaign));
    enum err_code rc = api_get(api, path, REPLY_MAX_BYTES, &ids, e);
    for (size_t at = 0; rc == ERR_OK && at < json_array_size(ids); at += RUNS_PER_PAGE)
        rc = collect_page(api, c, ids, at, e);
    json_decref(ids);
    return rc;
}

static enum err_code collect(struct render *x, struct step_work *work)
{
    struct collection c = {.arena = work->arena, .own_run_id = x->run_id};
    enum err_code rc = collect_all(&x->api, &c, x->campaign, &work->err);
    if (rc)
        return rc;
    if (c.unreadable)
        step_work_log(work, LOG_WARN, "%zu measurements cannot be read: %s", c.unreadable,
                      work->err.detail);
    collect_finish(&c, &x->report);
    step_work_log(work, LOG_INFO, "%zu measurements, %zu results, %zu runs without a measurement",
                  x->report.measurement_count, x->report.result_count, x->report.failure_count);
    return ERR_OK;
}

static enum err_code load(const char *path, struct buf *out, struct err *e)
{
    char piece[65536];
    size_t len;
    FILE *file = fopen(path, "rbe");
    if (!file)
        return err_set(e, IO, "%s: %s", path, strerror(errno));
    while ((len = fread(piece, 1, sizeof piece, file)) > 0)
        buf_add(out, piece, len);
    bool failed = ferror(file) || out->full;
    fclose(file);
    return failed ? err_set(e, IO, "%s: cannot be read", path) : ERR_OK;
}

static enum err_code upload(struct render *x, struct step_work *work)
{
    enum err_code rc = ERR_OK;
    for (size_t i = 0; i < x->files.count && rc == ERR_OK; i++) {
        struct buf bytes = {.max_bytes = REPORT_FILE_MAX_BYTES};
        rc = load(arena_printf(work->arena, "%s/%s", x->folder, x->files.file[i].name), &bytes,
                  &work->err);
        if (rc == ERR_OK) {
            sha256_of(bytes.bytes ? bytes.bytes : "", bytes.len, x->hashes[i]);
            x->bytes[i] = bytes.len;
            if (x->upload)
                rc = api_put(&x->api,
                             arena_printf(work->arena, "/switchyard/files/%s", x->hashes[i]),
                             &bytes, &work->err);
        }
        buf_free(&bytes);
        step_work_progress(work, (double)(i + 1), (double)x->files.count);
    }
    return rc;
}

static void free_buf(void *object)
{
    buf_free(object);
}

static enum err_code render(struct step_work *work)
{
    struct render *x = work->arg;
    x->api.cancelled = &work->cancelled;
    x->report = (struct report){.campaign = x->campaign, .made_us = clock_now_us()};
    enum err_code rc = collect(x, work);
    if (rc)
        return rc;
    if (mkdir(x->folder, 0755) != 0 && errno != EEXIST)
        return err_set(&work->err, IO, "%s: %s", x->folder, strerror(errno));
    rc = report_write(work->arena, &x->report, x->folder, &x->files, &work->err);
    if (rc)
        return rc;
    struct buf *text = arena_new(work->arena, struct buf);
    text->max_bytes = 1 << 20;
    arena_defer(work->arena, free_buf, text);
    report_markdown(work->arena, &x->report, text);
    buf_add(text, "", 1);
    x->markdown = text->bytes;
    return upload(x, work);
}

/* ---- on the loop ---- */

static const char *file_url(struct step_call *call, const struct render *x, size_t i)
{
    return arena_printf(call->arena, "%s/switchyard/files/%s?name=%s", call->run->api_url,
                        x->hashes[i], x->files.file[i].name);
}

static json_t *file_list(const struct render *x)
{
    json_t *files = json_array();
    for (size_t i = 0; i < x->files.count; i++) {
        const struct report_file *f = &x->files.file[i];
        json_array_append_new(files, json_pack("{s:s, s:s, s:s, s:I, s:s}", "name", f->name,
                                               "title", f->title, "type", f->mime, "bytes",
                                               (json_int_t)x->bytes[i], "sha256", x->hashes[i]));
    }
    return json_pack("{s:s, s:I, s:I, s:I, s:b, s:o}", "campaign", x->campaign, "results",
                     (json_int_t)x->report.result_count, "measurements",
                     (json_int_t)x->report.measurement_count, "failed_runs",
                     (json_int_t)x->report.failure_count, "emulated", x->report.emulated_count > 0,
                     "files", files);
}

static void register_artifacts(struct step_call *call, const struct render *x)
{
    const char *links =
        arena_printf(call->arena,
                     "%s\nThe whole report: [report.html](%s), [report.csv](%s), "
                     "[report.json](%s).\n",
                     x->markdown, file_url(call, x, 0), file_url(call, x, 1), file_url(call, x, 2));
    step_artifact(call,
                  json_pack("{s:s, s:s, s:s, s:s}", "key", "energy-report", "type", "markdown",
                            "description",
                            arena_printf(call->arena, "Energy report of campaign %s", x->campaign),
                            "data", links));
    step_artifact(call,
                  json_pack("{s:s, s:s, s:s, s:o}", "key", "energy-report-files", "type", "report",
                            "description", "The files of the report, in the file store", "data",
                            file_list(x)));
}

static void finish(struct step_call *call, enum err_code code)
{
    struct render *x = call->state;
    if (code) {
        step_done(call, code);
        return;
    }
    if (x->upload)
        register_artifacts(call, x);
    step_output(call, "path", json_string(arena_printf(call->arena, "%s/report.html", x->folder)));
    step_output(call, "sha256", json_string(x->hashes[0]));
    step_output(call, "results", json_integer((json_int_t)x->report.result_count));
    step_output(call, "measurements", json_integer((json_int_t)x->report.measurement_count));
    step_output(call, "failed_runs", json_integer((json_int_t)x->report.failure_count));
    step_done(call, ERR_OK);
}

static void start(struct step_call *call)
{
    struct render *x = arena_new(call->arena, struct render);
    char *run_id = arena_alloc(call->arena, UUID_TEXT_BYTES, 1, 1);
    uuid_format(call->run->flow_run_id, run_id);
    *x = (struct render){
        .campaign = step_string(call, "campaign"),
        .folder = step_path(call, step_string(call, "dir")),
        .run_id = run_id,
        .upload = !call->run->dry_run,
        .api = {.url = call->run->api_url, .authorization = call->run->authorization}};
    call->state = x;
    if (!x->api.url)
        step_done(call, err_set(&call->err, INVALID,
                                "report.render needs a server: it reads the campaign from it"));
    else
        step_work(call, render, finish, x);
}

const struct step report_render_step = {
    .schema = {.name = "report.render",
               .doc = "Makes the report of a campaign: HTML, SVG, PNG, CSV and JSON.",
               STEP_PARAMS(params),
               STEP_OUTPUTS(outputs)},
    .start = start,
};
