#include "cli/cli.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_OPTIONS = 48, LONG_BASE = 256, TIMEOUT_MS = 30000, MAX_NAME = 63 };

/* getopt's view of the rows of a command and of the rows that all commands have. */
struct getopt_rows {
    const struct option_row *rows[MAX_OPTIONS];
    struct option longs[MAX_OPTIONS + 1];
    char letters[2 * MAX_OPTIONS + 3];
    int count;
};

int exit_status(enum err_code code)
{
    static const struct {
        enum err_code code;
        int status;
    } rows[] = {
        {ERR_OK, EXIT_OK},
        {ERR_INVALID, EXIT_USAGE},
        {ERR_NOT_FOUND, EXIT_NOT_FOUND},
        {ERR_GONE, EXIT_NOT_FOUND},
        {ERR_NETWORK, EXIT_UNREACHABLE},
        {ERR_TIMEOUT, EXIT_UNREACHABLE},
        {ERR_AUTH, EXIT_DENIED},
        {ERR_FORBIDDEN, EXIT_DENIED},
        {ERR_CONFLICT, EXIT_CONFLICT},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        if (rows[i].code == code)
            return rows[i].status;
    return EXIT_FAILED;
}

static void add_rows(struct getopt_rows *g, const struct option_row *row)
{
    for (; row && row->name && g->count < MAX_OPTIONS; row++) {
        g->longs[g->count] = (struct option){
            row->name, row->value ? required_argument : no_argument, NULL, LONG_BASE + g->count};
        if (row->letter) {
            size_t n = strlen(g->letters);
            g->letters[n] = row->letter;
            if (row->value)
                g->letters[n + 1] = ':';
        }
        g->rows[g->count++] = row;
    }
}

static const struct option_row *row_of(const struct getopt_rows *g, int c)
{
    if (c >= LONG_BASE)
        return g->rows[c - LONG_BASE];
    for (int i = 0; i < g->count; i++)
        if (g->rows[i]->letter == c)
            return g->rows[i];
    return NULL;
}

static int edit_distance(const char *x, const char *y)
{
    int row[MAX_NAME + 1], nx = (int)strlen(x), ny = (int)strlen(y);

    if (nx > MAX_NAME || ny > MAX_NAME)
        return MAX_NAME;
    for (int j = 0; j <= ny; j++)
        row[j] = j;
    for (int i = 1; i <= nx; i++) {
        int corner = row[0];
        row[0] = i;
        for (int j = 1; j <= ny; j++) {
            int change = corner + (x[i - 1] != y[j - 1]);
            corner = row[j];
            int less = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            row[j] = less < change ? less : change;
        }
    }
    return row[ny];
}

const char *closest_name(const char *typed, const char *const *names, size_t count)
{
    const char *best = NULL;
    int best_distance = 3;
    size_t len = strlen(typed);

    for (size_t i = 0; i < count; i++) {
        bool starts = len >= 2 && strncasecmp(names[i], typed, len) == 0;
        int distance = starts ? 1 : edit_distance(typed, names[i]);
        if (distance < best_distance && distance < (int)strlen(names[i])) {
            best = names[i];
            best_distance = distance;
        }
    }
    return best;
}

static const char *path_text(struct cli *cli)
{
    const char *text = "switchyard";

    for (int i = 1; i < cli->path_len; i++)
        text = arena_printf(&cli->arena, "%s %s", text, cli->path[i]->name);
    return text;
}

static enum err_code bad_option(struct cli *cli, const struct getopt_rows *g, char **argv, int c)
{
    const char *names[MAX_OPTIONS], *word = argv[optind - 1];

    for (int i = 0; i < g->count; i++)
        names[i] = g->rows[i]->name;
    if (c == ':')
        return err_set(&cli->err, INVALID, "the option %s needs a value", word);
    if (optopt && optopt < LONG_BASE)
        return err_set(&cli->err, INVALID, "there is no option -%c; see `%s --help`", optopt,
                       path_text(cli));
    if (optopt >= LONG_BASE)
        return err_set(&cli->err, INVALID, "the option --%s takes no value",
                       g->rows[optopt - LONG_BASE]->name);
    const char *near = closest_name(word + strspn(word, "-"), names, (size_t)g->count);
    return err_set(&cli->err, INVALID, "there is no option %.60s%s%s%s; see `%s --help`", word,
                   near ? ": did you mean --" : "", near ? near : "", near ? "?" : "",
                   path_text(cli));
}

static enum err_code read_options(struct cli *cli, const struct getopt_rows *g, int argc,
                                  char **argv)
{
    int c;

    while ((c = getopt_long(argc, argv, g->letters, g->longs, NULL)) != -1) {
        const struct option_row *row = row_of(g, c);
        if (c == '?' || c == ':' || !row)
            return bad_option(cli, g, argv, c);
        if (cli->hit_count == MAX_HITS)
            return err_set(&cli->err, INVALID, "more than %d options", MAX_HITS);
        cli->hits[cli->hit_count++] = (struct option_hit){row, optarg};
    }
    return ERR_OK;
}

static enum err_code unknown_command(struct cli *cli, const struct command *group, const char *word)
{
    const char *names[MAX_OPTIONS];
    size_t n = 0;

    for (const struct command *c = group->subs; c->name && n < MAX_OPTIONS; c++)
        names[n++] = c->name;
    const char *near = closest_name(word, names, n);
    return err_set(&cli->err, INVALID, "there is no command `%s %.60s`%s%s%s; see `%s --help`",
                   path_text(cli), word, near ? ": did you mean `" : "", near ? near : "",
                   near ? "`?" : "", path_text(cli));
}

/* Walks from the program down to the command that the words name. */
static enum err_code find_command(struct cli *cli, int argc, char **argv)
{
    struct getopt_rows g = {.letters = "+:"};

    add_rows(&g, global_options);
    cli->path[cli->path_len++] = &program;
    while (optind < argc || optind == 0) {
        const struct command *group = cli->path[cli->path_len - 1];
        enum err_code code = read_options(cli, &g, argc, argv);
        if (code || optind >= argc || !group->subs)
            return code;
        const struct command *sub = group->subs;
        while (sub->name && strcmp(sub->name, argv[optind]) != 0)
            sub++;
        if (!sub->name)
            return unknown_command(cli, group, argv[optind]);
        cli->path[cli->path_len++] = sub;
        if (!sub->subs)
            return ERR_OK;
        optind++;
    }
    return ERR_OK;
}

static enum err_code check_words(struct cli *cli, const struct command *c)
{
    if (cli->word_count < c->min_args)
        return err_set(&cli->err, INVALID, "`%s` needs %s; see `%s --help`", path_text(cli),
                       c->args, path_text(cli));
    if (cli->word_count > c->max_args)
        return err_set(&cli->err, INVALID, "`%s` takes no argument `%.60s`; see `%s --help`",
                       path_text(cli), cli->words[c->max_args], path_text(cli));
    return ERR_OK;
}

static enum err_code check_output(struct cli *cli)
{
    const char *output = cli_option(cli, "output");

    if (output && strcmp(output, "json") != 0 && strcmp(output, "table") != 0)
        return err_set(&cli->err, INVALID, "--output is `%.40s`: expected table or json", output);
    cli->json = output && strcmp(output, "json") == 0;
    return ERR_OK;
}

enum err_code cli_parse(struct cli *cli, int argc, char **argv)
{
    struct getopt_rows g = {.letters = ":"};

    opterr = 0;
    optind = 0;
    enum err_code code = find_command(cli, argc, argv);
    const struct command *c = cli->path[cli->path_len - 1];
    if (code || c->subs)
        return code ? code : check_output(cli);

    /* The command's own words: from its name on, options anywhere among them. */
    int at = optind;
    add_rows(&g, c->options);
    add_rows(&g, global_options);
    optind = 0;
    code = read_options(cli, &g, argc - at, argv + at);
    if (code)
        return code;
    for (int i = at + optind; i < argc; i++) {
        if (cli->word_count == MAX_WORDS)
            return err_set(&cli->err, INVALID, "more than %d arguments", MAX_WORDS);
        cli->words[cli->word_count++] = argv[i];
    }
    code = check_output(cli);
    bool asks = cli_option(cli, "help") || cli_option(cli, "version");
    return code || asks ? code : check_words(cli, c);
}

const char *cli_option(const struct cli *cli, const char *name)
{
    for (int i = cli->hit_count - 1; i >= 0; i--)
        if (strcmp(cli->hits[i].row->name, name) == 0)
            return cli->hits[i].value ? cli->hits[i].value : "";
    return NULL;
}

enum err_code cli_option_count(struct cli *cli, const char *name, int64_t most, int64_t *in_out)
{
    const char *text = cli_option(cli, name);
    char *end;

    if (!text)
        return ERR_OK;
    long long n = strtoll(text, &end, 10);
    if (!*text || *end || n < 0 || n > most)
        return err_set(&cli->err, INVALID, "--%s is `%.40s`: expected a number from 0 to %lld",
                       name, text, (long long)most);
    *in_out = n;
    return ERR_OK;
}

const char *api_url(struct arena *a, const char *url)
{
    size_t len = strlen(url);
    const char *host = strstr(url, "://");

    while (len && url[len - 1] == '/')
        len--;
    host = host ? host + 3 : url;
    bool has_path = host < url + len && memchr(host, '/', (size_t)(url + len - host)) != NULL;
    return arena_printf(a, "%s%.*s%s", strstr(url, "://") ? "" : "http://", (int)len, url,
                        has_path ? "" : "/api");
}

static const char *first_env(const char *ours, const char *theirs)
{
    const char *value = getenv(ours);

    if (!value || !*value)
        value = getenv(theirs);
    return value && *value ? value : NULL;
}

static const char *server_of(struct cli *cli)
{
    const char *url = cli_option(cli, "server");

    if (!url || !*url)
        url = first_env("SWITCHYARD_API_URL", "PREFECT_API_URL");
    return api_url(&cli->arena, url ? url : "http://127.0.0.1:4200/api");
}

enum err_code cli_connect(struct cli *cli)
{
    struct http_options o = {
        .base_url = cli->server,
        .basic = first_env("SWITCHYARD_API_AUTH_STRING", "PREFECT_API_AUTH_STRING"),
        .bearer = first_env("SWITCHYARD_API_KEY", "PREFECT_API_KEY"),
        .timeout_ms = TIMEOUT_MS,
    };
    if (cli->http)
        return ERR_OK;
    if (!http_global_init() || !(cli->http = http_client_new(&o)))
        return err_set(&cli->err, INTERNAL, "libcurl cannot be started");
    cli->rest = (struct rest){.http = cli->http, .arena = &cli->arena, .err = &cli->err};
    return ERR_OK;
}

int cli_main(int argc, char **argv)
{
    struct cli cli = {0};

    enum err_code code = cli_parse(&cli, argc, argv);
    const struct command *c = cli.path[cli.path_len - 1];
    term_open(&cli.term, stdout, !cli_option(&cli, "no-color"));
    cli.server = server_of(&cli);
    if (!code && cli_option(&cli, "version"))
        puts("switchyard " VERSION);
    else if (!code && (cli_option(&cli, "help") || !c->run))
        help_print(stdout, &cli.arena, cli.path, cli.path_len);
    else if (!code)
        code = c->run(&cli);
    if (!code && fflush(stdout) != 0)
        code = err_set(&cli.err, IO, "the output cannot be written");
    if (code)
        fprintf(stderr, "switchyard: %s\n", safe_text(&cli.arena, cli.err.detail));
    int status = code ? exit_status(code) : cli.exit_status;
    http_client_free(cli.http);
    arena_reset(&cli.arena);
    return status;
}
