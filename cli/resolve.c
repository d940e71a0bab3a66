#include "cli/resources.h"

#include "shared/base/uuid.h"

#include <string.h>

enum { LOOK_BACK = 2000, MIN_PREFIX = 4 };

static bool is_id(const char *text)
{
    struct uuid id;
    return uuid_parse(text, strlen(text), &id);
}

/* id -> name of the flows, or of the deployments as flow/deployment, that the rows refer to. */
static enum err_code names_by_id(struct cli *cli, const char *group, const char *path, json_t *rows,
                                 const char *member, json_t *out_names)
{
    json_t *ids = json_object(), *any = json_array(), *found = NULL, *row;
    const char *id;
    size_t i;
    enum err_code code = ERR_OK;

    json_array_foreach(rows, i, row) if (*text_at(row, member))
        json_object_set_new(ids, text_at(row, member), json_true());
    void *at = json_object_iter(ids);
    while (at && !code) {
        for (; at && json_array_size(any) < 200; at = json_object_iter_next(ids, at)) {
            id = json_object_iter_key(at);
            json_array_append_new(any, json_string(id));
        }
        code = rest_post(&cli->rest, path, json_pack("{s:{s:{s:O}}}", group, "id", "any_", any),
                         &found);
        if (!code)
            json_array_foreach(found, i, row) json_object_set(out_names, text_at(row, "id"), row);
        json_array_clear(any);
    }
    json_decref(any);
    json_decref(ids);
    return code;
}

enum err_code add_names(struct cli *cli, json_t *rows)
{
    json_t *flows = json_object(), *deployments = json_object(), *row;
    size_t i;

    enum err_code code = names_by_id(cli, "flows", "/flows/filter", rows, "flow_id", flows);
    if (!code)
        code = names_by_id(cli, "deployments", "/deployments/filter", rows, "deployment_id",
                           deployments);
    if (!code)
        json_array_foreach(rows, i, row)
        {
            const char *flow = text_at(json_object_get(flows, text_at(row, "flow_id")), "name");
            json_t *d = json_object_get(deployments, text_at(row, "deployment_id"));
            json_object_set_new(row, "flow_name", json_string(flow));
            if (d)
                json_object_set_new(row, "deployment_name",
                                    json_sprintf("%s/%s", flow, text_at(d, "name")));
            if (!json_object_get(row, "deployment_id")) /* it is one itself */
                json_object_set_new(row, "full_name",
                                    json_sprintf("%s/%s", flow, text_at(row, "name")));
        }
    json_decref(flows);
    json_decref(deployments);
    return code;
}

static enum err_code by_id(struct cli *cli, const char *path, const char *what, const char *name,
                           json_t **out)
{
    enum err_code code = rest_get(&cli->rest, arena_printf(&cli->arena, "%s/%s", path, name), out);

    if (code == ERR_NOT_FOUND)
        return err_set(&cli->err, NOT_FOUND, "there is no %s with the id %s", what, name);
    return code;
}

/* A deployment's own name, without its flow: allowed when only one has it. */
static enum err_code only_deployment(struct cli *cli, const char *name, json_t **out)
{
    json_t *found = NULL;
    enum err_code code = resource_list(cli, resource_named("deployment"),
                                       filter_any("deployments", "name", name), 3, &found);

    if (code)
        return code;
    if (json_array_size(found) == 0)
        return err_set(&cli->err, NOT_FOUND,
                       "there is no deployment `%.80s`; `switchyard deployment ls` lists them",
                       name);
    if (json_array_size(found) > 1)
        return err_set(&cli->err, INVALID,
                       "several flows have a deployment `%.80s`: name one as FLOW/DEPLOYMENT",
                       name);
    *out = json_array_get(found, 0);
    return ERR_OK;
}

enum err_code resolve_deployment(struct cli *cli, const char *name, json_t **out)
{
    const char *slash = strchr(name, '/');
    struct arena *a = &cli->arena;
    enum err_code code = cli_connect(cli);

    if (code)
        return code;
    if (is_id(name))
        return by_id(cli, "/deployments", "deployment", name, out);
    if (!slash)
        return only_deployment(cli, name, out);
    const char *flow = http_escape(a, arena_strndup(a, name, (size_t)(slash - name)));
    const char *path = arena_printf(a, "/deployments/name/%s/%s", flow, http_escape(a, slash + 1));
    code = rest_get(&cli->rest, path, out);
    if (code == ERR_NOT_FOUND)
        return err_set(&cli->err, NOT_FOUND,
                       "there is no deployment `%.80s`; `switchyard deployment ls` lists them",
                       name);
    return code;
}

static enum err_code run_by_prefix(struct cli *cli, const char *prefix, json_t **out)
{
    json_t *rows = NULL, *row, *match = NULL;
    size_t i, len = strlen(prefix);
    const struct resource runs = {.list_path = "/flow_runs/filter", .name = ""};
    enum err_code code =
        resource_list(cli, &runs, json_pack("{s:s}", "sort", "ID_DESC"), LOOK_BACK, &rows);

    if (code)
        return code;
    json_array_foreach(rows, i, row) if (strncmp(text_at(row, "id"), prefix, len) == 0)
    {
        if (match)
            return err_set(&cli->err, INVALID,
                           "several runs have an id that begins with %s: %s, %s", prefix,
                           text_at(match, "id"), text_at(row, "id"));
        match = row;
    }
    if (!match)
        return err_set(&cli->err, NOT_FOUND,
                       "there is no run `%.80s`; `switchyard flow-run ls` lists them", prefix);
    *out = match;
    return ERR_OK;
}

enum err_code resolve_run(struct cli *cli, const char *name, json_t **out)
{
    json_t *found = NULL;
    enum err_code code = cli_connect(cli);

    if (code)
        return code;
    if (is_id(name))
        return by_id(cli, "/flow_runs", "flow run", name, out);
    json_t *body = filter_any("flow_runs", "name", name);
    json_object_set_new(body, "sort", json_string("EXPECTED_START_TIME_DESC"));
    json_object_set_new(body, "limit", json_integer(1));
    code = rest_post(&cli->rest, "/flow_runs/filter", body, &found);
    if (code)
        return code;
    *out = json_array_get(found, 0);
    if (*out)
        return ERR_OK;
    bool hex = strspn(name, "0123456789abcdef-") == strlen(name) && strlen(name) >= MIN_PREFIX;
    if (hex)
        return run_by_prefix(cli, name, out);
    return err_set(&cli->err, NOT_FOUND,
                   "there is no run `%.80s`; `switchyard flow-run ls` lists them", name);
}

enum err_code resolve_block(struct cli *cli, const char *name, json_t **out)
{
    const char *slash = strchr(name, '/');
    struct arena *a = &cli->arena;
    enum err_code code = cli_connect(cli);

    if (code)
        return code;
    if (is_id(name))
        return by_id(cli, "/block_documents", "block", name, out);
    if (!slash)
        return err_set(&cli->err, INVALID, "`%.80s` is no block: expected TYPE/NAME or an id",
                       name);
    const char *type = http_escape(a, arena_strndup(a, name, (size_t)(slash - name)));
    code = rest_get(&cli->rest,
                    arena_printf(a, "/block_types/slug/%s/block_documents/name/%s", type,
                                 http_escape(a, slash + 1)),
                    out);
    if (code == ERR_NOT_FOUND)
        return err_set(&cli->err, NOT_FOUND,
                       "there is no block `%.80s`; `switchyard block ls` lists them", name);
    return code;
}
