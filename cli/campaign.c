/* Campaigns: a matrix of runs under one name.
 *
 * A campaign is a work queue `campaign-NAME` of the deployment's pool, and the tag `campaign:NAME`
 * on its runs: the queue's limit is the cap, its pause is the campaign's pause, and agents serve
 * its runs in the order in which they were made.  Nothing is kept on this side, so that every
 * command can be repeated after anything. */
#include "cli/actions.h"

#include <string.h>

enum { CAP_MAX = 100000, PATIENCE_MS = 120000 };

static const char *queue_name(struct cli *cli, const char *campaign)
{
    return arena_printf(&cli->arena, "campaign-%s", campaign);
}

static enum err_code find_queue(struct cli *cli, const char *campaign, json_t **out)
{
    json_t *found = NULL;
    enum err_code code = cli_connect(cli);
    if (!code)
        code = rest_post(&cli->rest, "/work_queues/filter",
                         filter_any("work_queues", "name", queue_name(cli, campaign)), &found);
    if (code)
        return code;
    *out = json_array_get(found, 0);
    return *out ? ERR_OK
                : err_set(&cli->err, NOT_FOUND,
                          "there is no campaign `%.80s`; `switchyard campaign create` makes one",
                          campaign);
}

static enum err_code patch_queue(struct cli *cli, json_t *queue, json_t *change)
{
    const char *path = arena_printf(&cli->arena, "/work_queues/%s", text_at(queue, "id"));
    return rest_call(&cli->rest, "PATCH", path, change, NULL);
}

enum err_code campaign_check_name(struct cli *cli, const char *name)
{
    enum { NAME_MAX_BYTES = 100 };
    if (*name && !strpbrk(name, "/%&<>") && strlen(name) <= NAME_MAX_BYTES)
        return ERR_OK;
    return err_set(&cli->err, INVALID,
                   "`%.80s` is no name of a campaign: 1 to %d characters, none of / %% & < >", name,
                   NAME_MAX_BYTES);
}

enum err_code campaign_queue(struct cli *cli, const char *campaign, json_t *deployment,
                             const char **out_name)
{
    const char *pool = text_at(deployment, "work_pool_name"), *name = queue_name(cli, campaign);
    const char *path =
        arena_printf(&cli->arena, "/work_pools/%s/queues", http_escape(&cli->arena, pool));
    int64_t cap = -1;
    if (!*pool)
        return err_set(&cli->err, INVALID, "the deployment %.80s has no work pool",
                       text_at(deployment, "name"));
    enum err_code code = cli_option_count(cli, "cap", CAP_MAX, &cap);
    if (code)
        return code;
    json_t *queue = NULL, *limit = cap > 0 ? json_integer(cap) : json_null();
    code = rest_post(&cli->rest, path,
                     json_pack("{s:s,s:O}", "name", name, "concurrency_limit", limit), &queue);
    if (code == ERR_CONFLICT) /* it is there: an earlier call, or a new cap */
        code = find_queue(cli, campaign, &queue);
    if (!code && cap >= 0)
        code = patch_queue(cli, queue, json_pack("{s:O}", "concurrency_limit", limit));
    json_decref(limit);
    *out_name = name;
    return code;
}

/* ---- status ---- */

/* {name, state, total, done, scheduled, ..., runs_per_hour, eta_s}, as the server counts it. */
static enum err_code read_status(struct cli *cli, const char *campaign, json_t **out)
{
    enum err_code code = cli_connect(cli);
    return code ? code
                : rest_get(&cli->rest,
                           arena_printf(&cli->arena, "/switchyard/campaigns/%s",
                                        http_escape(&cli->arena, campaign)),
                           out);
}

enum err_code cmd_campaign_status(struct cli *cli)
{
    static const struct column columns[] = {
        {"Campaign", "name"},
        {"State", "state"},
        {"Cap", "cap"},
        {"Runs", "total"},
        {"Done", "done"},
        {"Completed", "completed"},
        {"Failed", "failed"},
        {"Crashed", "crashed"},
        {"Cancelled", "cancelled"},
        {"Running", "running"},
        {"Waiting", "scheduled"},
        {"Runs per hour", "runs_per_hour"},
        {"Left", "eta_s", CELL_DURATION},
        {NULL},
    };
    json_t *status = NULL;
    enum err_code code = read_status(cli, cli->words[0], &status);
    if (code)
        return code;
    if (cli->json)
        json_print(stdout, status);
    else
        details_print(&cli->term, &cli->arena, columns, status);
    if (json_integer_value(json_at(status, "failed")) ||
        json_integer_value(json_at(status, "crashed")))
        cli->exit_status = EXIT_RUN_FAILED;
    return ERR_OK;
}

/* ---- pause, resume, cancel ---- */

static enum err_code set_paused(struct cli *cli, bool paused)
{
    json_t *queue = NULL;
    enum err_code code = find_queue(cli, cli->words[0], &queue);
    if (!code)
        code = patch_queue(cli, queue, json_pack("{s:b}", "is_paused", paused));
    if (!code && !cli->json)
        printf("%s the campaign %s.\n", paused ? "Paused" : "Resumed",
               safe_text(&cli->arena, cli->words[0]));
    return code;
}

enum err_code cmd_campaign_pause(struct cli *cli)
{
    return set_paused(cli, true);
}

enum err_code cmd_campaign_resume(struct cli *cli)
{
    return set_paused(cli, false);
}

enum err_code cmd_campaign_cancel(struct cli *cli)
{
    /* One by one: runs of one state are found by an index in the order of their ids. */
    static const char *const types[] = {"SCHEDULED", "PAUSED", "PENDING", "RUNNING"};
    json_t *queue = NULL;
    int count = 0;
    enum err_code code = find_queue(cli, cli->words[0], &queue);
    if (!code) /* none starts while they are being cancelled */
        code = patch_queue(cli, queue, json_pack("{s:b}", "is_paused", true));
    for (size_t i = 0; !code && i < COUNT(types); i++)
        code = runs_set_state(cli,
                              json_pack("{s:{s:[O]}, s:{s:{s:[s]}}}", "work_queue_name", "any_",
                                        json_at(queue, "name"), "state", "type", "any_", types[i]),
                              "CANCELLING", "Cancelling", &count);
    if (!code)
        code = patch_queue(cli, queue, json_pack("{s:b}", "is_paused", false));
    if (!code && !cli->json)
        printf("Cancelled %d runs of the campaign %s.\n", count,
               safe_text(&cli->arena, cli->words[0]));
    return code;
}

enum err_code cmd_campaign_report(struct cli *cli)
{
    json_t *queue = NULL;
    const char *folder = cli_option(cli, "dir");
    enum err_code code = find_queue(cli, cli->words[0], &queue);
    if (code)
        return code;
    http_client_patience(cli->http, PATIENCE_MS);
    return report_make(cli, cli->words[0], folder && *folder ? folder : "report");
}

enum err_code cmd_campaign_list(struct cli *cli)
{
    static const struct column columns[] = {
        {"NAME", "name", CELL_TEXT, true},
        {"STATE", "state", CELL_TEXT, true},
        {"RUNS", "total", CELL_TEXT, true},
        {"DONE", "done", CELL_TEXT, true},
        {"FAILED", "counts.failed", CELL_TEXT, true},
        {"CRASHED", "counts.crashed", CELL_TEXT, true},
        {"RUNNING", "counts.running", CELL_TEXT, true},
        {"CAP", "cap", CELL_TEXT, true},
        {"CREATED", "created", CELL_AGO, true},
        {NULL},
    };
    const struct resource campaigns = {.name = "", .columns = columns, .empty = "No campaigns."};
    json_t *rows = NULL;
    enum err_code code = cli_connect(cli);
    if (!code)
        code = rest_get(&cli->rest, "/switchyard/campaigns", &rows);
    if (!code)
        resource_show(cli, &campaigns, rows);
    return code;
}
