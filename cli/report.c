#include "cli/actions.h"
#include "cli/params.h"
#include "cli/watch.h"

#include "shared/base/uuid.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define REPORT_DEPLOYMENT "energy-report/default"

static void release_json(void *value)
{
    json_decref(value);
}

/* A name that stays inside the folder: its last part, not empty and not hidden. */
static const char *safe_name(const char *name)
{
    const char *slash = strrchr(name, '/');

    name = slash ? slash + 1 : name;
    return *name && *name != '.' ? name : NULL;
}

static enum err_code save_one(struct cli *cli, json_t *file, const char *folder, int *in_out_count)
{
    const char *name = safe_name(text_at(file, "name")), *sha = text_at(file, "sha256");

    sha += strncmp(sha, "sha256:", 7) == 0 ? 7 : 0;
    if (!name || strlen(sha) != SHA256_TEXT_BYTES - 1)
        return ERR_OK;
    const char *to = arena_printf(&cli->arena, "%s/%s", folder, name);
    const char *path =
        arena_printf(&cli->arena, "/switchyard/files/%s", http_escape(&cli->arena, sha));
    enum err_code code = rest_save_file(&cli->rest, path, to);
    if (!code)
        ++*in_out_count;
    if (!code && !cli->json)
        printf("%s\n", to);
    return code;
}

/* Every artifact of the run that lists files: {"files": [{"name", "sha256"}]}. */
static enum err_code save_files(struct cli *cli, const char *run_id, const char *folder)
{
    json_t *artifacts = NULL, *artifact, *file;
    size_t i, j;
    int count = 0;

    enum err_code code = rest_post(&cli->rest, "/artifacts/filter",
                                   filter_any("artifacts", "flow_run_id", run_id), &artifacts);
    if (code)
        return code;
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return err_set(&cli->err, IO, "the folder %.200s cannot be made: %s", folder,
                       strerror(errno));
    json_array_foreach(artifacts, i, artifact)
        json_array_foreach(json_at(artifact, "data.files"), j, file)
    {
        code = save_one(cli, file, folder, &count);
        if (code)
            return code;
    }
    if (count == 0)
        return err_set(&cli->err, NOT_FOUND, "the report's run %s has no files", run_id);
    return ERR_OK;
}

enum err_code report_make(struct cli *cli, const char *campaign, const char *folder)
{
    json_t *deployment = NULL, *run = NULL, *runs = NULL, *ids = json_array();
    struct watch_result result;
    char once[UUID_TEXT_BYTES];

    arena_defer(&cli->arena, release_json, ids);
    enum err_code code = resolve_deployment(cli, REPORT_DEPLOYMENT, &deployment);
    if (code)
        return code;
    uuid_format(uuid_v7(), once);
    const char *path =
        arena_printf(&cli->arena, "/deployments/%s/create_flow_run", text_at(deployment, "id"));
    const char *key = arena_printf(&cli->arena, "report/%s", once);
    const char *tag = arena_printf(&cli->arena, "campaign:%s", campaign);
    code = rest_post(&cli->rest, path,
                     json_pack("{s:{s:s},s:{s:s},s:[s],s:s,s:s}", "state", "type", "SCHEDULED",
                               "parameters", "campaign", campaign, "tags", tag, "idempotency_key",
                               key, "name", arena_printf(&cli->arena, "report-%s", campaign)),
                     &run);
    if (code)
        return code;
    json_array_append(ids, json_at(run, "id"));
    http_client_patience(cli->http, 0);
    code = watch_runs(cli, "report", ids, 0, &result, &runs);
    http_client_patience(cli->http, INT64_C(120000));
    if (code)
        return code;
    if (!result.completed) {
        watch_verdict(cli, result.interrupted, 0, result.failed);
        return ERR_OK;
    }
    return save_files(cli, text_at(run, "id"), folder);
}

enum err_code cmd_report(struct cli *cli)
{
    const char *folder = cli_option(cli, "dir");

    return report_make(cli, cli->words[0], folder && *folder ? folder : "report");
}
