#include "cli/actions.h"
#include "cli/params.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { MAX_LIMIT = 1000000, MAX_DAYS = 36500 };

/* ---- work pools ---- */

enum err_code cmd_pool_create(struct cli *cli)
{
    const char *type = cli_option(cli, "type"), *about = cli_option(cli, "description");
    json_t *body =
        json_pack("{s:s,s:s}", "name", cli->words[0], "type", type ? type : "switchyard");
    int64_t limit = -1;

    enum err_code code = cli_option_count(cli, "limit", MAX_LIMIT, &limit);
    if (limit >= 0)
        json_object_set_new(body, "concurrency_limit", json_integer(limit));
    if (about)
        json_object_set_new(body, "description", json_string(about));
    if (cli_option(cli, "paused"))
        json_object_set_new(body, "is_paused", json_true());
    json_t *pool = NULL;
    if (!code)
        code = cli_connect(cli);
    if (code) {
        json_decref(body);
        return code;
    }
    code = rest_post(&cli->rest, "/work_pools/", body, &pool);
    if (code)
        return code;
    if (cli->json)
        json_print(stdout, pool);
    else
        printf("Created the work pool %s. `switchyard worker start --pool %s` serves it.\n",
               cli->words[0], cli->words[0]);
    return ERR_OK;
}

static enum err_code pool_set_paused(struct cli *cli, bool paused)
{
    json_t *pool = NULL;

    for (int i = 0; i < cli->word_count; i++) {
        enum err_code code = resource_find(cli, resource_named("work-pool"), cli->words[i], &pool);
        const char *path =
            arena_printf(&cli->arena, "/work_pools/%s", http_escape(&cli->arena, cli->words[i]));
        if (!code)
            code =
                rest_call(&cli->rest, "PATCH", path, json_pack("{s:b}", "is_paused", paused), NULL);
        if (code)
            return code;
        if (!cli->json)
            printf("%s the work pool %s.\n", paused ? "Paused" : "Resumed", cli->words[i]);
    }
    return ERR_OK;
}

enum err_code cmd_pool_pause(struct cli *cli)
{
    return pool_set_paused(cli, true);
}

enum err_code cmd_pool_resume(struct cli *cli)
{
    return pool_set_paused(cli, false);
}

/* ---- API keys ---- */

enum err_code cmd_key_create(struct cli *cli)
{
    json_t *body = json_pack("{s:s}", "name", cli->words[0]), *made = NULL;
    int64_t days = 0;

    enum err_code code = cli_option_count(cli, "days", MAX_DAYS, &days);
    if (!code)
        code = cli_connect(cli);
    if (code) {
        json_decref(body);
        return code;
    }
    if (days)
        json_object_set_new(body, "expires", json_integer(time(NULL) + days * 86400));
    code = rest_post(&cli->rest, "/switchyard/api_keys/", body, &made);
    if (code)
        return code;
    if (cli->json)
        json_print(stdout, made);
    else
        printf("%s\n", text_at(made, "key"));
    return ERR_OK;
}

/* ---- blocks ---- */

enum err_code cmd_block_types(struct cli *cli)
{
    static const struct column columns[] = {
        {"TYPE", "slug", CELL_TEXT, true},
        {"NAME", "name", CELL_TEXT, false},
        {"DESCRIPTION", "description", CELL_TEXT, false},
        {NULL},
    };
    const struct resource types = {.name = "",
                                   .list_path = "/block_types/filter",
                                   .columns = columns,
                                   .empty = "No block types."};
    json_t *rows = NULL;

    enum err_code code = resource_list(cli, &types, NULL, MAX_LIMIT, &rows);
    if (!code)
        resource_show(cli, &types, rows);
    return code;
}

/* --file FILE first, then every --set KEY=VALUE over it. */
static enum err_code block_data(struct cli *cli, json_t **out)
{
    const char *file = cli_option(cli, "file");
    json_error_t at;
    json_t *data = json_object();
    enum err_code code = ERR_OK;

    if (file) {
        json_decref(data);
        data = strcmp(file, "-") == 0 ? json_loadf(stdin, JSON_REJECT_DUPLICATES, &at)
                                      : json_load_file(file, JSON_REJECT_DUPLICATES, &at);
        if (!json_is_object(data)) {
            json_decref(data);
            return err_set(&cli->err, INVALID, "%s:%d:%d: expected a JSON object: %s", file,
                           at.line < 0 ? 0 : at.line, at.column < 0 ? 0 : at.column, at.text);
        }
    }
    for (int i = 0; !code && i < cli->hit_count; i++)
        if (strcmp(cli->hits[i].row->name, "set") == 0)
            code = param_set(&cli->err, cli->hits[i].value, data);
    if (code)
        json_decref(data);
    else
        *out = data;
    return code;
}

static enum err_code newest_schema(struct cli *cli, const char *slug, json_t **out_type,
                                   json_t **out_schema)
{
    struct arena *a = &cli->arena;
    json_t *found = NULL;

    enum err_code code = rest_get(
        &cli->rest, arena_printf(a, "/block_types/slug/%s", http_escape(a, slug)), out_type);
    if (code == ERR_NOT_FOUND)
        return err_set(&cli->err, NOT_FOUND,
                       "there is no block type `%.80s`; `switchyard block types` lists them", slug);
    if (!code)
        code = rest_post(&cli->rest, "/block_schemas/filter",
                         filter_any("block_schemas", "block_type_id", text_at(*out_type, "id")),
                         &found);
    if (code)
        return code;
    *out_schema = json_array_get(found, 0);
    return *out_schema ? ERR_OK
                       : err_set(&cli->err, NOT_FOUND, "the block type %s has no schema", slug);
}

enum err_code cmd_block_create(struct cli *cli)
{
    const char *slash = strchr(cli->words[0], '/');
    json_t *type = NULL, *schema = NULL, *data = NULL, *block = NULL;

    if (!slash || !slash[1])
        return err_set(&cli->err, INVALID, "`%.80s` is no name for a block: expected TYPE/NAME",
                       cli->words[0]);
    enum err_code code = cli_connect(cli);
    if (!code)
        code = newest_schema(
            cli, arena_strndup(&cli->arena, cli->words[0], (size_t)(slash - cli->words[0])), &type,
            &schema);
    if (!code)
        code = block_data(cli, &data);
    if (code)
        return code;
    code =
        rest_post(&cli->rest, "/block_documents/",
                  json_pack("{s:s,s:o,s:O,s:O}", "name", slash + 1, "data", data, "block_schema_id",
                            json_at(schema, "id"), "block_type_id", json_at(type, "id")),
                  &block);
    if (code)
        return code;
    if (cli->json)
        json_print(stdout, block);
    else
        printf("Created the block %s. In a flow: {{ prefect.blocks.%.*s.%s }}\n", cli->words[0],
               (int)(slash - cli->words[0]), cli->words[0], slash + 1);
    return ERR_OK;
}

/* ---- variables ---- */

enum err_code cmd_variable_get(struct cli *cli)
{
    json_t *variable = NULL;
    enum err_code code = resource_find(cli, resource_named("variable"), cli->words[0], &variable);

    if (code)
        return code;
    json_t *value = json_at(variable, "value");
    if (cli->json || !json_is_string(value))
        json_print(stdout, value);
    else
        printf("%s\n", json_string_value(value));
    return ERR_OK;
}

enum err_code cmd_variable_set(struct cli *cli)
{
    const char *name = cli->words[0];
    const char *path =
        arena_printf(&cli->arena, "/variables/name/%s", http_escape(&cli->arena, name));
    json_t *body = json_pack("{s:s}", "name", name), *tags = json_array();
    json_t *value = json_loads(cli->words[1], JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);

    json_object_set_new(body, "value", value ? value : json_string(cli->words[1]));
    for (int i = 0; i < cli->hit_count; i++)
        if (strcmp(cli->hits[i].row->name, "tag") == 0)
            json_array_append_new(tags, json_string(cli->hits[i].value));
    if (json_array_size(tags))
        json_object_set(body, "tags", tags);
    json_decref(tags);
    enum err_code code = cli_connect(cli);
    if (!code)
        code = rest_call(&cli->rest, "PATCH", path, json_incref(body), NULL);
    if (code == ERR_NOT_FOUND)
        code = rest_post(&cli->rest, "/variables/", json_incref(body), NULL);
    json_decref(body);
    if (!code && !cli->json)
        printf("Set the variable %s. In a flow: {{ prefect.variables.%s }}\n", name, name);
    return code;
}

/* ---- files ---- */

enum err_code file_send(struct cli *cli, const char *path, const char **out_sha)
{
    char sha[SHA256_TEXT_BYTES];
    struct stat st;

    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return err_set(&cli->err, INVALID, "%.200s is not a regular file", path);
    enum err_code code = sha256_file(&cli->err, path, sha);
    if (!code)
        code = cli_connect(cli);
    const char *kept = arena_strndup(&cli->arena, sha, strlen(sha));
    if (!code)
        code = rest_send_file(&cli->rest, arena_printf(&cli->arena, "/switchyard/files/%s", kept),
                              path);
    if (!code)
        *out_sha = kept;
    return code;
}

static enum err_code name_file(struct cli *cli, const char *name, const char *sha)
{
    const char *path =
        arena_printf(&cli->arena, "/switchyard/files/names/%s", http_escape(&cli->arena, name));

    return rest_call(&cli->rest, "PUT", path, json_pack("{s:s}", "sha256", sha), NULL);
}

enum err_code cmd_file_put(struct cli *cli)
{
    const char *name = cli_option(cli, "name");

    if (name && cli->word_count > 1)
        return err_set(&cli->err, INVALID, "--name goes with one file");
    for (int i = 0; i < cli->word_count; i++) {
        const char *path = cli->words[i], *slash = strrchr(path, '/'), *sha = NULL;
        const char *as = name ? name : slash ? slash + 1 : path;
        enum err_code code = file_send(cli, path, &sha);
        if (!code)
            code = name_file(cli, as, sha);
        if (code)
            return code;
        printf("sha256:%s  %s\n", sha, as);
    }
    return ERR_OK;
}

enum err_code cmd_file_get(struct cli *cli)
{
    const char *name = cli->words[0], *sha = name;
    json_t *known = NULL;
    enum err_code code = cli_connect(cli);

    if (strncmp(name, "sha256:", 7) == 0) {
        sha = name + 7;
    } else if (!code) {
        code = rest_get(
            &cli->rest,
            arena_printf(&cli->arena, "/switchyard/files/names/%s", http_escape(&cli->arena, name)),
            &known);
        if (code == ERR_NOT_FOUND)
            return err_set(&cli->err, NOT_FOUND, "there is no file `%.80s` on the server", name);
        sha = text_at(known, "sha256");
    }
    const char *to = cli->word_count > 1 ? cli->words[1] : name;
    if (!code)
        code =
            rest_save_file(&cli->rest, arena_printf(&cli->arena, "/switchyard/files/%s", sha), to);
    if (!code && !cli->json)
        printf("%s\n", to);
    return code;
}
