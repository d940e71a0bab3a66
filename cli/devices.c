/* Devices: hold, release, kick; and why a run waits. */
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "cli/actions.h"

enum { HOLD_MAX_MINUTES = 60 * 24 * 30, HOLD_MINUTES = 60 };

/* Who asks: --by, else the account on this machine. */
static const char *who(struct cli *cli)
{
    const char *by = cli_option(cli, "by");
    const struct passwd *account = by ? NULL : getpwuid(getuid());
    return by ? by : account ? account->pw_name : "somebody";
}

static const char *device_path(struct cli *cli, const char *name, const char *what)
{
    return arena_printf(&cli->arena, "/switchyard/devices/%s/%s", http_escape(&cli->arena, name),
                        what);
}

static json_t *agent_body(struct cli *cli)
{
    const char *agent = cli_option(cli, "agent");
    return agent ? json_pack("{s:s}", "agent", agent) : json_object();
}

enum err_code cmd_device_hold(struct cli *cli)
{
    int64_t minutes = HOLD_MINUTES;
    const char *comment = cli_option(cli, "comment");
    enum err_code code = cli_option_count(cli, "minutes", HOLD_MAX_MINUTES, &minutes);
    if (!code)
        code = cli_connect(cli);
    if (code)
        return code;
    json_t *body = agent_body(cli);
    json_object_set_new(body, "by", json_string(who(cli)));
    json_object_set_new(body, "minutes", json_integer(minutes));
    if (comment)
        json_object_set_new(body, "comment", json_string(comment));
    code = rest_post(&cli->rest, device_path(cli, cli->words[0], "hold"), body, NULL);
    if (!code && !cli->json)
        printf(
            "%s is held for %s, %lld minutes. A run that uses it goes on; `device kick` ends it.\n",
            safe_text(&cli->arena, cli->words[0]), safe_text(&cli->arena, who(cli)),
            (long long)minutes);
    return code;
}

static json_t *body_of(struct cli *cli)
{
    json_t *body = agent_body(cli);
    json_object_set_new(body, "by", json_string(who(cli)));
    return body;
}

enum err_code cmd_device_release(struct cli *cli)
{
    enum err_code code = cli_connect(cli);
    if (!code)
        code =
            rest_post(&cli->rest, device_path(cli, cli->words[0], "release"), body_of(cli), NULL);
    if (!code && !cli->json)
        printf("%s is free for runs.\n", safe_text(&cli->arena, cli->words[0]));
    return code;
}

enum err_code cmd_device_return(struct cli *cli)
{
    enum err_code code = cli_connect(cli);
    if (!code)
        code = rest_post(&cli->rest, device_path(cli, cli->words[0], "return"), body_of(cli), NULL);
    if (!code && !cli->json)
        printf("%s returns from quarantine when its agent is heard of next.\n",
               safe_text(&cli->arena, cli->words[0]));
    return code;
}

enum err_code cmd_device_maintenance(struct cli *cli)
{
    const char *name = cli->words[1], *comment = cli_option(cli, "comment");
    bool on = !strcmp(cli->words[0], "on");
    if (!on && strcmp(cli->words[0], "off") != 0)
        return err_set(&cli->err, INVALID, "`on` or `off`, not %.40s", cli->words[0]);
    enum err_code code = cli_connect(cli);
    if (code)
        return code;
    json_t *body = body_of(cli);
    json_object_set_new(body, "on", json_boolean(on));
    if (comment)
        json_object_set_new(body, "comment", json_string(comment));
    code = rest_post(&cli->rest, device_path(cli, name, "maintenance"), body, NULL);
    if (!code && !cli->json)
        printf(on ? "%s is in maintenance: no run gets it.\n" : "%s is out of maintenance.\n",
               safe_text(&cli->arena, name));
    return code;
}

static json_t *figure(struct cli *cli, json_t *check, const char *name)
{
    json_t *value = json_at(check, name);
    return json_is_number(value)
               ? json_string(arena_printf(&cli->arena, "%.6g", json_number_value(value)))
               : json_null();
}

static void release_json(void *value)
{
    json_decref(value);
}

/* What the golden model gave, and the limits that it was held to; the reason stands below. */
static void show_checks(struct cli *cli, json_t *checks)
{
    static const struct column columns[] = {
        {"CHECKED", "began", CELL_TEXT, true},
        {"RESULT", "result", CELL_TEXT, true},
        {"J/INFERENCE", "value", CELL_TEXT, true},
        {"FROM", "low", CELL_TEXT, true},
        {"TO", "high", CELL_TEXT, true},
        {"RUN", "flow_run_id", CELL_ID, true},
        {NULL},
    };
    const struct resource shown = {.name = "", .columns = columns, .empty = ""};
    json_t *check, *rows = json_array();
    size_t i;
    arena_defer(&cli->arena, release_json, rows);
    json_array_foreach(checks, i, check)
    {
        json_t *passed = json_at(check, "passed");
        const char *result = json_is_true(passed)                     ? "passed"
                             : json_is_false(passed)                  ? "failed"
                             : json_is_null(json_at(check, "reason")) ? "under way"
                                                                      : "undecided";
        json_array_append_new(
            rows, json_pack("{s:O, s:s, s:o, s:o, s:o, s:O}", "began", json_at(check, "began"),
                            "result", result, "value", figure(cli, check, "value_j"), "low",
                            figure(cli, check, "low_j"), "high", figure(cli, check, "high_j"),
                            "flow_run_id", json_at(check, "flow_run_id")));
    }
    resource_show(cli, &shown, rows);
    printf("\n");
}

enum err_code cmd_device_history(struct cli *cli)
{
    static const struct column columns[] = {
        {"AT", "at", CELL_TEXT, true},         {"WHAT", "kind", CELL_TEXT, false},
        {"BY", "by", CELL_TEXT, false},        {"COMMENT", "comment", CELL_TEXT, false},
        {"RUN", "flow_run_id", CELL_ID, true}, {NULL},
    };
    const struct resource events = {.name = "", .columns = columns, .empty = "Nothing yet."};
    const char *agent = cli_option(cli, "agent");
    const char *path = device_path(cli, cli->words[0], "history");
    json_t *history = NULL;
    if (agent)
        path = arena_printf(&cli->arena, "%s?agent=%s", path, http_escape(&cli->arena, agent));
    enum err_code code = cli_connect(cli);
    if (!code)
        code = rest_get(&cli->rest, path, &history);
    if (code)
        return code;
    if (cli->json) {
        json_print(stdout, history);
        return ERR_OK;
    }
    printf("%lld flashes, %lld failures, %lld runs\n",
           (long long)json_integer_value(json_at(history, "flashes")),
           (long long)json_integer_value(json_at(history, "failures")),
           (long long)json_integer_value(json_at(history, "runs")));
    if (json_array_size(json_at(history, "checks")))
        show_checks(cli, json_at(history, "checks"));
    resource_show(cli, &events, json_at(history, "events"));
    return ERR_OK;
}

/* The hold goes, and the run that uses it is cancelled: its clean-up still runs on the device. */
enum err_code cmd_device_kick(struct cli *cli)
{
    json_t *devices = NULL, *device, *lease;
    const char *agent = cli_option(cli, "agent"), *comment = cli_option(cli, "comment");
    size_t i, k;
    enum err_code code = cli_connect(cli);
    if (code)
        return code;
    json_t *body = body_of(cli);
    if (comment)
        json_object_set_new(body, "comment", json_string(comment));
    code = rest_post(&cli->rest, device_path(cli, cli->words[0], "kick"), body, &devices);
    if (code || cli->json)
        return code;
    printf("%s is free for runs.\n", safe_text(&cli->arena, cli->words[0]));
    json_array_foreach(devices, i,
                       device) if (!strcmp(text_at(device, "name"), cli->words[0]) &&
                                   (!agent || !strcmp(text_at(device, "agent_name"), agent)))
        json_array_foreach(json_at(device, "leases"), k, lease)
            printf("Cancelling the run %s.\n", text_at(lease, "flow_run_id"));
    return ERR_OK;
}

enum err_code cmd_why(struct cli *cli)
{
    json_t *run = NULL, *answer = NULL, *reason;
    size_t i;
    enum err_code code = resolve_run(cli, cli->words[0], &run);
    if (!code)
        code = rest_get(
            &cli->rest,
            arena_printf(&cli->arena, "/switchyard/flow_runs/%s/why", text_at(run, "id")), &answer);
    if (code)
        return code;
    if (cli->json) {
        json_print(stdout, answer);
        return ERR_OK;
    }
    if (!json_is_true(json_at(answer, "waits")))
        printf("It does not wait: it is %s.\n", text_at(answer, "state"));
    json_array_foreach(json_at(answer, "reasons"), i, reason)
        printf("%s\n", safe_text(&cli->arena, text_at(reason, "text")));
    return ERR_OK;
}
