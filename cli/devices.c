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
        printf("%s is held for %s, %lld minutes.\n"
               "A run that uses it goes on; `device kick` ends it.\n",
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

/* ---- what is known of one ---- */

/* Rungs of the recovery ladder: how the server calls them, one, several. */
static const char *const rungs[][3] = {
    {"retry", "retry", "retries"},
    {"power_cycle", "power cycle", "power cycles"},
    {"usb_reset", "USB reset", "USB resets"},
    {"hub_cycle", "hub port cycle", "hub port cycles"},
    {"quarantine", "quarantine", "quarantines"},
};

static const char *counted(struct cli *cli, json_t *object, const char *member, const char *one,
                           const char *many)
{
    long long n = json_integer_value(json_at(object, member));
    return arena_printf(&cli->arena, "%lld %s", n, n == 1 ? one : many);
}

/* "2 retries, 1 power cycle". */
static const char *recoveries_text(struct cli *cli, json_t *device)
{
    json_t *counts = json_at(device, "recoveries");
    const char *text = "";

    for (size_t i = 0; i < COUNT(rungs); i++)
        if (json_integer_value(json_at(counts, rungs[i][0])) > 0)
            text = arena_printf(&cli->arena, "%s%s%s", text, *text ? ", " : "",
                                counted(cli, counts, rungs[i][0], rungs[i][1], rungs[i][2]));
    return *text ? text : "none";
}

/* "probe V2J37, meter 1.2.0" of {"probe": "V2J37", "meter": "1.2.0"}. */
static const char *map_text(struct cli *cli, json_t *map)
{
    const char *key, *text = "";
    json_t *value;

    json_object_foreach(map, key, value) text =
        arena_printf(&cli->arena, "%s%s%s %s", text, *text ? ", " : "", key,
                     json_is_string(value) ? json_string_value(value) : "");
    return text;
}

static void show_device(struct cli *cli, json_t *device)
{
    static const struct column details[] = {
        {"Device", "name"},
        {"Type", "type"},
        {"Target", "target"},
        {"Status", "status"},
        {"Agent", "agent_name"},
        {"Agent's id", "agent"},
        {"Work pool", "pool"},
        {"Part of", "bench"},
        {"Location", "location"},
        {"Labels", "labels_text"},
        {"Capabilities", "capabilities", CELL_LIST},
        {"Firmware", "firmware_text"},
        {"In use", "use_text"},
        {"Held by", "held_by"},
        {"Held until", "held_until"},
        {"Held for", "held_comment"},
        {"Maintenance by", "maintenance_by"},
        {"Maintenance", "maintenance_comment"},
        {"Quarantine", "quarantine_reason"},
        {"Quarantined", "quarantined_since", CELL_AGO},
        {"Flashes", "flashes"},
        {"Failures", "failures"},
        {"Recoveries", "recoveries_text"},
        {"Seen", "last_seen", CELL_AGO},
        {NULL},
    };
    json_object_set_new(device, "labels_text",
                        json_string(map_text(cli, json_at(device, "labels"))));
    json_object_set_new(device, "firmware_text",
                        json_string(map_text(cli, json_at(device, "firmware"))));
    json_object_set_new(device, "recoveries_text", json_string(recoveries_text(cli, device)));
    json_object_set_new(device, "use_text",
                        json_sprintf("%lld of %lld",
                                     (long long)json_integer_value(json_at(device, "used")),
                                     (long long)json_integer_value(json_at(device, "capacity"))));
    details_print(&cli->term, &cli->arena, details, device);
}

static bool is_of_agent(json_t *device, const char *agent)
{
    return !agent || !strcmp(text_at(device, "agent_name"), agent) ||
           !strcmp(text_at(device, "agent"), agent);
}

enum err_code cmd_device_inspect(struct cli *cli)
{
    const char *agent = cli_option(cli, "agent"), *name = cli->words[0];
    json_t *devices = NULL, *device;
    size_t i, shown = 0;
    enum err_code code = cli_connect(cli);

    if (!code)
        code = rest_get(&cli->rest,
                        arena_printf(&cli->arena, "/switchyard/devices?name=%s",
                                     http_escape(&cli->arena, name)),
                        &devices);
    json_array_foreach(devices, i, device)
    {
        if (!is_of_agent(device, agent))
            continue;
        if (cli->json)
            json_print(stdout, device);
        else if (shown)
            printf("\n");
        if (!cli->json)
            show_device(cli, device);
        shown++;
    }
    return code || shown
               ? code
               : err_set(&cli->err, NOT_FOUND,
                         "there is no device `%.80s`; `switchyard device ls` lists them", name);
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
        {"CHECKED", "began", CELL_AGO, true},
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

static void show_measurement(struct cli *cli, json_t *m, const char *what)
{
    if (!json_is_object(m))
        return;
    printf("%s: %.6g J per inference%s, %s, run %.8s\n", what,
           json_number_value(json_at(m, "median_energy_per_inference_j")),
           json_is_true(json_at(m, "valid")) ? "" : " (not a result)",
           safe_text(&cli->arena, text_at(m, "model")), text_at(m, "flow_run_id"));
}

static void show_totals(struct cli *cli, json_t *history)
{
    printf("%s, %s, %s\n", counted(cli, history, "flashes", "flash", "flashes"),
           counted(cli, history, "failures", "failure", "failures"),
           counted(cli, history, "runs", "run", "runs"));
    printf("recoveries: %s\n", recoveries_text(cli, history));
    show_measurement(cli, json_at(history, "last_golden_measurement"), "golden model");
    show_measurement(cli, json_at(history, "last_measurement"), "last other model");
    printf("\n");
}

enum err_code cmd_device_history(struct cli *cli)
{
    static const struct column columns[] = {
        {"WHEN", "at", CELL_AGO, true},        {"WHAT", "kind", CELL_TEXT, true},
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
    show_totals(cli, history);
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
    json_array_foreach(devices, i, device) if (!strcmp(text_at(device, "name"), cli->words[0]) &&
                                               is_of_agent(device, agent))
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
        text_wrap(stdout, safe_text(&cli->arena, text_at(reason, "text")), cli->term.width, 0, 0);
    return ERR_OK;
}
