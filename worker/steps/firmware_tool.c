/* What the tools of firmware.build are told, on this machine or in a container. */
#include <ctype.h>
#include <string.h>
#include <unistd.h>

#include "worker/steps/firmware_build.h"

/* Source: the tools' own help. */
static const struct build_tool tools[] = {
    {"make",
     {{"make", "-C", "{dir}", "-j{jobs}", "TARGET={target}", "MODEL_HEADER={header}",
       "BUILD_ID={build}", "OUT={out}"}},
     "{out}/{program}.elf",
     NULL},
    {"mbed-cli",
     {{"mbed", "compile", "-m", "{target}", "-t", "GCC_ARM", "--profile={profile}", "--build={out}",
       "-N", "{program}", "-j", "{jobs}"}},
     "{out}/{program}.elf",
     "{dir}/switchyard_build.h"},
    {"mbed-tools",
     {{"mbed-tools", "compile", "-m", "{target}", "-t", "GCC_ARM", "-b", "{profile}"}},
     "{dir}/cmake_build/{target}/{profile}/GCC_ARM/{program}.elf",
     "{dir}/switchyard_build.h"},
    {"mbed-ce",
     {{"cmake", "-S", "{dir}", "-B", "{out}", "-GNinja", "-DMBED_TARGET={target}",
       "-DCMAKE_BUILD_TYPE={Profile}", "-DUPLOAD_METHOD=NONE", "-DBUILD_ID={build}",
       "-DMODEL_HEADER={header}"},
      {"cmake", "--build", "{out}", "--target", "{program}", "-j", "{jobs}"}},
     "{out}/{program}.elf",
     NULL},
};

const struct build_tool *build_tool(const char *name)
{
    for (size_t i = 0; i < COUNT(tools); i++)
        if (!strcmp(tools[i].name, name))
            return &tools[i];
    return NULL;
}

/* ---- from templates to arguments ---- */

static const char *capital(struct step_call *call, const char *text)
{
    char *copy = arena_strndup(call->arena, text, strlen(text));
    copy[0] = (char)toupper((unsigned char)copy[0]);
    return copy;
}

static const char *value_of(struct step_call *call, const char *name, size_t len)
{
    const struct build *b = call->state;
    const struct {
        const char *name, *value;
    } values[] = {
        {"dir", b->dir},
        {"out", b->out},
        {"build", b->build_id},
        {"target", step_string(call, "target")},
        {"program", step_string(call, "program")},
        {"profile", step_string(call, "profile")},
        {"Profile", capital(call, step_string(call, "profile"))},
        {"header", b->header},
        {"jobs", arena_printf(call->arena, "%lld", (long long)step_integer(call, "jobs"))},
    };
    for (size_t i = 0; i < COUNT(values); i++)
        if (strlen(values[i].name) == len && !memcmp(values[i].name, name, len))
            return values[i].value;
    return NULL;
}

const char *build_expand(struct step_call *call, const char *word)
{
    const char *text = "", *open;
    while ((open = strchr(word, '{'))) {
        size_t len = strcspn(open + 1, "}");
        const char *value = value_of(call, open + 1, len);
        if (!value)
            return NULL;
        text = arena_printf(call->arena, "%s%.*s%s", text, (int)(open - word), word, value);
        word = open + len + 2;
    }
    return arena_printf(call->arena, "%s%s", text, word);
}

static const char *volume(struct step_call *call, const char *path)
{
    return arena_printf(call->arena, "%s:%s", path, path);
}

const char *build_container_name(struct step_call *call, const struct build *b)
{
    return arena_printf(call->arena, "switchyard-build-%s", b->tree.id);
}

size_t build_container(struct step_call *call, const char **argv)
{
    const struct build *b = call->state;
    const char *image = step_string(call, "container"), *work = call->run->work_dir;
    if (!image)
        return 0;
    const char *const words[] = {
        step_string(call, "engine"),
        "run",
        "--rm",
        "--init",
        "--volume",
        volume(call, work),
        "--workdir",
        b->dir,
        "--user",
        arena_printf(call->arena, "%u:%u", (unsigned)getuid(), (unsigned)getgid()),
        "--env",
        "HOME=/tmp"};
    size_t n = COUNT(words);
    memcpy(argv, words, sizeof(words));
    if (b->tree.lock_fd >= 0) {
        argv[n++] = "--name";
        argv[n++] = build_container_name(call, b);
    }
    if (b->reuse) {
        argv[n++] = "--volume";
        argv[n++] = volume(call, arena_printf(call->arena, "%s/builds", call->run->data_dir));
    }
    argv[n++] = image;
    return n;
}

static size_t add_words(struct step_call *call, const char *const *words, const char **argv,
                        size_t n)
{
    for (size_t i = 0; i < BUILD_WORDS_MAX && words[i]; i++) {
        const char *word = build_expand(call, words[i]);
        if (word)
            argv[n++] = word;
    }
    return n;
}

static size_t add_args(struct step_call *call, const char **argv, size_t n)
{
    const json_t *args = json_object_get(call->with, "args");
    for (size_t i = 0; i < json_array_size(args) && n + 1 < BUILD_ARGV_MAX; i++)
        if (json_is_string(json_array_get(args, i)))
            argv[n++] = json_string_value(json_array_get(args, i));
    return n;
}

const char *const *build_command(struct step_call *call)
{
    const struct build *b = call->state;
    const char **argv = arena_array(call->arena, const char *, BUILD_ARGV_MAX);
    size_t n = build_container(call, argv);

    n = add_words(call, b->tool->commands[b->command], argv, n);
    if (b->command == 0)
        n = add_args(call, argv, n);
    argv[n] = NULL;
    return argv;
}
