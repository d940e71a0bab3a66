#include "cli/actions.h"

#include "shared/base/sha256.h"
#include "shared/flow/flow.h"

#include <string.h>

enum { VERSION_DIGITS = 12 };

/* One flow file on its way to the server. */
struct shipment {
    const char *file;
    struct flow *flow;
    struct buf text; /* what the agent will read */
    char sha[SHA256_TEXT_BYTES];
};

static void free_buf(void *b)
{
    buf_free(b);
}

static enum err_code read_flow(struct cli *cli, struct shipment *s)
{
    struct problems problems = {.arena = &cli->arena};
    /* The agent has the steps, it checks their members. */
    struct flow_options options = {.step_name = flow_step_name};
    struct buf *said = arena_new(&cli->arena, struct buf);

    said->max_bytes = 1 << 20;
    arena_defer(&cli->arena, free_buf, said);
    s->flow = flow_load_file(&cli->arena, s->file, &options, &problems);
    if (!s->flow || problems.count) {
        problems_print(&problems, said);
        fprintf(stderr, "%.*s", (int)said->len, said->bytes ? said->bytes : "");
        return err_set(&cli->err, INVALID, "%.200s is not a flow that can run: %zu problem%s",
                       s->file, problems.count, problems.count == 1 ? "" : "s");
    }
    s->text.max_bytes = NODE_FILE_BYTES;
    if (!flow_bundle(s->flow, &s->text)) /* one file goes to the agent */
        buf_add(&s->text, s->flow->source->text, s->flow->source->len);
    if (s->text.full)
        return err_set(&cli->err, TOO_LARGE, "%.200s with the flows it uses is larger than 1 MB",
                       s->file);
    sha256_of(s->text.bytes, s->text.len, s->sha);
    return ERR_OK;
}

/* Native flows need a pool that agents of Switchyard serve; a missing one is made. */
static enum err_code ensure_pool(struct cli *cli, const char *name)
{
    struct arena *a = &cli->arena;
    json_t *pool = NULL;

    enum err_code code =
        rest_get(&cli->rest, arena_printf(a, "/work_pools/%s", http_escape(a, name)), &pool);
    if (code == ERR_NOT_FOUND)
        return rest_post(&cli->rest, "/work_pools/",
                         json_pack("{s:s,s:s}", "name", name, "type", "switchyard"), NULL);
    if (!code && strcmp(text_at(pool, "type"), "switchyard") != 0)
        return err_set(
            &cli->err, CONFLICT,
            "the work pool %.80s is of the type %.40s: a native flow needs one of the type "
            "switchyard",
            name, text_at(pool, "type"));
    return code;
}

/* One bench that is told by its target alone is `bench`; everything else is the list `devices`,
 * each with the name that the flow gives it. */
static json_t *device_variables(const struct shipment *s)
{
    json_t *map = s->flow->devices ? node_json(s->flow->devices) : json_object();
    json_t *bench = json_object_get(map, "bench"), *list = json_array(), *selector;
    const char *as;

    if (!json_object_size(map) || (json_object_size(map) == 1 && json_object_size(bench) == 1 &&
                                   json_object_get(bench, "target"))) {
        json_decref(list);
        return map;
    }
    json_object_foreach(map, as, selector)
    {
        json_object_set_new(selector, "as", json_string(as));
        json_array_append(list, selector);
    }
    json_decref(map);
    return json_pack("{s:o}", "devices", list);
}

/* Durations as seconds. */
static json_t *health_variables(const struct shipment *s)
{
    static const char *const durations[][2] = {{"every", "every_s"},
                                               {"return_after", "return_after_s"}};
    json_t *health = node_json(s->flow->health);
    double seconds;

    for (size_t i = 0; i < COUNT(durations); i++) {
        const struct node *given = node_get(s->flow->health, durations[i][0]);
        json_object_del(health, durations[i][0]);
        if (given && flow_duration(given->text, &seconds))
            json_object_set_new(health, durations[i][1], json_real(seconds));
    }
    return health;
}

/* What the agent gets: the file, and the devices it needs; what it checks is for the server. */
static json_t *job_variables(const struct shipment *s)
{
    json_t *job = device_variables(s);

    if (s->flow->health)
        json_object_set_new(job, "health", health_variables(s));

    json_object_set_new(job, "native_flow", json_sprintf("sha256:%s", s->sha));
    return job;
}

static json_t *deployment_request(struct cli *cli, const struct shipment *s, const char *pool,
                                  json_t *flow)
{
    const char *name = cli_option(cli, "name");
    json_t *tags = json_array(), *body;

    for (int i = 0; i < cli->hit_count; i++)
        if (strcmp(cli->hits[i].row->name, "tag") == 0)
            json_array_append_new(tags, json_string(cli->hits[i].value));
    body =
        json_pack("{s:s,s:O,s:s,s:O,s:o,s:o,s:s%,s:b}", "name", name ? name : "default", "flow_id",
                  json_at(flow, "id"), "work_pool_name", pool, "parameter_openapi_schema",
                  s->flow->parameters, "job_variables", job_variables(s), "tags", tags, "version",
                  s->sha, (size_t)VERSION_DIGITS, "enforce_parameter_schema", 1);
    if (s->flow->description)
        json_object_set_new(body, "description", json_string(s->flow->description));
    return body;
}

static enum err_code ship(struct cli *cli, const struct shipment *s, json_t **out)
{
    const char *pool = cli_option(cli, "pool");
    json_t *flow = NULL;

    pool = pool ? pool : "default";
    enum err_code code = cli_connect(cli);
    if (!code)
        code = ensure_pool(cli, pool);
    if (!code)
        code =
            rest_send_bytes(&cli->rest, arena_printf(&cli->arena, "/switchyard/files/%s", s->sha),
                            s->text.bytes, s->text.len);
    if (code == ERR_NOT_FOUND)
        return err_set(&cli->err, NOT_FOUND,
                       "%s has no file store: native flows need switchyard-server", cli->server);
    if (!code)
        code = rest_post(&cli->rest, "/flows/", json_pack("{s:s}", "name", s->flow->name), &flow);
    if (!code)
        code = rest_post(&cli->rest, "/deployments/", deployment_request(cli, s, pool, flow), out);
    if (code)
        return code;
    if (!cli->json)
        printf("%s %s/%s for the work pool %s.\n", cli->rest.status == 201 ? "Created" : "Updated",
               s->flow->name, text_at(*out, "name"), pool);
    return ERR_OK;
}

enum err_code cmd_deploy(struct cli *cli)
{
    struct shipment *all = arena_array(&cli->arena, struct shipment, (size_t)cli->word_count);
    bool only_check = cli_option(cli, "check") != NULL;
    enum err_code worst = ERR_OK, code;

    /* All files are checked before the first one is sent. */
    for (int i = 0; i < cli->word_count; i++) {
        all[i].file = cli->words[i];
        arena_defer(&cli->arena, free_buf, &all[i].text);
        code = read_flow(cli, &all[i]);
        worst = code ? code : worst;
        if (!code && only_check && !cli->json)
            printf("%s: the flow %s is fine.\n", all[i].file, all[i].flow->name);
    }
    if (worst || only_check)
        return worst;
    json_t *made = json_array(), *one = NULL;
    for (int i = 0; !worst && i < cli->word_count; i++) {
        worst = ship(cli, &all[i], &one);
        if (!worst)
            json_array_append(made, one);
    }
    if (!worst && cli->json)
        json_print(stdout, made);
    json_decref(made);
    return worst;
}
