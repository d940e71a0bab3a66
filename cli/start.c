#include "cli/actions.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_ARGV = MAX_WORDS + 16, PATH_BYTES = 4096 };

/* The program beside this one, else the one in PATH. */
static const char *program_path(struct arena *a, const char *name)
{
    char self[PATH_BYTES];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

    if (n > 0) {
        self[n] = '\0';
        *strrchr(self, '/') = '\0';
        const char *beside = arena_printf(a, "%s/%s", self, name);
        if (access(beside, X_OK) == 0)
            return beside;
    }
    return name;
}

/* Becomes the program.  Words after `--` go to it as they are. */
static enum err_code become(struct cli *cli, const char *name, const char **argv, int argc)
{
    for (int i = 0; i < cli->word_count; i++)
        argv[argc++] = cli->words[i];
    argv[argc] = NULL;
    const char *path = program_path(&cli->arena, name);
    argv[0] = name;
    fflush(stdout);
    execvp(path, (char *const *)(uintptr_t)argv);
    return err_set(&cli->err, IO, "%s cannot be started: %s. Is it installed beside switchyard?",
                   name, strerror(errno));
}

static const char *data_folder(struct arena *a)
{
    const char *base = getenv("XDG_DATA_HOME"), *home = getenv("HOME");

    if (geteuid() == 0)
        return "/var/lib/switchyard";
    if (base && *base)
        return arena_printf(a, "%s/switchyard", base);
    return arena_printf(a, "%s/.local/share/switchyard", home ? home : ".");
}

enum err_code cmd_server_start(struct cli *cli)
{
    const char *listen = cli_option(cli, "listen"), *data = cli_option(cli, "data");
    const char *database = cli_option(cli, "database");
    const char *argv[MAX_ARGV];
    int n = 1;

    if (database) {
        argv[n++] = "--database";
        argv[n++] = database;
    } else {
        argv[n++] = "--dev";
    }
    if (data || !database) {
        argv[n++] = "--data";
        argv[n++] = data ? data : data_folder(&cli->arena);
    }
    argv[n++] = "--listen";
    argv[n++] = listen ? listen : "127.0.0.1:4200";
    return become(cli, "switchyard-server", argv, n);
}

enum err_code cmd_worker_start(struct cli *cli)
{
    const char *pool = cli_option(cli, "pool"), *config = cli_option(cli, "config");
    const char *argv[MAX_ARGV];
    int n = 1;

    if (!pool)
        return err_set(
            &cli->err, INVALID,
            "`switchyard worker start` needs --pool NAME; `switchyard work-pool ls` lists them");
    argv[n++] = "--server";
    argv[n++] = cli->server;
    argv[n++] = "--pool";
    argv[n++] = pool;
    if (config) {
        argv[n++] = "--config";
        argv[n++] = config;
    }
    return become(cli, "switchyard-worker", argv, n);
}

enum err_code cmd_version(struct cli *cli)
{
    json_t *version = NULL;
    enum err_code code = cli_connect(cli);

    if (code)
        return code;
    code = rest_get(&cli->rest, "/admin/version", &version);
    const char *server = code ? NULL : json_string_value(version);
    if (cli->json) {
        json_t *out = json_pack("{s:s,s:s,s:s?}", "version", VERSION, "server", cli->server,
                                "server_api", server);
        json_print(stdout, out);
        json_decref(out);
    } else {
        printf("switchyard %s\nserver     %s (%s%s)\n", VERSION, cli->server,
               server ? "speaks Prefect " : "does not answer", server ? server : "");
    }
    return ERR_OK;
}
