/* shell: a command or a script on the agent's machine.
 * Its standard output, without the last line end, is the output `stdout`; lines `::output
 * name=value` set more. */
#include <stdlib.h>
#include <string.h>

#include "shared/base/buf.h"
#include "worker/steps.h"

enum { STDOUT_MAX_BYTES = 256 << 10 };

struct shell {
    struct buf text;
};

static const struct step_param params[] = {
    /* clang-format off */
    {"run",     FLOW_STRING, true,  NULL,        "the command line or script"},
    {"shell",   FLOW_LIST,   false, "[\"/bin/sh\",\"-ec\"]", "the program that reads it"},
    {"dir",     FLOW_STRING, false, NULL,        "where it runs; relative to the run's work folder"},
    {"env",     FLOW_MAP,    false, "{}",        "environment variables on top of the agent's"},
    {"input",   FLOW_STRING, false, NULL,        "its standard input"},
    /* clang-format on */
};

static const struct step_output outputs[] = {
    {"stdout", FLOW_STRING, "what it printed, without the last line end; the first 256 KB"},
    {"status", FLOW_INTEGER, "its exit status"},
};

static void free_text(void *object)
{
    buf_free(object);
}

/* `::output name=value` */
static bool take_output(struct step_call *call, const char *line)
{
    static const char mark[] = "::output ";
    const char *equals = strchr(line, '=');
    if (strncmp(line, mark, sizeof(mark) - 1) != 0 || !equals)
        return false;
    const char *name = line + sizeof(mark) - 1;
    step_output(call, arena_strndup(call->arena, name, (size_t)(equals - name)),
                json_string(equals + 1));
    return true;
}

static void on_line(struct step_call *call, int fd, const char *line)
{
    struct shell *sh = call->state;
    if (fd == 1 && take_output(call, line))
        return;
    step_log(call, LOG_INFO, "%s", line);
    if (fd != 1)
        return;
    if (sh->text.len)
        buf_lit(&sh->text, "\n");
    buf_add(&sh->text, line, strlen(line));
}

static void on_exited(struct step_call *call, const struct step_exit *how)
{
    struct shell *sh = call->state;
    if (sh->text.full)
        step_log(call, LOG_WARN, "the output `stdout` holds the first %d KB only",
                 STDOUT_MAX_BYTES >> 10);
    step_output(call, "stdout", json_stringn(sh->text.bytes ? sh->text.bytes : "", sh->text.len));
    step_output(call, "status", json_integer(how->status));
    step_done(call, step_exit_code(call, "the command", how));
}

static const char **make_argv(struct step_call *call)
{
    const json_t *shell = json_object_get(call->with, "shell");
    size_t count = json_array_size(shell), n = 0;
    const char **argv = arena_array(call->arena, const char *, count + 2);
    for (size_t i = 0; i < count; i++)
        if (json_is_string(json_array_get(shell, i)))
            argv[n++] = json_string_value(json_array_get(shell, i));
    argv[n] = step_string(call, "run");
    return argv;
}

static const char **make_env(struct step_call *call)
{
    json_t *env = json_object_get(call->with, "env"), *value;
    const char **list = arena_array(call->arena, const char *, json_object_size(env) + 1);
    const char *name;
    size_t n = 0;
    json_object_foreach(env, name, value)
    {
        char *text =
            json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        list[n++] =
            arena_printf(call->arena, "%s=%s", name, text ? text : json_string_value(value));
        free(text);
    }
    return list;
}

static void start(struct step_call *call)
{
    struct shell *sh = arena_new(call->arena, struct shell);
    sh->text.max_bytes = STDOUT_MAX_BYTES;
    arena_defer(call->arena, free_text, &sh->text);
    call->state = sh;
    const char *dir = step_string(call, "dir"), *input = step_string(call, "input");
    const char **argv = make_argv(call);
    if (argv[0] == step_string(call, "run")) {
        step_done(call, err_set(&call->err, INVALID,
                                "`shell` names no program, expected for example [/bin/sh, -ec]"));
        return;
    }
    enum err_code code = step_exec(call, &(struct step_exec){
                                             .argv = argv,
                                             .env = make_env(call),
                                             .cwd = dir ? step_path(call, dir) : NULL,
                                             .input = input,
                                             .input_len = input ? strlen(input) : 0,
                                             .line = on_line,
                                             .exited = on_exited,
                                         });
    if (code)
        step_done(call, code);
}

const struct step shell_step = {
    .schema = {.name = "shell",
               .doc = "Runs a command line or a script on the agent's machine.",
               STEP_PARAMS(params),
               STEP_OUTPUTS(outputs),
               .free_outputs = true},
    .start = start,
};
