/* model.header: a .tflite model as a C header with an aligned constant array. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "shared/base/sha256.h"
#include "worker/steps.h"

enum { MODEL_MAX_BYTES = 16 << 20, PER_LINE = 20, NAME_MAX_LEN = 64 };

static const struct step_param params[] = {
    /* clang-format off */
    {"model",  FLOW_STRING,  true,  NULL,          "the .tflite file"},
    {"path",   FLOW_STRING,  false, "\"model.h\"", "where the header goes; relative to the run's work folder"},
    {"name",   FLOW_STRING,  false, NULL,          "MODEL_NAME in the header; default: the file's name without .tflite"},
    {"symbol", FLOW_STRING,  false, "\"g_model\"", "name of the array; its length is SYMBOL_len"},
    {"align",  FLOW_INTEGER, false, "16",          "of the array, in bytes"},
    /* clang-format on */
};

static const struct step_output outputs[] = {
    {"path", FLOW_STRING, "absolute path of the header"},
    {"name", FLOW_STRING, "name of the model"},
    {"bytes", FLOW_INTEGER, "size of the model"},
    {"sha256", FLOW_STRING, "hash of the model"},
};

struct header {
    const char *model, *path, *name, *symbol;
    int64_t align;
    size_t bytes;
    char sha256[SHA256_TEXT_BYTES];
};

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
static const char name_letters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789.-";

static enum err_code read_model(struct step_work *work, struct header *h, const uint8_t **out)
{
    FILE *f = fopen(h->model, "rbe");
    if (!f)
        return err_set(&work->err, NOT_FOUND, "cannot read the model %s: %s", h->model,
                       strerror(errno));
    uint8_t *bytes = arena_array(work->arena, uint8_t, MODEL_MAX_BYTES + 1);
    h->bytes = fread(bytes, 1, MODEL_MAX_BYTES + 1, f);
    bool failed = ferror(f);
    fclose(f);
    if (failed)
        return err_set(&work->err, IO, "cannot read the model %s", h->model);
    if (h->bytes > MODEL_MAX_BYTES)
        return err_set(&work->err, TOO_LARGE, "the model %s has more than %d bytes", h->model,
                       MODEL_MAX_BYTES);
    if (h->bytes < 8 || memcmp(bytes + 4, "TFL3", 4) != 0)
        return err_set(&work->err, INVALID,
                       "%s is not a TensorFlow Lite model: bytes 4 to 7 are not the id TFL3",
                       h->model);
    *out = bytes;
    return ERR_OK;
}

static void print_header(FILE *f, const struct header *h, const uint8_t *bytes)
{
    fprintf(f, "/* Made by model.header.  SHA-256 of the model: %s */\n", h->sha256);
    fprintf(f, "#define MODEL_NAME \"%s\"\n", h->name);
    fprintf(f, "static const unsigned int %s_len = %zu;\n", h->symbol, h->bytes);
    fprintf(f, "static const unsigned char %s[%zu] __attribute__((aligned(%lld))) = {", h->symbol,
            h->bytes, (long long)h->align);
    for (size_t i = 0; i < h->bytes; i++)
        fprintf(f, "%s%u,", i % PER_LINE ? "" : "\n", bytes[i]);
    fputs("\n};\n", f);
}

static enum err_code make(struct step_work *work)
{
    struct header *h = work->arg;
    const uint8_t *bytes = NULL;
    enum err_code code = read_model(work, h, &bytes);
    if (code)
        return code;
    sha256_of(bytes, h->bytes, h->sha256);
    FILE *f = fopen(h->path, "we");
    if (!f)
        return err_set(&work->err, IO, "cannot write %s: %s", h->path, strerror(errno));
    print_header(f, h, bytes);
    bool failed = ferror(f);
    if (fclose(f) || failed)
        return err_set(&work->err, IO, "cannot write %s: %s", h->path, strerror(errno));
    return ERR_OK;
}

static void made(struct step_call *call, enum err_code code)
{
    struct header *h = call->state;
    if (!code) {
        step_log(call, LOG_INFO, "%s: %zu bytes as %s", h->name, h->bytes, h->path);
        step_output(call, "path", json_string(h->path));
        step_output(call, "name", json_string(h->name));
        step_output(call, "bytes", json_integer((json_int_t)h->bytes));
        step_output(call, "sha256", json_string(h->sha256));
    }
    step_done(call, code);
}

static const char *default_name(struct step_call *call, const char *model)
{
    const char *slash = strrchr(model, '/'), *base = slash ? slash + 1 : model;
    size_t len = strlen(base);
    if (len > 7 && !strcmp(base + len - 7, ".tflite"))
        len -= 7;
    return arena_strndup(call->arena, base, len);
}

static enum err_code check(struct step_call *call, const struct header *h)
{
    size_t len = strlen(h->name), symbol_len = strlen(h->symbol);
    if (!len || len > NAME_MAX_LEN || strspn(h->name, name_letters) != len)
        return err_set(&call->err, INVALID,
                       "`name` is not 1 to %d of the characters A-Z a-z 0-9 . _ -: %.100s",
                       NAME_MAX_LEN, h->name);
    if (!symbol_len || !strchr(letters, h->symbol[0]) ||
        strspn(h->symbol, name_letters) != symbol_len || strpbrk(h->symbol, ".-"))
        return err_set(&call->err, INVALID, "`symbol` is not a name in C: %.100s", h->symbol);
    if (h->align < 1 || h->align > 4096 || (h->align & (h->align - 1)))
        return err_set(&call->err, INVALID, "`align` is not a power of two from 1 to 4096: %lld",
                       (long long)h->align);
    return ERR_OK;
}

static void start(struct step_call *call)
{
    struct header *h = arena_new(call->arena, struct header);
    const char *name = step_string(call, "name");

    call->state = h;
    h->model = step_path(call, step_string(call, "model"));
    h->path = step_path(call, step_string(call, "path"));
    h->name = name ? name : default_name(call, h->model);
    h->symbol = step_string(call, "symbol");
    h->align = step_integer(call, "align");
    enum err_code code = check(call, h);
    if (code)
        step_done(call, code);
    else
        step_work(call, make, made, h);
}

const struct step model_header_step = {
    .schema = {.name = "model.header",
               .doc = "Turns a .tflite model into a C header.",
               STEP_PARAMS(params),
               STEP_OUTPUTS(outputs)},
    .start = start,
};
