#include "server/config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum option_kind { OPTION_TEXT, OPTION_FLAG, OPTION_NUMBER, OPTION_SETTING };

struct option {
    const char *option; /* --option */
    const char *metavar;
    const char *env; /* the environment variable, NULL: none */
    enum option_kind kind;
    size_t offset;
    const char *def;
    int64_t min, max;
    enum setting_id setting; /* OPTION_SETTING: where it is kept and checked */
    const char *doc;
};

/* clang-format off */
static const struct option options[] = {
    {"dev",        NULL,        NULL,                      OPTION_FLAG,    offsetof(struct config, dev),              NULL,   0, 0,       SETTING_NONE,                   "run a private PostgreSQL in the data folder"},
    {"data",       "DIR",       "SWITCHYARD_DATA",         OPTION_TEXT,    offsetof(struct config, data),             NULL,   0, 0,       SETTING_NONE,                   "files, keys and the private PostgreSQL"},
    {"database",   "URI",       "SWITCHYARD_DATABASE_URL", OPTION_TEXT,    offsetof(struct config, database),         NULL,   0, 0,       SETTING_NONE,                   "a PostgreSQL 14 or newer"},
    {"listen",     "HOST:PORT", "SWITCHYARD_LISTEN",       OPTION_TEXT,    offsetof(struct config, listen),           NULL,   0, 0,       SETTING_NONE,                   "where to listen; default 127.0.0.1:4200"},
    {"auth",       "USER:PASS", "PREFECT_SERVER_API_AUTH_STRING", OPTION_SETTING, 0,                                 NULL,   0, 0,       SETTING_SERVER_API_AUTH_STRING, "basic auth that every client must send"},
    {"threads",    "N",         "SWITCHYARD_THREADS",      OPTION_NUMBER,  offsetof(struct config, executor_threads), "8",    1, 256,     SETTING_NONE,                   "handlers that may wait for the database at once"},
    {"queue",      "N",         "SWITCHYARD_QUEUE",        OPTION_NUMBER,  offsetof(struct config, queue_max),        "4096", 1, 1 << 20, SETTING_NONE,                   "requests that may wait for a thread, then 503"},
    {"outage",     "SECONDS",   "SWITCHYARD_OUTAGE",       OPTION_NUMBER,  offsetof(struct config, outage_s),         "300",  0, 604800,  SETTING_NONE,                   "how long an agent may be cut off and keep its runs"},
    {"yes",        NULL,        NULL,                      OPTION_FLAG,    offsetof(struct config, yes),              NULL,   0, 0,       SETTING_NONE,                   "database reset: do it"},
    {"ui-api-url", "URL",       "PREFECT_UI_API_URL",      OPTION_SETTING, 0,                                         NULL,   0, 0,       SETTING_SERVER_UI_API_URL,      "the API's address as browsers see it"},
};

static const struct {
    const char *name, *doc;
    enum server_command command;
} commands[] = {
    {"migrate",      "bring the schema up to date and exit",  COMMAND_MIGRATE},
    {"database reset", "delete everything, also below a running server; needs --yes", COMMAND_RESET},
    {"check-config", "print the settings in force and exit",  COMMAND_CHECK_CONFIG},
    {"openapi",      "print the OpenAPI document and exit",   COMMAND_OPENAPI},
};
/* clang-format on */

static void *member(struct config *c, const struct option *s)
{
    return (char *)c + s->offset;
}

static enum err_code set(struct config *c, const struct option *s, const char *from,
                         const char *text, struct err *e)
{
    char *end;

    if (s->kind == OPTION_FLAG) {
        *(bool *)member(c, s) = true;
        return ERR_OK;
    }
    if (s->kind == OPTION_SETTING)
        return settings_set(&c->settings, s->setting, from, text, e);
    if (s->kind != OPTION_NUMBER) {
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

static const struct option *find_option(const char *name, size_t len)
{
    for (size_t i = 0; i < COUNT(options); i++)
        if (strlen(options[i].option) == len && memcmp(options[i].option, name, len) == 0)
            return &options[i];
    return NULL;
}

/* One `--option value`, `--option=value` or `--flag`; *at moves past a value. */
static enum err_code read_option(struct config *c, int argc, char **argv, int *at, struct err *e)
{
    const char *name = argv[*at] + 2, *equals = strchr(name, '=');
    size_t len = equals ? (size_t)(equals - name) : strlen(name);
    const struct option *s = find_option(name, len);

    if (!s)
        return err_set(e, INVALID, "unknown option --%.*s; see switchyard-server --help", (int)len,
                       name);
    if (s->kind == OPTION_FLAG)
        return set(c, s, argv[*at], "", e);
    if (equals)
        return set(c, s, argv[*at], equals + 1, e);
    if (*at + 1 >= argc)
        return err_set(e, INVALID, "--%s needs a value: %s", s->option, s->metavar);
    (*at)++;
    return set(c, s, argv[*at - 1], argv[*at], e);
}

/* A name of one or two words; *at moves past the second. */
static bool is_named(int argc, char **argv, int *at, const char *name)
{
    const char *blank = strchr(name, ' ');
    size_t len = strcspn(name, " ");

    if (strlen(argv[*at]) != len || memcmp(argv[*at], name, len) != 0)
        return false;
    if (!blank)
        return true;
    if (*at + 1 >= argc || strcmp(argv[*at + 1], blank + 1) != 0)
        return false;
    ++*at;
    return true;
}

static bool read_command(int argc, char **argv, int *at, enum server_command *out)
{
    const char *arg = argv[*at];

    if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0 || strcmp(arg, "help") == 0)
        *out = COMMAND_HELP;
    else if (strcmp(arg, "--version") == 0 || strcmp(arg, "version") == 0)
        *out = COMMAND_VERSION;
    else
        for (size_t i = 0; i <= COUNT(commands); i++) {
            if (i == COUNT(commands))
                return false;
            if (is_named(argc, argv, at, commands[i].name)) {
                *out = commands[i].command;
                break;
            }
        }
    return true;
}

/* Prefect's connection URL names a driver of Python. */
static enum err_code take_database(struct arena *a, struct config *c, struct err *e)
{
    static const char scheme[] = "postgresql", asyncpg[] = "postgresql+asyncpg://";
    const char *url = settings_text(&c->settings, SETTING_SERVER_DATABASE_CONNECTION_URL);

    if (c->dev && c->database)
        return err_set(e, INVALID, "--dev brings its own database: leave --database out");
    if (c->dev || c->database)
        return ERR_OK;
    if (!url)
        return err_set(e, INVALID, "where is the database? --dev --data DIR, or --database URI");
    if (strncmp(url, "postgres", strlen("postgres")) != 0)
        return err_set(e, INVALID, "%s: expected a postgresql:// URL; --dev brings a database",
                       c->settings.values[SETTING_SERVER_DATABASE_CONNECTION_URL].from);
    c->database = strncmp(url, asyncpg, strlen(asyncpg)) == 0
                      ? arena_printf(a, "%s%s", scheme, strstr(url, "://"))
                      : url;
    return ERR_OK;
}

static enum err_code check(struct arena *a, struct config *c, struct err *e)
{
    const struct settings *s = &c->settings;
    enum err_code rc = take_database(a, c, e);

    if (rc)
        return rc;
    if (!c->data) {
        if (c->dev)
            return err_set(e, INVALID, "--dev needs --data DIR, the folder that keeps everything");
        c->data = "/var/lib/switchyard";
    }
    if (!c->listen)
        c->listen = arena_printf(a, "%s:%" PRId64, settings_text(s, SETTING_SERVER_API_HOST),
                                 settings_int(s, SETTING_SERVER_API_PORT));
    if (!strchr(c->listen, ':'))
        return err_set(e, INVALID, "--listen %s: expected HOST:PORT", c->listen);
    c->spool = arena_printf(a, "%s/spool", c->data);
    c->ui_api_url = settings_text(s, SETTING_SERVER_UI_API_URL);
    c->auth_string = settings_text(s, SETTING_SERVER_API_AUTH_STRING);
    return ERR_OK;
}

/* A data folder alone means its private cluster. */
static enum err_code check_reset(struct config *c, struct err *e)
{
    if (!c->yes)
        return err_set(e, INVALID, "database reset deletes everything: add --yes if you mean it");
    c->dev = c->dev || (c->data && !c->database);
    return ERR_OK;
}

static enum err_code read_defaults(struct config *c, struct err *e)
{
    enum err_code rc = settings_read(&c->settings, e);

    for (size_t i = 0; i < COUNT(options) && !rc; i++) {
        const struct option *s = &options[i];
        const char *env = s->env && s->kind != OPTION_SETTING ? getenv(s->env) : NULL;
        if (env && *env)
            rc = set(c, s, s->env, env, e);
        else if (s->def)
            rc = set(c, s, s->option, s->def, e);
    }
    return rc;
}

enum err_code config_read(struct arena *a, int argc, char **argv, struct config *out,
                          enum server_command *out_command, struct err *e)
{
    struct config c = {0};
    enum server_command command = COMMAND_SERVE;
    enum err_code rc = read_defaults(&c, e);

    for (int i = 1; i < argc && !rc; i++) {
        if (read_command(argc, argv, &i, &command))
            continue;
        if (strncmp(argv[i], "--", 2) != 0)
            return err_set(e, INVALID, "unknown command \"%s\"; see switchyard-server --help",
                           argv[i]);
        rc = read_option(&c, argc, argv, &i, e);
    }
    if (!rc && command == COMMAND_RESET)
        rc = check_reset(&c, e);
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
    for (size_t i = 0; i < COUNT(options); i++) {
        const struct option *s = &options[i];
        char left[64];
        snprintf(left, sizeof(left), "--%s %s", s->option, s->metavar ? s->metavar : "");
        printf("  %-22s %s\n", left, s->doc);
        if (s->env || s->def)
            printf("  %-22s %s%s%s%s%s\n", "", s->env ? "[" : "", s->env ? s->env : "",
                   s->env ? "] " : "", s->def ? "default " : "", s->def ? s->def : "");
    }
}

/* A text, or "-"; the password of a URI is not shown. */
static void print_text(const char *text)
{
    const char *user = text ? strstr(text, "://") : NULL;
    const char *at = user ? strchr(user, '@') : NULL;
    const char *colon = at ? memchr(user + 3, ':', (size_t)(at - user - 3)) : NULL;

    if (colon)
        printf("%.*s:********%s\n", (int)(colon - text), text, at);
    else
        puts(text ? text : "-");
}

void config_print(const struct config *c)
{
    for (size_t i = 0; i < COUNT(options); i++) {
        const struct option *s = &options[i];
        const void *at = (const char *)c + s->offset;
        if (s->kind == OPTION_SETTING)
            continue;
        printf("%-12s ", s->option);
        if (s->kind == OPTION_FLAG)
            puts(*(const bool *)at ? "true" : "false");
        else if (s->kind == OPTION_NUMBER)
            printf("%" PRId64 "\n", *(const int64_t *)at);
        else if (s->kind == OPTION_TEXT)
            print_text(*(const char *const *)at);
    }
    settings_print(&c->settings);
}
