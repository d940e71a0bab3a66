/* The `process` infrastructure: a command with the environment that Prefect's own worker gives it.
 * Source: Prefect 3.9.1, process worker; the variables are those that `python -m prefect.engine`
 * reads. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "worker/run/process_env.h"
#include "worker/run/run.h"
#include "worker/run/run_folder.h"

enum { GRACE_DEFAULT_S = 30 };

static const char *text_at(const json_t *claim, const char *object, const char *member)
{
    return json_string_value(json_object_get(json_object_get(claim, object), member));
}

static void set_if(struct env *env, const char *name, const char *value)
{
    if (value)
        env_set(env, name, value);
}

static char **make_environment(struct run *run)
{
    struct env env;
    const json_t *claim = run->claim;

    env_init(&env, &run->arena);
    env_set(&env, "PREFECT_API_URL", run->host->api_url);
    set_if(&env, "PREFECT_API_AUTH_STRING", run->host->auth_string);
    env_set(&env, "PREFECT__FLOW_RUN_ID", run->flow_run_id);
    set_if(&env, "PREFECT__FLOW_ID", text_at(claim, "flow", "id"));
    set_if(&env, "PREFECT__FLOW_NAME", text_at(claim, "flow", "name"));
    set_if(&env, "PREFECT__DEPLOYMENT_ID", text_at(claim, "deployment", "id"));
    set_if(&env, "PREFECT__DEPLOYMENT_NAME", text_at(claim, "deployment", "name"));
    env_set(&env, "PREFECT__WORKER_NAME", run->host->agent_name);
    env_set(&env, "PYTHONUNBUFFERED", "1");
    /* The SDK sends its log lines itself; on the console they would come twice. */
    env_set(&env, "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL");
    env_set_json(&env, json_object_get(run->job, "env"));
    return env.items;
}

/* Debian has no `python` outside of a virtual environment. */
static const char *default_command(void)
{
    const char *path = getenv("PATH");
    char file[4096];

    for (const char *at = path ? path : ""; *at;) {
        size_t len = strcspn(at, ":");
        snprintf(file, sizeof(file), "%.*s/python", (int)len, at);
        if (access(file, X_OK) == 0)
            return "python -m prefect.engine";
        at += len + (at[len] == ':');
    }
    return "python3 -m prefect.engine";
}

static void on_line(void *ctx, int fd, const char *text, size_t len)
{
    struct run *run = ctx;
    const json_t *wanted = json_object_get(run->job, "stream_output");

    if (!json_is_false(wanted))
        run_say(run, fd == 1 ? "stdout" : "stderr", 20, NULL, text, len);
}

static void on_exited(void *ctx)
{
    struct run *run = ctx;
    const struct process *p = &run->process;

    if (p->exit_signal)
        snprintf(run->message, sizeof(run->message),
                 "Flow run process was ended by signal %d (%s).", p->exit_signal,
                 strsignal(p->exit_signal));
    else
        snprintf(run->message, sizeof(run->message),
                 p->exit_status
                     ? "Flow run process exited with non-zero status code %d."
                     : "Flow run process exited with status code %d without a final state.",
                 (int)p->exit_status);
    run_event(run, EV_ENDED);
}

static enum err_code start_process(struct run *run)
{
    struct err *e = &run->err;
    const char *command = json_string_value(json_object_get(run->job, "command"));
    const char *cwd = json_string_value(json_object_get(run->job, "working_dir"));
    char **argv;

    enum err_code rc =
        command_split(&run->arena, command && *command ? command : default_command(), &argv, e);
    if (rc)
        return rc;
    if (!cwd || !*cwd) {
        cwd = run->folder =
            arena_printf(&run->arena, "%s/runs/%s", run->host->data_dir, run->flow_run_id);
        rc = run_folder_make(cwd, e);
        if (rc)
            return rc;
    }
    struct process_start what = {.argv = argv, .env = make_environment(run), .cwd = cwd};
    struct process_hooks hooks = {.line = on_line, .exited = on_exited, .ctx = run};
    return process_start(&run->process, run->host->loop, &what, hooks, e);
}

static void start(struct run *run)
{
    if (start_process(run)) {
        snprintf(run->message, sizeof(run->message), "%s", run->err.detail);
        run_event(run, EV_FAILED);
        return;
    }
    if (journal_full(run->host->journal))
        process_hold(&run->process, true);
    run_event(run, EV_STARTED);
}

static void stop(struct run *run)
{
    const json_t *grace = json_object_get(run->job, "grace_s");
    double grace_s = json_is_number(grace) ? json_number_value(grace) : GRACE_DEFAULT_S;

    int64_t grace_ms = (int64_t)(grace_s * 1000);
    /* It may drive the devices: it has to be gone when another may have them. */
    int64_t left_ms = run->has_devices ? lease_left_us(&run->lease) / 1000 : grace_ms;
    process_stop(&run->process, left_ms < grace_ms ? left_ms : grace_ms);
}

static void hold(struct run *run, bool hold)
{
    if (run->state == RUN_RUNNING)
        process_hold(&run->process, hold);
}

const struct run_kind run_process_kind = {start, stop, hold, NULL};
