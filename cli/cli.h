/* One call of the program `switchyard`: what was asked, where it goes, how it is shown.
 *
 * A command is a row of the table in commands.c; help, completion and the checks of the command
 * line are made from the rows.  A command's function gets the struct cli and returns an error code;
 * the text of the error is in cli->err.
 *
 * Exit status: see exit_status() in dispatch.c and docs/cli.md.
 * Owns:   struct cli owns its arena and its connection.
 * Thread: one. */
#pragma once
#include "cli/term.h"
#include "shared/client/rest.h"

enum { MAX_HITS = 256, MAX_WORDS = 256 };

enum exit_status {
    EXIT_OK = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_NOT_FOUND = 3,
    EXIT_UNREACHABLE = 4,
    EXIT_RUN_FAILED = 5,
    EXIT_DENIED = 6,
    EXIT_CONFLICT = 7,
    EXIT_TIME_UP = 8,
};

struct cli;

struct option_row {
    const char *name;  /* long name; NULL ends the list */
    char letter;       /* 0: none */
    const char *value; /* what stands for the value in the help; NULL: a switch */
    const char *about;
};

struct command {
    const char *name;  /* NULL ends the list */
    const char *args;  /* "DEPLOYMENT", "[NAME]", "FILE..." for the help */
    const char *about; /* one line, no full stop */
    enum err_code (*run)(struct cli *cli);
    const struct option_row *options;
    const struct command *subs;
    int min_args, max_args;
    const char *names; /* which names complete the arguments: a row of resources.c */
    const char *more;  /* a paragraph or examples for the command's own help */
};

struct option_hit {
    const struct option_row *row;
    const char *value;
};

struct cli {
    struct arena arena;
    struct err err;
    struct term term;
    const struct command *path[4]; /* from the program itself to the command */
    int path_len;
    struct option_hit hits[MAX_HITS];
    int hit_count;
    const char *words[MAX_WORDS]; /* arguments */
    int word_count;
    const char *server; /* URL of the API */
    bool json;
    int exit_status; /* of a call that worked: a run that failed, ... */
    struct http_client *http;
    struct rest rest;
    int64_t progress_from_us, progress_drawn_us; /* 0: nothing is under way, or shown */
};

extern const struct command program;
extern const struct option_row global_options[];

/* The whole program; returns the exit status. */
int cli_main(int argc, char **argv);

/* Reads the command line into cli.  INVALID says what was wrong and what was expected. */
MUST_CHECK enum err_code cli_parse(struct cli *cli, int argc, char **argv);

/* The last value given, NULL without one (also for a switch that is not set). */
const char *cli_option(const struct cli *cli, const char *name);
MUST_CHECK enum err_code cli_option_count(struct cli *cli, const char *name, int64_t most,
                                          int64_t *in_out);

/* Connects cli->rest on first use.  Without a server the later call fails, not this one. */
MUST_CHECK enum err_code cli_connect(struct cli *cli);

/* "http://h:1", "http://h:1/", "http://h:1/api/" all become "http://h:1/api". */
const char *api_url(struct arena *a, const char *url);

int exit_status(enum err_code code);

/* "  4,500 of 5,400 runs" on one line of stderr's terminal, once it takes longer than a second;
 * total 0: not known.  progress_end() takes it away, before anything else is said. */
void progress(struct cli *cli, const char *what, size_t done, size_t total);
void progress_end(struct cli *cli);

void help_print(FILE *out, struct arena *a, const struct command *const *path, int path_len);

/* The name in `names` (ended by NULL) closest to what was typed, or NULL. */
const char *closest_name(const char *typed, const char *const *names, size_t count);
