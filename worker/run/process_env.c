#include "worker/run/process_env.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct words {
    struct arena *arena;
    char **items;
    size_t count, room;
};

static void add_item(struct words *w, char *item)
{
    if (w->count + 1 >= w->room) {
        size_t room = w->room ? w->room * 2 : 16;
        char **items = arena_array(w->arena, char *, room);
        if (w->count)
            memcpy(items, w->items, w->count * sizeof(*items));
        w->items = items;
        w->room = room;
    }
    w->items[w->count++] = item;
    w->items[w->count] = NULL;
}

/* Copies one word to `out` and returns where it ended; NULL: an open quote. */
static const char *take_word(const char *s, char *out)
{
    char quote = 0;

    for (; *s && (quote || !isspace((unsigned char)*s)); s++) {
        bool escape = *s == '\\' && quote != '\'' && s[1] && (!quote || strchr("\"\\$`", s[1]));
        if (!escape && (*s == quote || (!quote && (*s == '\'' || *s == '"')))) {
            quote = (char)(quote ? '\0' : *s);
            continue;
        }
        if (escape)
            s++;
        *out++ = *s;
    }
    *out = '\0';
    return quote ? NULL : s;
}

enum err_code command_split(struct arena *a, const char *text, char ***out_argv, struct err *e)
{
    struct words words = {.arena = a};

    for (const char *s = text;;) {
        while (isspace((unsigned char)*s))
            s++;
        if (!*s)
            break;
        char *word = arena_array(a, char, strlen(s) + 1);
        s = take_word(s, word);
        if (!s)
            return err_set(e, INVALID, "command: a quote is not closed in: %.200s", text);
        add_item(&words, word);
    }
    if (!words.count)
        return err_set(e, INVALID, "command: is empty");
    *out_argv = words.items;
    return ERR_OK;
}

static size_t find(const struct env *env, const char *name, size_t len)
{
    size_t i = 0;
    while (i < env->count && (strncmp(env->items[i], name, len) != 0 || env->items[i][len] != '='))
        i++;
    return i;
}

void env_init(struct env *env, struct arena *a)
{
    struct words words = {.arena = a};

    for (char **item = environ; *item; item++)
        add_item(&words, *item);
    *env = (struct env){a, words.items, words.count, words.room};
}

void env_set(struct env *env, const char *name, const char *value)
{
    size_t i = find(env, name, strlen(name));

    if (!value) {
        if (i < env->count) {
            env->items[i] = env->items[--env->count];
            env->items[env->count] = NULL;
        }
        return;
    }
    char *item = arena_printf(env->arena, "%s=%s", name, value);
    if (i < env->count) {
        env->items[i] = item;
        return;
    }
    struct words words = {env->arena, env->items, env->count, env->room};
    add_item(&words, item);
    *env = (struct env){env->arena, words.items, words.count, words.room};
}

const char *env_get(const struct env *env, const char *name)
{
    size_t i = find(env, name, strlen(name));
    return i < env->count ? env->items[i] + strlen(name) + 1 : NULL;
}

void env_set_json(struct env *env, const json_t *object)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)object, name, value)
    {
        if (json_is_string(value) || json_is_null(value)) {
            env_set(env, name, json_string_value(value));
            continue;
        }
        char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        env_set(env, name, text ? text : "");
        free(text);
    }
}
