/* s3.get: an object from S3 or a server that speaks its language (MinIO, Ceph, Swift). */
#include <stdlib.h>
#include <string.h>

#include "worker/io/s3.h"
#include "worker/steps.h"

static const struct step_param params[] = {
    /* clang-format off */
    {"endpoint",      FLOW_STRING,  true,  NULL,            "https://s3.eu-central-1.amazonaws.com, http://minio:9000, ..."},
    {"bucket",        FLOW_STRING,  true,  NULL,            "name of the bucket"},
    {"key",           FLOW_STRING,  true,  NULL,            "name of the object"},
    {"version",       FLOW_STRING,  false, NULL,            "version of the object; default: the latest"},
    {"path",          FLOW_STRING,  false, NULL,            "where it goes; relative to the run's work folder; default: the key's last part"},
    {"region",        FLOW_STRING,  false, "\"us-east-1\"", "region of the bucket"},
    {"access_key",    FLOW_STRING,  false, NULL,            "default: AWS_ACCESS_KEY_ID of the agent; without one the request is not signed"},
    {"secret_key",    FLOW_STRING,  false, NULL,            "belongs to `access_key`"},
    {"session_token", FLOW_STRING,  false, NULL,            "of temporary credentials"},
    {"address",       FLOW_STRING,  false, "\"path\"",      "endpoint/bucket/key or bucket.endpoint/key", "path|virtual-host"},
    {"sha256",        FLOW_STRING,  false, NULL,            "refuse any other content"},
    {"max_bytes",     FLOW_INTEGER, false, "1073741824",    "refuse more"},
    /* clang-format on */
};

static const struct step_output outputs[] = {
    {"path", FLOW_STRING, "absolute path of the file"},
    {"bytes", FLOW_INTEGER, "its size"},
    {"sha256", FLOW_STRING, "its hash"},
    {"etag", FLOW_STRING, "as the server gave it"},
};

struct fetch {
    struct s3_object object;
    const char *path, *sha256;
    int64_t max_bytes;
    struct http_got got;
};

static void on_progress(void *work, double done_bytes, double total_bytes)
{
    step_work_progress(work, done_bytes, total_bytes);
}

static enum err_code fetch(struct step_work *work)
{
    struct fetch *f = work->arg;
    struct http_get get = {
        .path = f->path,
        .sha256 = f->sha256,
        .max_bytes = f->max_bytes,
        .cancelled = &work->cancelled,
        .progress = on_progress,
        .ctx = work,
    };
    return s3_get(&f->object, &get, work->arena, &f->got, &work->err);
}

static void fetched(struct step_call *call, enum err_code code)
{
    struct fetch *f = call->state;
    if (!code) {
        step_log(call, LOG_INFO, "s3://%s/%s: %lld bytes, sha256 %s", f->object.bucket,
                 f->object.key, (long long)f->got.bytes, f->got.sha256);
        step_output(call, "path", json_string(f->path));
        step_output(call, "bytes", json_integer(f->got.bytes));
        step_output(call, "sha256", json_string(f->got.sha256));
        step_output(call, "etag", json_string(f->got.etag));
    }
    step_done(call, code);
}

/* The agent's own credentials, when the flow gives none: AWS_ACCESS_KEY_ID and its companions. */
static void add_credentials(struct step_call *call, struct s3_object *o)
{
    o->access_key = step_string(call, "access_key");
    o->secret_key = step_string(call, "secret_key");
    o->session_token = step_string(call, "session_token");
    if (o->access_key || o->secret_key)
        return;
    o->access_key = getenv("AWS_ACCESS_KEY_ID");
    o->secret_key = getenv("AWS_SECRET_ACCESS_KEY");
    o->session_token = getenv("AWS_SESSION_TOKEN");
}

static void start(struct step_call *call)
{
    struct fetch *f = arena_new(call->arena, struct fetch);
    const char *key = step_string(call, "key"), *path = step_string(call, "path");
    const char *slash = strrchr(key, '/');

    call->state = f;
    f->object = (struct s3_object){
        .endpoint = step_string(call, "endpoint"),
        .region = step_string(call, "region"),
        .bucket = step_string(call, "bucket"),
        .key = key,
        .version = step_string(call, "version"),
        .virtual_host = !strcmp(step_string(call, "address"), "virtual-host"),
    };
    add_credentials(call, &f->object);
    if (!path)
        path = slash ? slash + 1 : key;
    if (!path[0]) {
        step_done(call, err_set(&call->err, INVALID,
                                "`path` is missing: the key %.100s has no last part", key));
        return;
    }
    f->path = step_path(call, path);
    f->sha256 = step_string(call, "sha256");
    f->max_bytes = step_integer(call, "max_bytes");
    step_work(call, fetch, fetched, f);
}

const struct step s3_get_step = {
    .schema = {.name = "s3.get",
               .doc = "Fetches an object from an S3 server, with a signed request.",
               STEP_PARAMS(params),
               STEP_OUTPUTS(outputs)},
    .start = start,
};
