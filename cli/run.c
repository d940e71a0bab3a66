#include "cli/actions.h"
#include "cli/params.h"
#include "cli/watch.h"

#include "shared/base/clock.h"
#include "shared/base/uuid.h"

#include <string.h>
#include <time.h>

enum { MAX_RUNS = 10000, MAX_CAMPAIGN_RUNS = 100000, BATCH_RUNS = 500, PATIENCE_MS = 120000 };

/* What one call of `switchyard run` creates. */
struct batch {
    json_t *deployment, *params, *axes, *combinations;
    const char *campaign; /* NULL: runs without one */
    const char *queue;    /* of a campaign that was made with `campaign create`, or NULL */
    json_t *ids;          /* of the runs, new or not */
    int created, there, again;
};

static void release_json(void *value)
{
    json_decref(value);
}

/* `campaign` NULL: of a call of `run`. */
static enum err_code read_params(struct cli *cli, struct batch *b, const char *campaign)
{
    const char *order = cli_option(cli, "order");
    bool random = order && !strcmp(order, "random");
    size_t most = campaign ? MAX_CAMPAIGN_RUNS : MAX_RUNS;
    enum err_code code = ERR_OK;

    for (int i = 0; !code && i < cli->hit_count; i++) {
        const struct option_hit *hit = &cli->hits[i];
        if (strcmp(hit->row->name, "param") == 0)
            code = param_set(&cli->err, hit->value, b->params);
        else if (strcmp(hit->row->name, "matrix") == 0)
            code = axis_add(&cli->err, hit->value, b->axes);
    }
    if (!code)
        code = matrix_expand(&cli->err, b->params, b->axes, most, &b->combinations);
    if (code)
        return code;
    arena_defer(&cli->arena, release_json, b->combinations);
    if (order && !random && strcmp(order, "matrix") != 0)
        return err_set(&cli->err, INVALID, "--order is matrix or random, not %.40s", order);
    if (random)
        matrix_shuffle(b->combinations, campaign);
    return ERR_OK;
}

/* A misspelt parameter would be taken silently by a server that only checks the known ones. */
static enum err_code check_names(struct cli *cli, const struct batch *b)
{
    enum { MOST = 64 };
    json_t *known = json_at(b->deployment, "parameter_openapi_schema.properties"), *value;
    json_t *extra = json_at(b->deployment, "parameter_openapi_schema.additionalProperties");
    json_t *first = json_array_get(b->combinations, 0);
    const char *names[MOST], *key, *other;
    size_t n = 0;

    if (json_object_size(known) == 0 || (extra && !json_is_false(extra)))
        return ERR_OK;
    json_object_foreach(known, other, value) if (n < MOST) names[n++] = other;
    json_object_foreach(first, key, value)
    {
        if (json_object_get(known, key))
            continue;
        const char *near = closest_name(key, names, n);
        return err_set(
            &cli->err, INVALID,
            "the deployment %.80s has no parameter `%.80s`%s%s%s; `switchyard deployment "
            "inspect` shows what it has",
            text_at(b->deployment, "name"), key, near ? ": did you mean `" : "", near ? near : "",
            near ? "`?" : "");
    }
    return ERR_OK;
}

/* After the names: a misspelt one is missing, too. */
static enum err_code check_required(struct cli *cli, const struct batch *b)
{
    json_t *required = json_at(b->deployment, "parameter_openapi_schema.required"), *name;
    json_t *defaults = json_at(b->deployment, "parameters");
    json_t *first = json_array_get(b->combinations, 0);
    size_t i;

    json_array_foreach(required, i, name)
    {
        const char *key = json_string_value(name);
        if (key && !json_object_get(first, key) && !json_object_get(defaults, key))
            return err_set(&cli->err, INVALID,
                           "the deployment %.80s needs the parameter `%.80s`: -p %.80s=VALUE",
                           text_at(b->deployment, "name"), key, key);
    }
    return ERR_OK;
}

static const char *choose_campaign(struct cli *cli, const struct batch *b, const char *name)
{
    if (!name)
        name = cli_option(cli, "campaign");
    time_t now_s = (time_t)(clock_now_us() / 1000000);
    struct tm tm;
    char stamp[32];

    if (name || (json_object_size(b->axes) == 0 && !cli_option(cli, "report")))
        return name;
    strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", gmtime_r(&now_s, &tm));
    return arena_printf(&cli->arena, "%s-%s", text_at(b->deployment, "name"), stamp);
}

static json_t *run_request(struct cli *cli, const struct batch *b, json_t *params)
{
    const char *name = cli_option(cli, "name");
    char once[UUID_TEXT_BYTES];
    json_t *tags = json_array(), *body;

    for (int i = 0; i < cli->hit_count; i++)
        if (strcmp(cli->hits[i].row->name, "tag") == 0)
            json_array_append_new(tags, json_string(cli->hits[i].value));
    if (b->campaign)
        json_array_append_new(tags, json_sprintf("campaign:%s", b->campaign));
    uuid_format(uuid_v7(), once);
    const char *key = b->campaign
                          ? run_key(&cli->arena, b->campaign, text_at(b->deployment, "id"), params)
                          : arena_printf(&cli->arena, "cli/%s", once);
    body = json_pack("{s:{s:s},s:O,s:o,s:s}", "state", "type", "SCHEDULED", "parameters", params,
                     "tags", tags, "idempotency_key", key);
    if (b->queue)
        json_object_set_new(body, "work_queue_name", json_string(b->queue));
    if (!name)
        name = combination_name(&cli->arena, b->axes, params);
    if (name)
        json_object_set_new(body, "name", json_string(name));
    return body;
}

static bool ended_badly(json_t *run)
{
    const char *type = text_at(run, "state_type");

    return strcmp(type, "FAILED") == 0 || strcmp(type, "CRASHED") == 0 ||
           strcmp(type, "CANCELLED") == 0;
}

static enum err_code create_run(struct cli *cli, struct batch *b, json_t *params)
{
    struct arena *a = &cli->arena;
    json_t *run = NULL;
    const char *path =
        arena_printf(a, "/deployments/%s/create_flow_run", text_at(b->deployment, "id"));

    enum err_code code = rest_post(&cli->rest, path, run_request(cli, b, params), &run);
    if (code)
        return code;
    json_array_append(b->ids, json_at(run, "id"));
    bool there = cli->rest.status == 200;
    if (there && cli_option(cli, "retry-failed") && ended_badly(run)) {
        b->again++;
        return run_set_state(cli, text_at(run, "id"), "SCHEDULED", "AwaitingRetry");
    }
    b->created += !there;
    b->there += there;
    return ERR_OK;
}

/* Of the runs that were there before those that ended badly. */
static enum err_code retry_failed(struct cli *cli, struct batch *b, json_t *there)
{
    enum err_code code = ERR_OK;
    json_t *ids = json_array(), *id;
    size_t i;
    int again = 0;

    json_array_foreach(there, i, id)
    {
        json_array_append(ids, id);
        if (json_array_size(ids) < BULK_RUNS && i + 1 < json_array_size(there))
            continue;
        code = runs_set_state(cli,
                              json_pack("{s:{s:O}, s:{s:{s:[s, s, s]}}}", "id", "any_", ids,
                                        "state", "type", "any_", "FAILED", "CRASHED", "CANCELLED"),
                              "SCHEDULED", "AwaitingRetry", &again);
        if (code)
            break;
        json_array_clear(ids);
    }
    json_decref(ids);
    b->again += again;
    b->there -= again;
    return code;
}

/* Those from `from` on in one request; *out_known false: this server (a Prefect) has no such route.
 */
static enum err_code create_batch(struct cli *cli, struct batch *b, size_t from, bool *out_known)
{
    struct arena *a = &cli->arena;
    json_t *body = json_array(), *made = NULL, *run, *there = json_array();
    size_t i, end = json_array_size(b->combinations);
    arena_defer(a, release_json, there);
    const char *path =
        arena_printf(a, "/switchyard/deployments/%s/runs", text_at(b->deployment, "id"));

    end = end > from + BATCH_RUNS ? from + BATCH_RUNS : end;
    for (i = from; i < end; i++)
        json_array_append_new(body, run_request(cli, b, json_array_get(b->combinations, i)));
    enum err_code code = rest_post(&cli->rest, path, body, &made);
    *out_known = code != ERR_NOT_FOUND && code != ERR_METHOD;
    if (code)
        return *out_known ? code : ERR_OK;
    json_array_foreach(made, i, run)
    {
        bool created = json_is_true(json_at(run, "created"));
        json_array_append(b->ids, json_at(run, "id"));
        b->created += created;
        b->there += !created;
        if (!created)
            json_array_append(there, json_at(run, "id"));
    }
    return cli_option(cli, "retry-failed") ? retry_failed(cli, b, there) : ERR_OK;
}

static enum err_code create_runs(struct cli *cli, struct batch *b)
{
    size_t count = json_array_size(b->combinations), at = 0;
    bool at_once = count > 1;
    enum err_code code = ERR_OK;

    while (at < count && !code) {
        const struct arena_mark mark = arena_mark(&cli->arena);
        if (at_once)
            code = create_batch(cli, b, at, &at_once);
        else
            code = create_run(cli, b, json_array_get(b->combinations, at++));
        arena_rewind(&cli->arena, &mark);
        if (at_once)
            at += BATCH_RUNS;
        progress(cli, "runs", at < count ? at : count, count);
    }
    progress_end(cli);
    return code;
}

static void say_created(struct cli *cli, const struct batch *b)
{
    struct arena *a = &cli->arena;
    const char *line = arena_printf(a, "%d run%s created", b->created, b->created == 1 ? "" : "s");

    if (b->there)
        line = arena_printf(a, "%s, %d there already", line, b->there);
    if (b->again)
        line = arena_printf(a, "%s, %d started again", line, b->again);
    if (b->campaign)
        line = arena_printf(a, "%s; campaign %s", line, b->campaign);
    fprintf(stderr, "%s\n", safe_text(a, line));
}

/* Runs that the campaign has besides: made with other parameters, or by another deployment. */
static void say_others(struct cli *cli, const struct batch *b)
{
    json_t *status = NULL;
    const char *path = arena_printf(&cli->arena, "/switchyard/campaigns/%s",
                                    http_escape(&cli->arena, b->campaign));

    if (rest_get(&cli->rest, path, &status))
        return; /* the runs are made; this is a remark only */
    json_int_t others =
        json_integer_value(json_at(status, "total")) - b->created - b->there - b->again;
    if (others > 0)
        fprintf(
            stderr,
            "%s has %lld other run%s, with other parameters or of another deployment: they stay\n",
            safe_text(&cli->arena, b->campaign), (long long)others, others == 1 ? "" : "s");
}

/* The runs as they are now, in the order of ids. */
static enum err_code show_runs(struct cli *cli, json_t *runs)
{
    const struct resource *r = resource_named("flow-run");

    if (cli->json) {
        json_print(stdout, runs);
        return ERR_OK;
    }
    enum err_code code = add_names(cli, runs);
    cli->term.now_us = clock_now_us();
    if (!code)
        resource_show(cli, r, runs);
    return code;
}

static enum err_code read_runs(struct cli *cli, json_t *ids, json_t *out_runs)
{
    json_t *id, *run;
    size_t i;

    json_array_foreach(ids, i, id)
    {
        const char *path = arena_printf(&cli->arena, "/flow_runs/%s", json_string_value(id));
        enum err_code code = rest_get(&cli->rest, path, &run);
        if (code)
            return code;
        json_array_append(out_runs, run);
    }
    return ERR_OK;
}

static enum err_code follow(struct cli *cli, struct batch *b)
{
    const char *folder = cli_option(cli, "report");
    const char *title = b->campaign ? b->campaign : text_at(b->deployment, "name");
    struct watch_result result = {0};
    int64_t timeout_s = 0;
    json_t *runs = NULL;

    enum err_code code = cli_option_count(cli, "timeout", INT32_MAX, &timeout_s);
    if (!code)
        code = watch_runs(cli, title, b->ids, timeout_s, &result, &runs);
    if (code)
        return code;
    watch_verdict(cli, result.interrupted, result.time_up, result.failed);
    if (result.interrupted)
        return ERR_OK;
    http_client_patience(cli->http, PATIENCE_MS);
    code = show_runs(cli, runs);
    if (!code && folder && !result.time_up)
        code = report_make(cli, b->campaign, folder);
    return code;
}

/* Everything that can be wrong, before anything is made; then the campaign's queue.  `campaign`
 * NULL: the options say it. */
static enum err_code prepare(struct cli *cli, struct batch *b, const char *deployment,
                             const char *campaign)
{
    enum err_code code = campaign ? campaign_check_name(cli, campaign) : ERR_OK;
    if (!code)
        code = read_params(cli, b, campaign);
    if (!code)
        code = resolve_deployment(cli, deployment, &b->deployment);
    if (!code)
        code = check_names(cli, b);
    if (!code)
        code = check_required(cli, b);
    if (!code && campaign)
        code = campaign_queue(cli, campaign, b->deployment, &b->queue);
    if (!code)
        b->campaign = choose_campaign(cli, b, campaign);
    return code;
}

static enum err_code make_runs(struct cli *cli, const char *deployment, const char *campaign)
{
    bool wait = cli_option(cli, "watch") || cli_option(cli, "report") || cli_option(cli, "timeout");
    struct batch b = {.params = json_object(), .axes = json_object(), .ids = json_array()};
    json_t *runs = json_array();

    arena_defer(&cli->arena, release_json, b.params);
    arena_defer(&cli->arena, release_json, b.axes);
    arena_defer(&cli->arena, release_json, b.ids);
    arena_defer(&cli->arena, release_json, runs);
    enum err_code code = prepare(cli, &b, deployment, campaign);
    if (code)
        return code;
    http_client_patience(cli->http, PATIENCE_MS);
    code = create_runs(cli, &b);
    if (code)
        return code;
    say_created(cli, &b);
    if (campaign)
        say_others(cli, &b);
    if (wait) {
        http_client_patience(cli->http, 0);
        return follow(cli, &b);
    }
    if (campaign)
        return ERR_OK; /* thousands of rows: `campaign status` tells more */
    code = read_runs(cli, b.ids, runs);
    return code ? code : show_runs(cli, runs);
}

enum err_code cmd_run(struct cli *cli)
{
    return make_runs(cli, cli->words[0], NULL);
}

enum err_code cmd_campaign_create(struct cli *cli)
{
    return make_runs(cli, cli->words[1], cli->words[0]);
}
