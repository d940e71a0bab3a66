#include "worker/lab/bench_config.h"
#include "worker/lab/recovery.h"

#include <string.h>

static const char name_letters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

/* One text member of a bench. */
struct member {
    const char *part, *name; /* part NULL: of the bench itself, else "board" or "meter" */
    size_t offset;           /* in struct bench */
    const char *emulated;    /* value of an emulated bench, {} is its folder; NULL: must be given */
    const char *absent;      /* value when absent; NULL: must be given */
};

static const struct member members[] = {
    /* clang-format off */
    {NULL,    "name",    offsetof(struct bench, name),         NULL,       NULL},
    {NULL,    "target",  offsetof(struct bench, target),       NULL,       NULL},
    {NULL,    "location", offsetof(struct bench, location),    "",         ""},
    {"board", "backend", offsetof(struct bench, backend),      "qemu",     NULL},
    {"board", "serial",  offsetof(struct bench, board_serial), "",         ""},
    {"board", "volume",  offsetof(struct bench, volume),       "",         ""},
    {"board", "uart",    offsetof(struct bench, uart),         "{}/uart",  NULL},
    {"meter", "driver",  offsetof(struct bench, meter_driver), "v3pwr",    "v3pwr"},
    {"meter", "port",    offsetof(struct bench, meter_port),   "{}/meter", NULL},
    /* clang-format on */
};

static bool is_name(const char *text)
{
    size_t len = strlen(text);
    return len && len <= 64 && text[0] != '.' && strspn(text, name_letters) == len;
}

static const char *emulated_value(const struct bench *b, const char *value, struct arena *a)
{
    return !strncmp(value, "{}", 2) ? arena_printf(a, "%s%s", b->dir, value + 2) : value;
}

static enum err_code read_member(const json_t *config, const struct member *m, struct arena *a,
                                 struct bench *b, struct err *e)
{
    const char *who = b->name ? b->name : "a bench", *dot = m->part ? "." : "",
               *part = m->part ? m->part : "";
    const json_t *from = m->part ? json_object_get(config, m->part) : config;
    const json_t *value = json_object_get(from, m->name);
    const char *fallback = b->emulated ? m->emulated : m->absent, *text;

    if (value && !json_is_string(value))
        return err_set(e, INVALID, "benches: %s: `%s%s%s` is not a text", who, part, dot, m->name);
    if (!value && !fallback)
        return err_set(e, INVALID, "benches: %s: `%s%s%s` is missing", who, part, dot, m->name);
    if (value)
        text = arena_strndup(a, json_string_value(value), json_string_length(value));
    else
        text = b->emulated ? emulated_value(b, fallback, a) : fallback;
    memcpy((char *)b + m->offset, &text, sizeof(text));
    return ERR_OK;
}

static void release_json(void *json)
{
    json_decref(json);
}

/* NULL or of the type, with texts in it. */
static enum err_code read_texts(const json_t *config, const char *member, json_type type,
                                struct arena *a, const json_t **out, struct err *e)
{
    json_t *given = json_object_get(config, member), *item;
    const char *key;
    size_t i;
    bool good = !given || json_typeof(given) == type;

    json_array_foreach(given, i, item) good &= json_is_string(item);
    json_object_foreach(given, key, item) good &= json_is_string(item);
    if (!good)
        return err_set(e, INVALID, "benches: %s: `%s` is not a %s of texts",
                       json_string_value(json_object_get(config, "name")), member,
                       type == JSON_ARRAY ? "list" : "map");
    if (given)
        arena_defer(a, release_json, json_incref(given));
    *out = given;
    return ERR_OK;
}

static enum err_code read_bench(const json_t *config, const char *data_dir, struct arena *a,
                                struct bench *b, struct err *e)
{
    const char *name = json_string_value(json_object_get(config, "name"));

    if (!name || !is_name(name))
        return err_set(e, INVALID,
                       "benches: `name` is not 1 to 64 of the characters A-Z a-z 0-9 . _ -: %.80s",
                       name ? name : "(missing)");
    *b = (struct bench){.emulated = json_is_true(json_object_get(config, "emulated"))};
    if (b->emulated)
        b->dir = arena_printf(a, "%s/benches/%s", data_dir, name);
    for (size_t i = 0; i < COUNT(members); i++) {
        enum err_code code = read_member(config, &members[i], a, b, e);
        if (code)
            return code;
    }
    enum err_code code = read_texts(config, "labels", JSON_OBJECT, a, &b->labels, e);
    if (!code)
        code = read_texts(config, "capabilities", JSON_ARRAY, a, &b->capabilities, e);
    if (code)
        return code;
    const json_t *hooks = json_object_get(config, "recovery");
    for (size_t i = 0; i < RUNG_COUNT; i++) {
        const char *hook = json_string_value(json_object_get(hooks, recovery_rungs[i].name));
        b->hooks[i] = hook ? arena_strndup(a, hook, strlen(hook)) : NULL;
    }
    if (!is_name(b->target))
        return err_set(e, INVALID, "benches: %s: `target` is not the name of a board: %.80s",
                       b->name, b->target);
    return ERR_OK;
}

enum err_code bench_config_read(const json_t *config, const char *data_dir, struct arena *a,
                                struct bench out[static BENCHES_MAX], size_t *out_count,
                                struct err *e)
{
    size_t count = json_array_size(config);

    if (config && !json_is_array(config))
        return err_set(e, INVALID, "benches: expected a list of benches");
    if (count > BENCHES_MAX)
        return err_set(e, INVALID, "benches: %zu are too many, one agent has at most %d", count,
                       BENCHES_MAX);
    for (size_t i = 0; i < count; i++) {
        enum err_code code = read_bench(json_array_get(config, i), data_dir, a, &out[i], e);
        if (code)
            return code;
        for (size_t k = 0; k < i; k++)
            if (!strcmp(out[k].name, out[i].name))
                return err_set(e, INVALID, "benches: two have the name %s", out[i].name);
    }
    *out_count = count;
    return ERR_OK;
}
