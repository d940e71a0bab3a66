/* file.put: a file of the run into the server's content-addressed store. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "shared/base/sha256.h"
#include "worker/io/api_call.h"
#include "worker/steps.h"

static const struct step_param params[] = {
    /* clang-format off */
    {"path",      FLOW_STRING,  true,  NULL,        "the file; relative to the run's work folder"},
    {"optional",  FLOW_BOOLEAN, false, "false",     "no failure when there is no file, or no server"},
    {"max_bytes", FLOW_INTEGER, false, "268435456", "refuse more"},
    /* clang-format on */
};

static const struct step_output outputs[] = {
    {"sha256", FLOW_STRING, "its hash, by which the store knows it; empty when nothing was kept"},
    {"bytes", FLOW_INTEGER, "its size"},
};

struct put {
    struct api api;
    const char *path;
    size_t max_bytes;
    bool optional;
    struct buf bytes;
    char sha256[SHA256_TEXT_BYTES];
};

static void free_bytes(void *object)
{
    buf_free(object);
}

static enum err_code load(struct step_work *work, struct put *p, FILE *file)
{
    char piece[65536];
    size_t len;
    while ((len = fread(piece, 1, sizeof(piece), file)) > 0 && !p->bytes.full)
        buf_add(&p->bytes, piece, len);
    if (p->bytes.full)
        return err_set(&work->err, TOO_LARGE, "%s has more than %zu bytes", p->path, p->max_bytes);
    if (ferror(file))
        return err_set(&work->err, IO, "%s cannot be read: %s", p->path, strerror(errno));
    return ERR_OK;
}

static enum err_code store(struct step_work *work)
{
    struct put *p = work->arg;
    FILE *file = fopen(p->path, "rbe");
    if (!file && errno == ENOENT && p->optional)
        return ERR_OK;
    if (!file)
        return err_set(&work->err, IO, "%s cannot be opened: %s", p->path, strerror(errno));
    enum err_code code = load(work, p, file);
    fclose(file);
    if (code)
        return code;
    sha256_of(p->bytes.bytes ? p->bytes.bytes : "", p->bytes.len, p->sha256);
    p->api.cancelled = &work->cancelled;
    return api_put(&p->api, arena_printf(work->arena, "/switchyard/files/%s", p->sha256), &p->bytes,
                   &work->err);
}

static void stored(struct step_call *call, enum err_code code)
{
    const struct put *p = call->state;
    if (!code) {
        if (p->sha256[0])
            step_log(call, LOG_INFO, "%s: %zu bytes, sha256 %s", p->path, p->bytes.len, p->sha256);
        else
            step_log(call, LOG_INFO, "%s is not kept: %s", p->path,
                     p->api.url ? "there is none" : "this run has no server");
        step_output(call, "sha256", json_string(p->sha256));
        step_output(call, "bytes", json_integer((json_int_t)p->bytes.len));
    }
    step_done(call, code);
}

static void start(struct step_call *call)
{
    struct put *p = arena_new(call->arena, struct put);
    int64_t max_bytes = step_integer(call, "max_bytes");

    call->state = p;
    arena_defer(call->arena, free_bytes, &p->bytes);
    p->api = (struct api){.url = call->run->api_url, .authorization = call->run->authorization};
    p->path = step_path(call, step_string(call, "path"));
    p->optional = step_flag(call, "optional");
    p->bytes.max_bytes = p->max_bytes = max_bytes > 0 ? (size_t)max_bytes : 0;
    if (!p->api.url && p->optional)
        stored(call, ERR_OK);
    else if (!p->api.url)
        step_done(call,
                  err_set(&call->err, INVALID, "file.put needs a server, and this run has none"));
    else
        step_work(call, store, stored, p);
}

const struct step file_put_step = {
    .schema = {.name = "file.put",
               .doc = "Keeps a file of the run in the server's store, under its hash.",
               STEP_PARAMS(params),
               STEP_OUTPUTS(outputs)},
    .start = start,
};
