#include "worker/config.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/flow/node.h"

enum { SLOTS_MAX = 1000, DRAIN_MAX_S = 7 * 86400, API_SUFFIX_LEN = 4 };

enum kind { TEXT, NUMBER, FLAG };

/* clang-format off */
static const struct setting {
    const char *option, *member; /* on the command line, in the file; NULL: not there */
    enum kind kind;
    size_t offset;
    int64_t min, max;
    const char *value, *doc;
} settings[] = {
    {"server",        "server",        TEXT,   offsetof(struct agent_config, server),          0, 0,           "URL",  "the server, with or without /api (default: $PREFECT_API_URL)"},
    {"pool",          "pool",          TEXT,   offsetof(struct agent_config, pool),            0, 0,           "NAME", "the work pool to take runs from; made when it is missing"},
    {"config",        NULL,            TEXT,   offsetof(struct agent_config, file),            0, 0,           "FILE", "a YAML file with these settings, `benches` and `devices`"},
    {"name",          "name",          TEXT,   offsetof(struct agent_config, name),            0, 0,           "NAME", "how the agent is shown (default: the host's name)"},
    {"data",          "data",          TEXT,   offsetof(struct agent_config, data),            0, 0,           "DIR",  "its journal and work folders (default: ~/.switchyard/worker-POOL)"},
    {"slots",         "slots",         NUMBER, offsetof(struct agent_config, slots),           1, SLOTS_MAX,   "N",    "how many runs at once (default: 4)"},
    {"drain-timeout", "drain_timeout", NUMBER, offsetof(struct agent_config, drain_timeout_s), 0, DRAIN_MAX_S, "S",    "on TERM, wait so long for runs to end (default: 600)"},
    {"version",       NULL,            FLAG,   offsetof(struct agent_config, version),         0, 0,           NULL,   "print the version"},
    {"help",          NULL,            FLAG,   offsetof(struct agent_config, help),            0, 0,           NULL,   "print this"},
};
/* clang-format on */

void agent_config_help(void)
{
    puts("usage: switchyard-worker --server URL --pool NAME [options]\n"
         "       switchyard-worker power record|analyze ...\n"
         "       switchyard-worker flow check|run ...\n");
    for (const struct setting *s = settings; s < settings + COUNT(settings); s++) {
        char head[40];
        snprintf(head, sizeof(head), "--%s %s", s->option, s->value ? s->value : "");
        printf("  %-18s %s\n", head, s->doc);
    }
    puts("\nTERM or INT: no new runs, wait for those at work; a second one stops them.");
}

static void *at(struct agent_config *c, const struct setting *s)
{
    return (char *)c + s->offset;
}

static enum err_code set_number(struct agent_config *c, const struct setting *s, const char *text,
                                const char *where, struct err *e)
{
    char *end;

    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (errno || end == text || *end || n < s->min || n > s->max)
        return err_set(e, INVALID, "%s: `%.60s` must be a whole number from %lld to %lld", where,
                       text, (long long)s->min, (long long)s->max);
    *(int64_t *)at(c, s) = n;
    return ERR_OK;
}

static enum err_code set_value(struct agent_config *c, const struct setting *s, const char *text,
                               const char *where, struct err *e)
{
    if (s->kind == NUMBER)
        return set_number(c, s, text, where, e);
    if (s->kind == FLAG)
        *(bool *)at(c, s) = true;
    else if (!*text)
        return err_set(e, INVALID, "%s: must not be empty", where);
    else
        *(const char **)at(c, s) = text;
    return ERR_OK;
}

/* ---- command line ---- */

static enum err_code read_options(struct arena *a, int argc, char *const argv[],
                                  struct agent_config *c, struct err *e)
{
    struct option longs[COUNT(settings) + 1] = {0};
    int which;

    for (size_t i = 0; i < COUNT(settings); i++)
        longs[i] = (struct option){settings[i].option,
                                   settings[i].kind == FLAG ? no_argument : required_argument, NULL,
                                   (int)i + 256};
    optind = 1;
    opterr = 0;
    while ((which = getopt_long(argc, argv, ":", longs, NULL)) != -1) {
        if (which == ':')
            return err_set(e, INVALID, "%s: a value is missing", argv[optind - 1]);
        if (which < 256)
            return err_set(e, INVALID, "%s: there is no such option; see --help", argv[optind - 1]);
        const struct setting *s = &settings[which - 256];
        const char *where = arena_printf(a, "--%s", s->option);
        enum err_code rc = set_value(c, s, optarg ? optarg : "", where, e);
        if (rc)
            return rc;
    }
    if (optind < argc)
        return err_set(e, INVALID, "%s: was not expected; see --help", argv[optind]);
    return ERR_OK;
}

/* ---- file ---- */

static void release_json(void *json)
{
    json_decref(json);
}

static const struct setting *find_member(const char *name)
{
    for (const struct setting *s = settings; s < settings + COUNT(settings); s++)
        if (s->member && strcmp(s->member, name) == 0)
            return s;
    return NULL;
}

static enum err_code read_member(struct arena *a, struct agent_config *c, const struct member *m,
                                 struct err *e)
{
    const char *name = m->key->text;
    const struct setting *s = find_member(name);
    const char *where =
        arena_printf(a, "%s:%u:%u: %s", c->file, m->key->line, m->key->column, name);

    bool is_benches = strcmp(name, "benches") == 0;
    if (is_benches || strcmp(name, "devices") == 0) {
        json_t *list = node_json(m->value);
        arena_defer(a, release_json, list);
        *(is_benches ? &c->benches : &c->devices) = list;
        return ERR_OK;
    }
    if (strcmp(name, "discover") == 0 && m->value->type == NODE_BOOLEAN) {
        c->hide = !m->value->flag;
        return ERR_OK;
    }
    if (!s)
        return err_set(e, INVALID, "%s: there is no such setting", where);
    if (m->value->type != NODE_STRING && m->value->type != NODE_INTEGER)
        return err_set(e, INVALID, "%s: must be a text or a whole number, not %s", where,
                       node_type_name(m->value->type));
    return set_value(c, s, m->value->text, where, e);
}

static enum err_code load_file(struct arena *a, const char *path, struct source *out, struct err *e)
{
    FILE *f = fopen(path, "re");
    if (!f)
        return err_set(e, NOT_FOUND, "--config %s: %s", path, strerror(errno));
    char *text = arena_array(a, char, NODE_FILE_BYTES + 2);
    size_t len = fread(text, 1, NODE_FILE_BYTES + 1, f);
    bool failed = ferror(f);
    fclose(f);
    if (failed || len > NODE_FILE_BYTES)
        return err_set(e, INVALID, "--config %s: cannot be read, or has more than %d bytes", path,
                       NODE_FILE_BYTES);
    *out = (struct source){path, text, len};
    return ERR_OK;
}

static enum err_code read_file(struct arena *a, struct agent_config *c, struct err *e)
{
    struct source *source = arena_new(a, struct source);
    struct problems problems = {.arena = a};

    enum err_code rc = load_file(a, c->file, source, e);
    if (rc)
        return rc;
    if (!source->text[strspn(source->text, " \t\r\n")])
        return ERR_OK; /* nothing to say is fine */
    struct node *root = node_parse(a, source, &problems);
    if (problems.first)
        return err_set(e, INVALID, "%s:%u:%u: %s", c->file, problems.first->line,
                       problems.first->column, problems.first->text);
    if (!root || root->type == NODE_NULL)
        return ERR_OK;
    if (root->type != NODE_MAP)
        return err_set(e, INVALID, "%s:%u:%u: must be a map of settings", c->file, root->line,
                       root->column);
    for (size_t i = 0; i < root->count && !rc; i++)
        rc = read_member(a, c, &root->members[i], e);
    return rc;
}

/* ---- what follows from it ---- */

static const char *host_name(struct arena *a)
{
    char name[HOST_NAME_MAX + 1] = "worker";
    gethostname(name, sizeof(name) - 1);
    return arena_strndup(a, name, strlen(name));
}

static const char *make_api_url(struct arena *a, const char *server)
{
    size_t len = strlen(server);

    while (len && server[len - 1] == '/')
        len--;
    if (len > API_SUFFIX_LEN && strncmp(server + len - API_SUFFIX_LEN, "/api", API_SUFFIX_LEN) == 0)
        len -= API_SUFFIX_LEN;
    return arena_printf(a, "%.*s/api", (int)len, server);
}

static const char *make_authorization(struct arena *a, const char *auth)
{
    size_t len = strlen(auth);
    unsigned char *base64 = arena_array(a, unsigned char, len / 3 * 4 + 8);

    EVP_EncodeBlock(base64, (const unsigned char *)auth, (int)len);
    return arena_printf(a, "Basic %s", (const char *)base64);
}

static enum err_code complete(struct arena *a, struct agent_config *c, struct err *e)
{
    const char *home = getenv("HOME"), *auth = getenv("PREFECT_API_AUTH_STRING");
    const char *key = getenv("PREFECT_API_KEY");

    if (!c->server)
        c->server = getenv("PREFECT_API_URL");
    if (!c->server || !*c->server)
        return err_set(e, INVALID, "--server is missing; see --help");
    if (strncmp(c->server, "http://", 7) != 0 && strncmp(c->server, "https://", 8) != 0)
        return err_set(e, INVALID, "--server %s: must begin with http:// or https://", c->server);
    if (!c->pool)
        return err_set(e, INVALID, "--pool is missing; see --help");
    if (!c->name)
        c->name = host_name(a);
    if (!c->data)
        c->data = arena_printf(a, "%s/.switchyard/worker-%s", home ? home : "", c->pool);
    c->api_url = make_api_url(a, c->server);
    c->auth_string = auth && *auth ? auth : NULL;
    if (c->auth_string)
        c->authorization = make_authorization(a, c->auth_string);
    else if (key && *key)
        c->authorization = arena_printf(a, "Bearer %s", key);
    return ERR_OK;
}

enum err_code agent_config_read(struct arena *a, int argc, char *const argv[],
                                struct agent_config *out, struct err *e)
{
    const struct agent_config defaults = {.slots = 4, .drain_timeout_s = 600};
    struct agent_config c = defaults;

    enum err_code rc = read_options(a, argc, argv, &c, e);
    if (rc)
        return rc;
    if (c.help || c.version) {
        *out = c;
        return ERR_OK;
    }
    if (c.file) {
        const char *path = c.file;
        c = defaults;
        c.file = path;
        rc = read_file(a, &c, e);
        if (!rc)
            rc = read_options(a, argc, argv, &c, e); /* the command line wins */
    }
    if (!rc)
        rc = complete(a, &c, e);
    if (!rc)
        *out = c;
    return rc;
}
