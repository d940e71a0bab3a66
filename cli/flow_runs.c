#include "cli/actions.h"
#include "cli/watch.h"

#include "shared/base/clock.h"

#include <ctype.h>
#include <string.h>
#include <time.h>

enum {
    DEFAULT_LIST = 20,
    MOST_LIST = 100000,
    LOG_PAGE = 200,
    FOLLOW_MS = 500,
    QUIET_POLLS = 5,
    INTERRUPTED = 130
};

static void release_json(void *value)
{
    json_decref(value);
}

/* --state running,failed: types in any case, else state names as they are. */
static json_t *state_filter(const char *text)
{
    static const char *const types[] = {"SCHEDULED", "PENDING", "RUNNING",    "COMPLETED", "FAILED",
                                        "CANCELLED", "CRASHED", "CANCELLING", "PAUSED"};
    json_t *any_type = json_array(), *any_name = json_array();

    while (*text) {
        size_t len = strcspn(text, ","), t = 0;
        while (t < COUNT(types) && (strncasecmp(types[t], text, len) != 0 || types[t][len]))
            t++;
        if (t < COUNT(types))
            json_array_append_new(any_type, json_string(types[t]));
        else if (len)
            json_array_append_new(any_name, json_stringn(text, len));
        text += len + (text[len] == ',');
    }
    json_t *filter = json_pack("{s:s}", "operator", "or_");
    if (json_array_size(any_type))
        json_object_set_new(filter, "type", json_pack("{s:O}", "any_", any_type));
    if (json_array_size(any_name))
        json_object_set_new(filter, "name", json_pack("{s:O}", "any_", any_name));
    json_decref(any_type);
    json_decref(any_name);
    return filter;
}

static enum err_code list_filter(struct cli *cli, json_t *body)
{
    const char *state = cli_option(cli, "state"), *deployment = cli_option(cli, "deployment");
    const char *flow = cli_option(cli, "flow"), *campaign = cli_option(cli, "campaign");
    json_t *runs = json_object(), *tags = json_array();

    json_object_set_new(body, "flow_runs", runs);
    json_object_set_new(body, "sort", json_string("EXPECTED_START_TIME_DESC"));
    for (int i = 0; i < cli->hit_count; i++)
        if (strcmp(cli->hits[i].row->name, "tag") == 0)
            json_array_append_new(tags, json_string(cli->hits[i].value));
    if (campaign)
        json_array_append_new(tags, json_sprintf("campaign:%s", campaign));
    if (json_array_size(tags))
        json_object_set_new(runs, "tags", json_pack("{s:O}", "all_", tags));
    json_decref(tags);
    if (state)
        json_object_set_new(runs, "state", state_filter(state));
    if (flow)
        json_object_set_new(body, "flows", json_pack("{s:{s:[s]}}", "name", "any_", flow));
    if (!deployment)
        return ERR_OK;
    json_t *found = NULL;
    enum err_code code = resolve_deployment(cli, deployment, &found);
    if (!code)
        json_object_set_new(runs, "deployment_id",
                            json_pack("{s:[O]}", "any_", json_at(found, "id")));
    return code;
}

enum err_code cmd_run_list(struct cli *cli)
{
    const struct resource *r = resource_named("flow-run");
    json_t *body = json_object(), *rows = NULL;
    int64_t limit = DEFAULT_LIST;

    enum err_code code = cli_option_count(cli, "limit", MOST_LIST, &limit);
    if (!code)
        code = list_filter(cli, body);
    if (code) {
        json_decref(body);
        return code;
    }
    code = resource_list(cli, r, body, limit, &rows);
    if (!code)
        resource_show(cli, r, rows);
    return code;
}

/* A run that has not started is cancelled at once instead of CANCELLING. */
static bool is_taken(json_t *result, const char *type)
{
    const char *now = text_at(result, "state.type");

    return strcmp(text_at(result, "status"), "ACCEPT") == 0 || strcmp(now, type) == 0 ||
           (strcmp(type, "CANCELLING") == 0 && strcmp(now, "CANCELLED") == 0);
}

enum err_code runs_set_state(struct cli *cli, json_t *filter, const char *type, const char *name,
                             int *in_out_count)
{
    enum err_code code = ERR_OK;
    size_t found = BULK_RUNS;

    const struct arena_mark mark = arena_mark(&cli->arena);
    for (int before = -1; !code && found == BULK_RUNS && before != *in_out_count;) {
        json_t *reply = NULL, *result;
        size_t i;
        before = *in_out_count;
        code = rest_post(&cli->rest, "/flow_runs/bulk_set_state",
                         json_pack("{s:O, s:{s:s, s:s}, s:i}", "flow_runs", filter, "state", "type",
                                   type, "name", name, "limit", BULK_RUNS),
                         &reply);
        found = json_array_size(json_at(reply, "results"));
        json_array_foreach(json_at(reply, "results"), i, result) *in_out_count +=
            is_taken(result, type);
        arena_rewind(&cli->arena, &mark);
        progress(cli, "runs", (size_t)*in_out_count, 0);
    }
    progress_end(cli);
    json_decref(filter);
    return code;
}

enum err_code run_set_state(struct cli *cli, const char *run_id, const char *type, const char *name)
{
    json_t *reply = NULL;
    const char *path = arena_printf(&cli->arena, "/flow_runs/%s/set_state", run_id);

    enum err_code code = rest_post(
        &cli->rest, path, json_pack("{s:{s:s,s:s}}", "state", "type", type, "name", name), &reply);
    if (code)
        return code;
    if (is_taken(reply, type))
        return ERR_OK;
    const char *why = text_at(reply, "details.reason");
    return err_set(&cli->err, CONFLICT, "the server refused: %s",
                   *why ? why : text_at(reply, "status"));
}

static enum err_code move_runs(struct cli *cli, const char *type, const char *name,
                               const char *said)
{
    for (int i = 0; i < cli->word_count; i++) {
        json_t *run = NULL;
        enum err_code code = resolve_run(cli, cli->words[i], &run);
        if (!code)
            code = run_set_state(cli, text_at(run, "id"), type, name);
        if (code)
            return code;
        if (!cli->json)
            printf("%s %s.\n", said, safe_text(&cli->arena, text_at(run, "name")));
    }
    return ERR_OK;
}

enum err_code cmd_run_cancel(struct cli *cli)
{
    return move_runs(cli, "CANCELLING", "Cancelling", "Cancelling");
}

enum err_code cmd_run_retry(struct cli *cli)
{
    return move_runs(cli, "SCHEDULED", "AwaitingRetry", "Scheduled again:");
}

void watch_verdict(struct cli *cli, int interrupted, int time_up, int failed)
{
    if (interrupted) {
        fprintf(stderr, "Stopped watching. The runs go on; `switchyard flow-run ls` shows them.\n");
        cli->exit_status = INTERRUPTED;
    } else if (time_up) {
        fprintf(stderr, "The time is up. The runs go on; `switchyard flow-run ls` shows them.\n");
        cli->exit_status = EXIT_TIME_UP;
    } else if (failed) {
        cli->exit_status = EXIT_RUN_FAILED;
    }
}

enum err_code cmd_run_watch(struct cli *cli)
{
    json_t *ids = json_array(), *runs = NULL, *run = NULL;
    struct watch_result result;
    int64_t timeout_s = 0;

    arena_defer(&cli->arena, release_json, ids);
    enum err_code code = cli_option_count(cli, "timeout", INT32_MAX, &timeout_s);
    for (int i = 0; !code && i < cli->word_count; i++) {
        code = resolve_run(cli, cli->words[i], &run);
        if (!code)
            json_array_append(ids, json_at(run, "id"));
    }
    if (!code)
        code = watch_runs(cli, "runs", ids, timeout_s, &result, &runs);
    if (code)
        return code;
    if (cli->json)
        json_print(stdout, runs);
    watch_verdict(cli, result.interrupted, result.time_up, result.failed);
    return ERR_OK;
}

static const struct {
    const char *name;
    int from;
    enum color color;
} levels[] = {
    {"CRIT", 50, COLOR_RED},  {"ERROR", 40, COLOR_RED},        {"WARN", 30, COLOR_YELLOW},
    {"INFO", 20, COLOR_NONE}, {"DEBUG", INT32_MIN, COLOR_DIM},
};

/* "2026-01-01 09:30:00.125", the clock of the reader. */
static const char *stamp_text(struct arena *a, const char *stamp)
{
    int64_t us;
    struct tm tm;
    char text[32];

    if (!time_parse(stamp, strlen(stamp), &us))
        return stamp;
    time_t s = (time_t)(us / 1000000);
    strftime(text, sizeof(text), "%F %T", localtime_r(&s, &tm));
    return arena_printf(a, "%s.%03d", text, (int)(us % 1000000 / 1000));
}

static void put_log(struct cli *cli, struct arena *a, json_t *row)
{
    int level = (int)json_integer_value(json_at(row, "level"));
    const char *stamp = text_at(row, "timestamp"), *message = text_at(row, "message");
    size_t l = 0;
    bool first = true;

    while (level < levels[l].from)
        l++;
    /* A message of several lines keeps them, each below the first. */
    while (*message || first) {
        size_t len = strcspn(message, "\n");
        const char *line = safe_text(a, arena_strndup(a, message, len));
        if (first)
            printf("%s %s%-5s%s %s\n", stamp_text(a, stamp), color_on(&cli->term, levels[l].color),
                   levels[l].name, color_off(&cli->term, levels[l].color), line);
        else
            printf("%*s%s\n", 30, "", line);
        message += len + (message[len] == '\n');
        first = false;
    }
}

/* Prints what is new.  Rows at the newest timestamp were seen already: `seen` holds their ids. */
static enum err_code print_new_logs(struct cli *cli, struct rest *rest, json_t *filter,
                                    json_t *seen, size_t *out_count)
{
    json_t *page = NULL, *row;
    size_t i, n = LOG_PAGE;
    int64_t offset = 0;
    enum err_code code = ERR_OK;

    for (*out_count = 0; !code && n == LOG_PAGE; offset += LOG_PAGE) {
        code = rest_post(rest, "/logs/filter",
                         json_pack("{s:O,s:s,s:i,s:I}", "logs", filter, "sort", "TIMESTAMP_ASC",
                                   "limit", LOG_PAGE, "offset", (json_int_t)offset),
                         &page);
        n = json_array_size(page);
        if (code)
            break;
        json_array_foreach(page, i, row)
        {
            if (json_object_get(seen, text_at(row, "id")))
                continue;
            json_object_set_new(seen, text_at(row, "id"), json_string(text_at(row, "timestamp")));
            if (cli->json)
                json_dumpf(row, stdout, JSON_COMPACT), putchar('\n');
            else
                put_log(cli, rest->arena, row);
            ++*out_count;
        }
    }
    fflush(stdout);
    return code;
}

/* Later polls ask only for what is at most OVERLAP_S older than the newest line: lines come in
 * batches of several processes, not strictly in order. */
static void narrow(json_t *filter, json_t *seen)
{
    enum { OVERLAP_S = 30 };
    const char *id;
    json_t *stamp;
    int64_t newest_us = 0, us;
    char text[TIME_TEXT_BYTES];
    void *next;

    json_object_foreach(
        seen, id, stamp) if (time_parse(json_string_value(stamp), json_string_length(stamp), &us) &&
                             us > newest_us) newest_us = us;
    if (!newest_us)
        return;
    int64_t from_us = newest_us - OVERLAP_S * INT64_C(1000000);
    time_format(from_us, text);
    json_object_set_new(filter, "timestamp", json_pack("{s:s}", "after_", text));
    json_object_foreach_safe(
        seen, next, id,
        stamp) if (time_parse(json_string_value(stamp), json_string_length(stamp), &us) &&
                   us < from_us) json_object_del(seen, id);
}

static enum err_code run_is_final(struct rest *rest, const char *id, bool *out)
{
    json_t *run = NULL;
    enum err_code code = rest_get(rest, arena_printf(rest->arena, "/flow_runs/%s", id), &run);
    const char *type = text_at(run, "state_type");

    *out = strcmp(type, "COMPLETED") == 0 || strcmp(type, "FAILED") == 0 ||
           strcmp(type, "CRASHED") == 0 || strcmp(type, "CANCELLED") == 0;
    return code;
}

/* Lines may come after the final state: a process sends its last ones when it ends.  So the end is
 * the final state and QUIET_POLLS without a new line. */
static enum err_code follow_logs(struct cli *cli, const char *run_id, json_t *filter, bool follow)
{
    json_t *seen = json_object();
    bool final = false;
    enum err_code code = ERR_OK;

    arena_defer(&cli->arena, release_json, seen);
    for (int quiet = 0; !code && quiet < QUIET_POLLS;) {
        struct arena a = {0};
        struct rest rest = cli->rest;
        size_t count = 0;
        rest.arena = &a;
        if (follow && !final)
            code = run_is_final(&rest, run_id, &final);
        if (!code)
            code = print_new_logs(cli, &rest, filter, seen, &count);
        narrow(filter, seen);
        arena_reset(&a);
        if (!follow)
            break;
        quiet = final && !count ? quiet + 1 : 0;
        if (!code && quiet < QUIET_POLLS)
            nanosleep(&(struct timespec){0, FOLLOW_MS * 1000000L}, NULL);
    }
    return code;
}

enum err_code cmd_run_logs(struct cli *cli)
{
    const char *level = cli_option(cli, "level");
    json_t *run = NULL;

    enum err_code code = resolve_run(cli, cli->words[0], &run);
    if (code)
        return code;
    json_t *filter = json_pack("{s:{s:[O]}}", "flow_run_id", "any_", json_at(run, "id"));
    arena_defer(&cli->arena, release_json, filter);
    if (level) {
        size_t l = 0;
        while (l < COUNT(levels) && strncasecmp(levels[l].name, level, strlen(level)) != 0)
            l++;
        if (l == COUNT(levels) || !*level)
            return err_set(&cli->err, INVALID,
                           "--level is `%.40s`: expected debug, info, warn, error or crit", level);
        int from = levels[l].from < 0 ? 0 : levels[l].from;
        json_object_set_new(filter, "level", json_pack("{s:i}", "ge_", from));
    }
    if (cli_option(cli, "follow"))
        http_client_patience(cli->http, INT64_C(600000));
    return follow_logs(cli, text_at(run, "id"), filter, cli_option(cli, "follow") != NULL);
}
