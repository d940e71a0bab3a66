#include "server/config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/http/checks.h"

enum setting_kind { SETTING_TEXT, SETTING_FLAG, SETTING_NUMBER, SETTING_SECRET };

struct setting {
    const char *option; /* --option */
    const char *metavar;
    const char *env; /* the environment variable, NULL: none */
    enum setting_kind kind;
    size_t offset;
    const char *def;
    int64_t min, max;
    const char *doc;
};

/* clang-format off */
static const struct setting settings[] = {
    {"dev",        NULL,        NULL,                            SETTING_FLAG,   offsetof(struct config, dev),              NULL,             0, 0,       "run a private PostgreSQL in the data folder"},
    {"data",       "DIR",       "SWITCHYARD_DATA",               SETTING_TEXT,   offsetof(struct config, data),             NULL,             0, 0,       "files, keys and the private PostgreSQL"},
    {"database",   "URI",       "SWITCHYARD_DATABASE_URL",       SETTING_TEXT,   offsetof(struct config, database),         NULL,             0, 0,       "a PostgreSQL 14 or newer"},
    {"listen",     "HOST:PORT", "SWITCHYARD_LISTEN",             SETTING_TEXT,   offsetof(struct config, listen),           "127.0.0.1:4200", 0, 0,       "where to listen"},
    {"auth",       "USER:PASS", "PREFECT_SERVER_API_AUTH_STRING", SETTING_SECRET, offsetof(struct config, auth_string),     NULL,             0, 0,       "basic auth that every client must send"},
    {"threads",    "N",         "SWITCHYARD_THREADS",            SETTING_NUMBER, offsetof(struct config, executor_threads), "8",              1, 256,     "handlers that may wait for the database at once"},
    {"queue",      "N",         "SWITCHYARD_QUEUE",              SETTING_NUMBER, offsetof(struct config, queue_max),        "4096",           1, 1 << 20, "requests that may wait for a thread, then 503"},
    {"ui-api-url", "URL",       "PREFECT_UI_API_URL",            SETTING_TEXT,   offsetof(struct config, ui_api_url),       NULL,             0, 0,       "the API's address as browsers see it"},
};

static const struct {
    const char *name, *doc;
    enum server_command command;
} commands[] = {
    {"migrate",      "bring the schema up to date and exit",  COMMAND_MIGRATE},
    {"check-config", "print the settings in force and exit",  COMMAND_CHECK_CONFIG},
    {"openapi",      "print the OpenAPI document and exit",   COMMAND_OPENAPI},
};
/* clang-format on */

static void *member(struct config *c, const struct setting *s)
{
    return (char *)c + s->offset;
}

static enum err_code set(struct config *c, const struct setting *s, const char *from,
                         const char *text, struct err *e)
{
    char *end;

    if (s->kind == SETTING_FLAG) {
        *(bool *)member(c, s) = true;
        return ERR_OK;
    }
    if (s->kind != SETTING_NUMBER) {
        *(const char **)member(c, s) = text;
        return ERR_OK;
    }
    int64_t n = strtoll(text, &end, 10);
    if (*end || end == text || n < s->min || n > s->max)
        return err_set(e, INVALID,
                       "%s: expected a number from %" PRId64 " to %" PRId64 ", got \"%s\"", from,
                       s->min, s->max, text);
    *(int64_t *)member(c, s) = n;
    return ERR_OK;
}

static const struct setting *find_option(const char *name, size_t len)
{
    for (size_t i = 0; i < COUNT(settings); i++)
        if (strlen(settings[i].option) == len && memcmp(settings[i].option, name, len) == 0)
            return &settings[i];
    return NULL;
}

/* One `--option value`, `--option=value` or `--flag`; *at moves past a value. */
static enum err_code read_option(struct config *c, int argc, char **argv, int *at, struct err *e)
{
    const char *name = argv[*at] + 2, *equals = strchr(name, '=');
    size_t len = equals ? (size_t)(equals - name) : strlen(name);
    const struct setting *s = find_option(name, len);

    if (!s)
        return err_set(e, INVALID, "unknown option --%.*s; see switchyard-server --help", (int)len,
                       name);
    if (s->kind == SETTING_FLAG)
        return set(c, s, argv[*at], "", e);
    if (equals)
        return set(c, s, argv[*at], equals + 1, e);
    if (*at + 1 >= argc)
        return err_set(e, INVALID, "--%s needs a value: %s", s->option, s->metavar);
    (*at)++;
    return set(c, s, argv[*at - 1], argv[*at], e);
}

static bool read_command(const char *arg, enum server_command *out)
{
    if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0 || strcmp(arg, "help") == 0)
        *out = COMMAND_HELP;
    else if (strcmp(arg, "--version") == 0 || strcmp(arg, "version") == 0)
        *out = COMMAND_VERSION;
    else
        for (size_t i = 0; i <= COUNT(commands); i++) {
            if (i == COUNT(commands))
                return false;
            if (strcmp(arg, commands[i].name) == 0) {
                *out = commands[i].command;
                break;
            }
        }
    return true;
}

static enum err_code check(struct arena *a, struct config *c, struct err *e)
{
    if (c->dev && c->database)
        return err_set(e, INVALID, "--dev brings its own database: leave --database out");
    if (!c->dev && !c->database)
        return err_set(e, INVALID, "where is the database? --dev --data DIR, or --database URI");
    if (!c->data) {
        if (c->dev)
            return err_set(e, INVALID, "--dev needs --data DIR, the folder that keeps everything");
        c->data = "/var/lib/switchyard";
    }
    if (!strchr(c->listen, ':'))
        return err_set(e, INVALID, "--listen %s: expected HOST:PORT", c->listen);
    c->spool = arena_printf(a, "%s/spool", c->data);
    if (c->auth_string)
        c->authorization = checks_authorization(c->auth_string);
    return ERR_OK;
}

static enum err_code read_defaults(struct config *c, struct err *e)
{
    for (size_t i = 0; i < COUNT(settings); i++) {
        const struct setting *s = &settings[i];
        const char *env = s->env ? getenv(s->env) : NULL;
        enum err_code rc = ERR_OK;
        if (env && *env)
            rc = set(c, s, s->env, env, e);
        else if (s->def)
            rc = set(c, s, s->option, s->def, e);
        if (rc)
            return rc;
    }
    return ERR_OK;
}

enum err_code config_read(struct arena *a, int argc, char **argv, struct config *out,
                          enum server_command *out_command, struct err *e)
{
    struct config c = {0};
    enum server_command command = COMMAND_SERVE;
    enum err_code rc = read_defaults(&c, e);

    for (int i = 1; i < argc && !rc; i++) {
        if (read_command(argv[i], &command))
            continue;
        if (strncmp(argv[i], "--", 2) != 0)
            return err_set(e, INVALID, "unknown command \"%s\"; see switchyard-server --help",
                           argv[i]);
        rc = read_option(&c, argc, argv, &i, e);
    }
    if (!rc && command < COMMAND_OPENAPI)
        rc = check(a, &c, e);
    if (rc)
        return rc;
    *out = c;
    *out_command = command;
    return ERR_OK;
}

void config_print_help(void)
{
    puts("switchyard-server: flows, runs, work pools and results behind a Prefect 3 API.\n\n"
         "  switchyard-server --dev --data DIR [--listen HOST:PORT]\n"
         "  switchyard-server --database URI [--data DIR] [--listen HOST:PORT]\n\nCommands:");
    for (size_t i = 0; i < COUNT(commands); i++)
        printf("  %-22s %s\n", commands[i].name, commands[i].doc);
    puts("\nOptions (in brackets the environment variable):");
    for (size_t i = 0; i < COUNT(settings); i++) {
        const struct setting *s = &settings[i];
        char left[64];
        snprintf(left, sizeof(left), "--%s %s", s->option, s->metavar ? s->metavar : "");
        printf("  %-22s %s\n", left, s->doc);
        if (s->env || s->def)
            printf("  %-22s %s%s%s%s%s\n", "", s->env ? "[" : "", s->env ? s->env : "",
                   s->env ? "] " : "", s->def ? "default " : "", s->def ? s->def : "");
    }
}

void config_print(const struct config *c)
{
    for (size_t i = 0; i < COUNT(settings); i++) {
        const struct setting *s = &settings[i];
        const void *at = (const char *)c + s->offset;
        printf("%-12s ", s->option);
        if (s->kind == SETTING_FLAG)
            puts(*(const bool *)at ? "true" : "false");
        else if (s->kind == SETTING_NUMBER)
            printf("%" PRId64 "\n", *(const int64_t *)at);
        else if (!*(const char *const *)at)
            puts("-");
        else
            puts(s->kind == SETTING_SECRET ? "********" : *(const char *const *)at);
    }
}
