/* file.get: a file from the server's content-addressed store, by its SHA-256 or by a name that
 * points at one. */
#include <string.h>

#include "worker/io/http_get.h"
#include "worker/steps.h"

enum { NAME_REPLY_BYTES = 4096, NAME_MAX_BYTES = 200 };

static const struct step_param params[] = {
    /* clang-format off */
    {"file",      FLOW_STRING,   true,  NULL,        "a SHA-256 in hexadecimal, or a name"},
    {"path",      FLOW_STRING,   false, NULL,        "where it goes; relative to the run's work folder; default: the name"},
    {"max_bytes", FLOW_INTEGER,  false, "268435456", "refuse more"},
    /* clang-format on */
};

static const struct step_output outputs[] = {
    {"path", FLOW_STRING, "absolute path of the file"},
    {"bytes", FLOW_INTEGER, "its size"},
    {"sha256", FLOW_STRING, "its hash, which was checked"},
};

struct file {
    const char *api, *file, *path;
    const char *headers[2];
    int64_t max_bytes;
    struct http_got got;
};

static bool is_hash(const char *text)
{
    return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

static bool is_name(const char *text)
{
    size_t len = strlen(text);
    return len && len <= NAME_MAX_BYTES && text[0] != '.' &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == len;
}

static enum err_code resolve(struct step_work *work, const struct file *f, const char **out_hash)
{
    char reply[NAME_REPLY_BYTES];
    struct http_get get = {
        .url = arena_printf(work->arena, "%s/switchyard/files/names/%s", f->api, f->file),
        .headers = f->headers,
        .cancelled = &work->cancelled,
    };
    enum err_code code = http_get_text(&get, reply, sizeof(reply), &work->err);
    if (code)
        return code;
    json_t *body = json_loads(reply, 0, NULL);
    const char *hash = json_string_value(json_object_get(body, "sha256"));
    if (hash && is_hash(hash))
        *out_hash = arena_strndup(work->arena, hash, strlen(hash));
    else
        code = err_set(&work->err, NETWORK, "the server's answer about the file %s has no `sha256`",
                       f->file);
    json_decref(body);
    return code;
}

static enum err_code fetch(struct step_work *work)
{
    struct file *f = work->arg;
    const char *hash = f->file;
    if (!is_hash(hash)) {
        enum err_code code = resolve(work, f, &hash);
        if (code)
            return code;
    }
    struct http_get get = {
        .url = arena_printf(work->arena, "%s/switchyard/files/%s", f->api, hash),
        .headers = f->headers,
        .path = f->path,
        .sha256 = hash,
        .max_bytes = f->max_bytes,
        .cancelled = &work->cancelled,
    };
    return http_get(&get, &f->got, &work->err);
}

static void fetched(struct step_call *call, enum err_code code)
{
    struct file *f = call->state;
    if (!code) {
        step_log(call, LOG_INFO, "%s: %lld bytes, sha256 %s", f->file, (long long)f->got.bytes,
                 f->got.sha256);
        step_output(call, "path", json_string(f->path));
        step_output(call, "bytes", json_integer(f->got.bytes));
        step_output(call, "sha256", json_string(f->got.sha256));
    }
    step_done(call, code);
}

static void start(struct step_call *call)
{
    struct file *f = arena_new(call->arena, struct file);
    const char *path = step_string(call, "path");

    call->state = f;
    f->api = call->run->api_url;
    f->file = step_string(call, "file");
    f->path = step_path(call, path ? path : f->file);
    f->max_bytes = step_integer(call, "max_bytes");
    if (call->run->authorization)
        f->headers[0] = arena_printf(call->arena, "Authorization: %s", call->run->authorization);
    if (!is_name(f->file))
        step_done(call,
                  err_set(&call->err, INVALID,
                          "`file` is neither a SHA-256 nor a name of the store: %.100s", f->file));
    else if (!f->api)
        step_done(call,
                  err_set(&call->err, INVALID, "file.get needs a server, and this run has none"));
    else
        step_work(call, fetch, fetched, f);
}

const struct step file_get_step = {
    .schema = {.name = "file.get",
               .doc = "Fetches a file from the server's store and checks its hash.",
               STEP_PARAMS(params),
               STEP_OUTPUTS(outputs)},
    .start = start,
};
