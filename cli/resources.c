#include "cli/resources.h"

#include "shared/base/uuid.h"

#include <string.h>

enum { PAGE = 200, MOST = 10000 };

static const struct column run_columns[] = {
    {"ID", "id", CELL_ID, true},
    {"NAME", "name", CELL_TEXT, false},
    {"STATE", "state_name", CELL_STATE, true},
    {"DEPLOYMENT", "deployment_name", CELL_TEXT, false},
    {"WHEN", "expected_start_time", CELL_AGO, true},
    {"TOOK", "estimated_run_time", CELL_DURATION, true},
    {NULL},
};
static const struct column run_details[] = {
    {"Run", "name"},
    {"Id", "id"},
    {"State", "state_name", CELL_STATE},
    {"Message", "state.message"},
    {"Flow", "flow_name"},
    {"Deployment", "deployment_name"},
    {"Work pool", "work_pool_name"},
    {"Created", "created", CELL_AGO},
    {"Started", "start_time", CELL_AGO},
    {"Ended", "end_time", CELL_AGO},
    {"Took", "estimated_run_time", CELL_DURATION},
    {"Attempts", "run_count"},
    {"Tags", "tags", CELL_LIST},
    {"Parameters", "parameters"},
    {NULL},
};
static const struct column deployment_columns[] = {
    {"NAME", "full_name", CELL_TEXT, false},
    {"WORK POOL", "work_pool_name", CELL_TEXT, false},
    {"STATUS", "status", CELL_TEXT, true},
    {"PAUSED", "paused", CELL_SWITCH, true},
    {"TAGS", "tags", CELL_LIST, false},
    {"UPDATED", "updated", CELL_AGO, true},
    {NULL},
};
static const struct column deployment_details[] = {
    {"Deployment", "full_name"},
    {"Id", "id"},
    {"Description", "description"},
    {"Work pool", "work_pool_name"},
    {"Work queue", "work_queue_name"},
    {"Status", "status"},
    {"Paused", "paused"},
    {"Version", "version"},
    {"Created", "created", CELL_AGO},
    {"Updated", "updated", CELL_AGO},
    {"Tags", "tags", CELL_LIST},
    {"Schedules", "schedules"},
    {"Parameters", "parameters"},
    {"Parameter schema", "parameter_openapi_schema"},
    {"Job variables", "job_variables"},
    {NULL},
};
static const struct column pool_columns[] = {
    {"NAME", "name", CELL_TEXT, false},
    {"TYPE", "type", CELL_TEXT, true},
    {"STATUS", "status", CELL_TEXT, true},
    {"LIMIT", "concurrency_limit", CELL_TEXT, true},
    {"DESCRIPTION", "description", CELL_TEXT, false},
    {"UPDATED", "updated", CELL_AGO, true},
    {NULL},
};
static const struct column pool_details[] = {
    {"Work pool", "name"},
    {"Id", "id"},
    {"Type", "type"},
    {"Status", "status"},
    {"Description", "description"},
    {"Paused", "is_paused"},
    {"Limit", "concurrency_limit"},
    {"In use", "active_slots"},
    {"Created", "created", CELL_AGO},
    {"Updated", "updated", CELL_AGO},
    {"Job template", "base_job_template"},
    {NULL},
};
static const struct column block_columns[] = {
    {"NAME", "full_name", CELL_TEXT, false},
    {"TYPE", "block_type.name", CELL_TEXT, false},
    {"UPDATED", "updated", CELL_AGO, true},
    {"ID", "id", CELL_ID, true},
    {NULL},
};
static const struct column block_details[] = {
    {"Block", "full_name"},
    {"Id", "id"},
    {"Type", "block_type.name"},
    {"Created", "created", CELL_AGO},
    {"Updated", "updated", CELL_AGO},
    {"Data", "data"},
    {NULL},
};
static const struct column variable_columns[] = {
    {"NAME", "name", CELL_TEXT, false},
    {"VALUE", "value", CELL_TEXT, false},
    {"TAGS", "tags", CELL_LIST, false},
    {"UPDATED", "updated", CELL_AGO, true},
    {NULL},
};
static const struct column device_columns[] = {
    {"NAME", "name", CELL_TEXT, true},
    {"TYPE", "type", CELL_TEXT, true},
    {"TARGET", "target", CELL_TEXT, false},
    {"STATUS", "status", CELL_TEXT, true},
    {"FOR", "user", CELL_TEXT, false},
    {"FIRMWARE", "versions", CELL_LIST, false},
    {"AGENT", "agent_name", CELL_TEXT, false},
    {"SEEN", "last_seen", CELL_AGO, true},
    {NULL},
};

static const struct column key_columns[] = {
    {"NAME", "name", CELL_TEXT, false},
    {"CREATED", "created", CELL_AGO, true},
    {"EXPIRES", "expires", CELL_TEXT, false},
    {NULL},
};

static const struct resource resources[] = {
    {"flow-run", "flow run", "/flow_runs/filter", NULL, resolve_run, "/flow_runs/%s", "id", "name",
     run_columns, run_details, "No runs. `switchyard run DEPLOYMENT` creates one."},
    {"deployment", "deployment", "/deployments/filter", NULL, resolve_deployment, "/deployments/%s",
     "id", "full_name", deployment_columns, deployment_details,
     "No deployments. `switchyard deploy FILE` creates one."},
    {"work-pool", "work pool", "/work_pools/filter", "/work_pools/%s", NULL, "/work_pools/%s",
     "name", "name", pool_columns, pool_details,
     "No work pools. `switchyard work-pool create NAME` creates one."},
    {"block", "block", "/block_documents/filter", NULL, resolve_block, "/block_documents/%s", "id",
     "full_name", block_columns, block_details,
     "No blocks. `switchyard block create TYPE/NAME` creates one."},
    {"variable", "variable", "/variables/filter", "/variables/name/%s", NULL, "/variables/name/%s",
     "name", "name", variable_columns, variable_columns,
     "No variables. `switchyard variable set NAME VALUE` creates one."},
    {"device", "device", "/switchyard/devices", NULL, NULL, NULL, NULL, "name", device_columns,
     NULL, "No devices. A worker with boards or meters announces them when it starts."},
    {"api-key", "API key", "/switchyard/api_keys/filter", "/switchyard/api_keys/%s", NULL,
     "/switchyard/api_keys/%s", "name", "name", key_columns, key_columns,
     "No API keys. `switchyard api-key create NAME` makes one."},
};

const struct resource *resource_named(const char *name)
{
    for (size_t i = 0; i < COUNT(resources); i++)
        if (strcmp(resources[i].name, name) == 0)
            return &resources[i];
    return NULL;
}

static void release_json(void *value)
{
    json_decref(value);
}

static enum err_code list_pages(struct cli *cli, const struct resource *r, json_t *filter,
                                int64_t limit, json_t *rows)
{
    enum err_code code = ERR_OK;
    size_t got = PAGE;

    while (!code && got == PAGE && (int64_t)json_array_size(rows) < limit) {
        json_t *page = NULL, *body = json_deep_copy(filter);
        int64_t left = limit - (int64_t)json_array_size(rows);
        json_object_set_new(body, "limit", json_integer(left < PAGE ? left : PAGE));
        json_object_set_new(body, "offset", json_integer((json_int_t)json_array_size(rows)));
        code = rest_post(&cli->rest, r->list_path, body, &page);
        got = json_array_size(page);
        if (!code)
            json_array_extend(rows, page);
    }
    return code;
}

/* Who has it, a run or a person; its firmware in few words: what USB says is worth one only where
 * nothing better is known. */
static void complete_device(json_t *device)
{
    json_t *leases = json_at(device, "leases"), *firmware = json_at(device, "firmware"), *version;
    json_t *versions = json_array(), *user = json_incref(json_at(device, "held_by"));
    const char *run = text_at(json_array_get(leases, 0), "flow_run_name"), *part;
    size_t count = json_array_size(leases);

    if (count) {
        json_decref(user);
        user = count > 1 ? json_sprintf("%zu runs", count) : json_string(run);
    }
    json_object_set_new(device, "user", user);
    json_object_foreach(firmware, part,
                        version) if (strcmp(part, "usb") != 0 || json_object_size(firmware) == 1)
        json_array_append_new(versions, json_sprintf("%s %s", part, json_string_value(version)));
    json_object_set_new(device, "versions", versions);
}

/* Members that the tables show and the server does not send as such. */
static enum err_code complete_rows(struct cli *cli, const struct resource *r, json_t *rows)
{
    size_t i;
    json_t *row;

    if (strcmp(r->name, "block") == 0) {
        json_array_foreach(rows, i, row) json_object_set_new(
            row, "full_name",
            json_sprintf("%s/%s", text_at(row, "block_type.slug"), text_at(row, "name")));
        return ERR_OK;
    }
    if (strcmp(r->name, "device") == 0 && !cli->json)
        json_array_foreach(rows, i, row) complete_device(row);
    bool named = strcmp(r->name, "flow-run") == 0 || strcmp(r->name, "deployment") == 0;
    return named ? add_names(cli, rows) : ERR_OK;
}

enum err_code resource_list(struct cli *cli, const struct resource *r, json_t *filter,
                            int64_t limit, json_t **out)
{
    json_t *body = filter ? filter : json_object(), *rows = json_array();
    enum err_code code = cli_connect(cli);

    arena_defer(&cli->arena, release_json, rows);
    if (!code && !strstr(r->list_path, "filter")) {
        json_t *reply = NULL;
        code = rest_get(&cli->rest, r->list_path, &reply);
        if (!code)
            json_array_extend(rows,
                              json_is_array(reply) ? reply : json_object_get(reply, "results"));
    } else if (!code) {
        code = list_pages(cli, r, body, limit, rows);
    }
    json_decref(body);
    if (!code)
        code = complete_rows(cli, r, rows);
    if (!code)
        *out = rows;
    return code;
}

enum err_code resource_find(struct cli *cli, const struct resource *r, const char *name,
                            json_t **out)
{
    enum err_code code = cli_connect(cli);

    if (code || r->resolve)
        return code ? code : r->resolve(cli, name, out);
    const char *escaped = http_escape(&cli->arena, name);
    const char *path =
        arena_printf(&cli->arena, "%.*s%s", (int)strcspn(r->one_path, "%"), r->one_path, escaped);
    code = rest_get(&cli->rest, path, out);
    if (code == ERR_NOT_FOUND)
        return err_set(&cli->err, NOT_FOUND,
                       "there is no %s `%.80s`; `switchyard %s ls` lists them", r->what, name,
                       r->name);
    return code;
}

void resource_show(struct cli *cli, const struct resource *r, json_t *rows)
{
    if (cli->json)
        json_print(stdout, rows);
    else if (json_array_size(rows) == 0)
        fprintf(stderr, "%s\n", r->empty);
    else
        table_print(&cli->term, &cli->arena, r->columns, rows);
}

json_t *filter_any(const char *group, const char *member, const char *text)
{
    return json_pack("{s:{s:{s:[s]}}}", group, member, "any_", text);
}

static const struct resource *resource_of(const struct cli *cli)
{
    return resource_named(cli->path[1]->name);
}

enum err_code cmd_list(struct cli *cli)
{
    const struct resource *r = resource_of(cli);
    json_t *rows = NULL;

    enum err_code code = resource_list(cli, r, NULL, MOST, &rows);
    if (!code)
        resource_show(cli, r, rows);
    return code;
}

enum err_code cmd_inspect(struct cli *cli)
{
    const struct resource *r = resource_of(cli);
    json_t *one = NULL;

    enum err_code code = resource_find(cli, r, cli->words[0], &one);
    if (code)
        return code;
    json_t *alone = json_pack("[O]", one);
    arena_defer(&cli->arena, release_json, alone);
    code = complete_rows(cli, r, alone);
    if (code)
        return code;
    if (cli->json)
        json_print(stdout, one);
    else
        details_print(&cli->term, &cli->arena, r->details, one);
    return ERR_OK;
}

enum err_code cmd_delete(struct cli *cli)
{
    const struct resource *r = resource_of(cli);

    for (int i = 0; i < cli->word_count; i++) {
        json_t *one = NULL;
        enum err_code code = resource_find(cli, r, cli->words[i], &one);
        if (code)
            return code;
        const char *key = http_escape(&cli->arena, text_at(one, r->delete_key));
        const char *path = arena_printf(&cli->arena, "%.*s%s", (int)strcspn(r->delete_path, "%"),
                                        r->delete_path, key);
        code = rest_call(&cli->rest, "DELETE", path, NULL, NULL);
        if (code)
            return code;
        if (!cli->json)
            printf("Deleted the %s %s.\n", r->what, safe_text(&cli->arena, cli->words[i]));
    }
    return ERR_OK;
}
