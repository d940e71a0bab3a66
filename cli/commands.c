#include "cli/actions.h"

/* All commands, in the order of the help.  docs/cli.md says how they are used. */

// clang-format off
const struct option_row global_options[] = {
    {"server", 's', "URL",    "the server's API; default $SWITCHYARD_API_URL, then $PREFECT_API_URL, then http://127.0.0.1:4200/api"},
    {"output", 'o', "FORMAT", "table (default) or json"},
    {"no-color", 0, NULL,     "no colours; NO_COLOR=1 in the environment does the same"},
    {"help",   'h', NULL,     "this text"},
    {"version", 0,  NULL,     "this program's version"},
    {NULL},
};

static const struct option_row server_options[] = {
    {"listen",   'l', "HOST:PORT", "default 127.0.0.1:4200"},
    {"data",     'd', "FOLDER",    "where the data are; default ~/.local/share/switchyard, for root /var/lib/switchyard"},
    {"database", 0,   "URI",       "a PostgreSQL of yours, 14 or newer, instead of a private one"},
    {NULL},
};
static const struct option_row worker_options[] = {
    {"pool",   'p', "NAME", "the work pool to serve"},
    {"config", 'c', "FILE", "the worker's settings: boards, meters, limits"},
    {NULL},
};
static const struct option_row deploy_options[] = {
    {"pool", 'p', "NAME", "the work pool that runs it; made when it is missing; default `default`"},
    {"name", 'n', "NAME", "of the deployment; default `default`"},
    {"tag",  't', "TAG",  "of every run; may be repeated"},
    {"check", 0,  NULL,   "only check the files; needs no server"},
    {NULL},
};
static const struct option_row run_options[] = {
    {"param",    'p', "KEY=VALUE",     "a parameter; VALUE is JSON when it parses, else text; may be repeated"},
    {"matrix",   'm', "KEY=A,B,...",   "one run per value; repeated: one per combination; KEY=@FILE: a value in each line"},
    {"campaign", 'c', "NAME",          "marks the runs; a second call with the same name and parameters creates nothing twice"},
    {"retry-failed", 0, NULL,          "start runs of the campaign again that failed"},
    {"watch",    'w', NULL,            "follow the runs until all are done"},
    {"timeout",  0,   "SECONDS",       "follow them at most that long; they go on"},
    {"report",   'r', "FOLDER",        "follow them, then make the campaign's report and save it there"},
    {"name",     'n', "NAME",          "of the run; default: the values of the matrix, else invented"},
    {"tag",      't', "TAG",           "may be repeated"},
    {NULL},
};
static const struct option_row campaign_options[] = {
    {"param",    'p', "KEY=VALUE",     "a parameter; VALUE is JSON when it parses, else text; may be repeated"},
    {"matrix",   'm', "KEY=A,B,...",   "one run per value; repeated: one per combination, the last turning fastest; KEY=@FILE: a value in each line"},
    {"order",    0,   "matrix|random", "in which they are started; random: the same for the same name"},
    {"cap",      0,   "NUMBER",        "of runs at the same time; 0: no cap"},
    {"retry-failed", 0, NULL,          "start runs again that failed"},
    {"watch",    'w', NULL,            "follow the runs until all are done"},
    {"timeout",  0,   "SECONDS",       "follow them at most that long; they go on"},
    {"report",   'r', "FOLDER",        "follow them, then make the report and save it there"},
    {"tag",      't', "TAG",           "may be repeated"},
    {NULL},
};
static const struct option_row compare_options[] = {
    {"fail-above", 0, "PERCENT", "exit with 5 when a median grew by more than that, such as 3%"},
    {NULL},
};
static const struct option_row measurement_options[] = {
    {"campaign", 'c', "NAME",   "of this campaign"},
    {"model",    0,   "NAME",   "of this model"},
    {"target",   0,   "NAME",   "on this target"},
    {"board",    0,   "SERIAL", "on this board"},
    {"meter",    0,   "METER",  "with this meter, as its column says"},
    {"firmware-commit", 0, "SHA", "of this firmware"},
    {"build-id", 0,   "ID",     "of this build"},
    {"valid",    0,   NULL,     "only those that passed all gates"},
    {"format",   'f', "FORMAT", "csv, json or parquet; default: by the file's name"},
    {NULL},
};
static const struct option_row list_options[] = {
    {"state",      0, "STATE,...", "such as running or failed,crashed"},
    {"flow",       0, "NAME",      "of this flow"},
    {"deployment", 'd', "NAME",    "of this deployment"},
    {"campaign",   'c', "NAME",    "of this campaign"},
    {"tag",        't', "TAG",     "with this tag; may be repeated"},
    {"limit",      'n', "NUMBER",  "at most so many, newest first; default 20"},
    {NULL},
};
static const struct option_row logs_options[] = {
    {"follow", 'f', NULL,    "go on until the run is done"},
    {"level",  'l', "LEVEL", "debug, info, warn, error or crit: that and above"},
    {NULL},
};
static const struct option_row watch_options[] = {
    {"timeout", 0, "SECONDS", "stop watching after that long"},
    {NULL},
};
static const struct option_row pool_options[] = {
    {"type",        't', "TYPE",   "switchyard (default), process, docker, ..."},
    {"limit",       'n', "NUMBER", "of runs at the same time"},
    {"description", 'd', "TEXT",   "for people"},
    {"paused",      0,   NULL,     "take no runs before `work-pool resume`"},
    {NULL},
};
static const struct option_row block_options[] = {
    {"set",  0,   "KEY=VALUE", "a field; VALUE is JSON when it parses, else text; may be repeated"},
    {"file", 'f', "FILE",      "a JSON object with the fields; - reads it from stdin, so that no secret shows in the list of processes"},
    {NULL},
};
static const struct option_row variable_options[] = {
    {"tag", 't', "TAG", "may be repeated"},
    {NULL},
};
static const struct option_row key_options[] = {
    {"days", 0, "NUMBER", "valid that long; default: until it is deleted"},
    {NULL},
};
static const struct option_row file_options[] = {
    {"name", 'n', "NAME", "on the server; default: the file's own"},
    {NULL},
};
static const struct option_row report_options[] = {
    {"dir", 'd', "FOLDER", "where to save it; default `report`"},
    {NULL},
};

static const struct command server_commands[] = {
    {"start", "[-- OPTION...]", "start a server on this machine", cmd_server_start, server_options, NULL, 0, MAX_WORDS, NULL,
     "What follows `--` goes to switchyard-server as it is."},
    {NULL},
};
static const struct command worker_commands[] = {
    {"start", "[-- OPTION...]", "start an agent that executes the runs of a pool", cmd_worker_start, worker_options, NULL, 0, MAX_WORDS, NULL,
     "What follows `--` goes to switchyard-worker as it is."},
    {NULL},
};
static const struct command run_commands[] = {
    {"ls",      NULL,     "list runs, newest first", cmd_run_list, list_options, NULL, 0, 0},
    {"inspect", "RUN",    "show one run", cmd_inspect, NULL, NULL, 1, 1, "flow-run"},
    {"logs",    "RUN",    "print the logs of a run", cmd_run_logs, logs_options, NULL, 1, 1, "flow-run"},
    {"watch",   "RUN...", "follow runs until all are done", cmd_run_watch, watch_options, NULL, 1, MAX_WORDS, "flow-run"},
    {"cancel",  "RUN...", "cancel runs", cmd_run_cancel, NULL, NULL, 1, MAX_WORDS, "flow-run"},
    {"retry",   "RUN...", "start runs again that have ended", cmd_run_retry, NULL, NULL, 1, MAX_WORDS, "flow-run"},
    {"delete",  "RUN...", "delete runs and all that belongs to them", cmd_delete, NULL, NULL, 1, MAX_WORDS, "flow-run"},
    {NULL},
};
static const struct command deployment_commands[] = {
    {"ls",      NULL,            "list deployments", cmd_list, NULL, NULL, 0, 0},
    {"inspect", "DEPLOYMENT",    "show one with its parameters", cmd_inspect, NULL, NULL, 1, 1, "deployment"},
    {"delete",  "DEPLOYMENT...", "delete deployments", cmd_delete, NULL, NULL, 1, MAX_WORDS, "deployment"},
    {NULL},
};
static const struct command pool_commands[] = {
    {"ls",      NULL,      "list work pools", cmd_list, NULL, NULL, 0, 0},
    {"create",  "NAME",    "make one", cmd_pool_create, pool_options, NULL, 1, 1},
    {"inspect", "NAME",    "show one", cmd_inspect, NULL, NULL, 1, 1, "work-pool"},
    {"pause",   "NAME...", "hand out no more runs", cmd_pool_pause, NULL, NULL, 1, MAX_WORDS, "work-pool"},
    {"resume",  "NAME...", "hand out runs again", cmd_pool_resume, NULL, NULL, 1, MAX_WORDS, "work-pool"},
    {"delete",  "NAME...", "delete work pools", cmd_delete, NULL, NULL, 1, MAX_WORDS, "work-pool"},
    {NULL},
};
static const struct command block_commands[] = {
    {"ls",      NULL,           "list blocks", cmd_list, NULL, NULL, 0, 0},
    {"types",   NULL,           "list the types a block can have", cmd_block_types, NULL, NULL, 0, 0},
    {"create",  "TYPE/NAME",    "make one", cmd_block_create, block_options, NULL, 1, 1},
    {"inspect", "TYPE/NAME",    "show one; secrets stay hidden", cmd_inspect, NULL, NULL, 1, 1, "block"},
    {"delete",  "TYPE/NAME...", "delete blocks", cmd_delete, NULL, NULL, 1, MAX_WORDS, "block"},
    {NULL},
};
static const struct command variable_commands[] = {
    {"ls",    NULL,         "list variables", cmd_list, NULL, NULL, 0, 0},
    {"get",   "NAME",       "print the value of one", cmd_variable_get, NULL, NULL, 1, 1, "variable"},
    {"set",   "NAME VALUE", "make or change one; VALUE is JSON when it parses, else text", cmd_variable_set, variable_options, NULL, 2, 2, "variable"},
    {"unset", "NAME...",    "delete variables", cmd_delete, NULL, NULL, 1, MAX_WORDS, "variable"},
    {NULL},
};
static const struct command file_commands[] = {
    {"put", "FILE...",     "put files into the server's store", cmd_file_put, file_options, NULL, 1, MAX_WORDS},
    {"get", "NAME [FILE]", "save one; NAME may also be sha256:...", cmd_file_get, NULL, NULL, 1, 2},
    {NULL},
};
static const struct command key_commands[] = {
    {"ls",     NULL,      "list API keys", cmd_list, NULL, NULL, 0, 0},
    {"create", "NAME",    "make one and print it, this once", cmd_key_create, key_options, NULL, 1, 1},
    {"delete", "NAME...", "revoke API keys", cmd_delete, NULL, NULL, 1, MAX_WORDS, "api-key"},
    {NULL},
};
static const struct command campaign_commands[] = {
    {"create",  "NAME DEPLOYMENT", "make the runs of a matrix; repeated: only what is missing", cmd_campaign_create, campaign_options, NULL, 2, 2,
     NULL, "Example:\n  switchyard campaign create night-1 energy-profile/default --cap 12 \\\n      -m model=ad01,fc-tiny -m target=netduinoplus2,netduino2"},
    {"ls",      NULL,   "list campaigns", cmd_campaign_list, NULL, NULL, 0, 0},
    {"status",  "NAME", "how far it is, and when it will be done", cmd_campaign_status, NULL, NULL, 1, 1},
    {"pause",   "NAME", "start no more runs of it", cmd_campaign_pause, NULL, NULL, 1, 1},
    {"resume",  "NAME", "start runs of it again", cmd_campaign_resume, NULL, NULL, 1, 1},
    {"cancel",  "NAME", "cancel all of its runs that have not ended", cmd_campaign_cancel, NULL, NULL, 1, 1},
    {"report",  "NAME", "make its report and save it", cmd_campaign_report, report_options, NULL, 1, 1},
    {"compare", "OLD NEW", "energies of two campaigns, model by model", cmd_campaign_compare, compare_options, NULL, 2, 2},
    {NULL},
};
static const struct command measurement_commands[] = {
    {"ls",     NULL,   "list measurements", cmd_measurement_list, measurement_options, NULL, 0, 0},
    {"export", "FILE", "save measurements as CSV, JSON or Parquet; - is standard output", cmd_measurement_export, measurement_options, NULL, 1, 1},
    {NULL},
};
static const struct option_row device_options[] = {
    {"by",      0,   "NAME",   "who asks; default: your account"},
    {"agent",   0,   "NAME",   "its agent (name or id), when several have a device of that name"},
    {NULL},
};
static const struct option_row inspect_device_options[] = {
    {"agent",   0,   "NAME",   "its agent (name or id), when several have a device of that name"},
    {NULL},
};
static const struct option_row hold_options[] = {
    {"minutes", 'm', "NUMBER", "it is released by itself after that; default 60"},
    {"comment", 'c', "TEXT",   "why, for others"},
    {"by",      0,   "NAME",   "who keeps it; default: your account"},
    {"agent",   0,   "NAME",   "its agent (name or id), when several have a device of that name"},
    {NULL},
};
static const struct option_row maintenance_options[] = {
    {"comment", 'c', "TEXT",   "why, for others"},
    {"by",      0,   "NAME",   "who; default: your account"},
    {"agent",   0,   "NAME",   "its agent (name or id), when several have a device of that name"},
    {NULL},
};
static const struct command device_commands[] = {
    {"ls",      NULL,   "list boards and meters, and who uses them", cmd_list, NULL, NULL, 0, 0},
    {"inspect", "NAME", "show one: what it is, who has it, its totals", cmd_device_inspect, inspect_device_options, NULL, 1, 1},
    {"hold",    "NAME", "keep one from runs, for a person", cmd_device_hold, hold_options, NULL, 1, 1},
    {"release", "NAME", "give it back to runs", cmd_device_release, device_options, NULL, 1, 1},
    {"maintenance", "on|off NAME", "keep it from all runs while somebody works on it", cmd_device_maintenance, maintenance_options, NULL, 2, 2},
    {"return",  "NAME", "end its quarantine", cmd_device_return, device_options, NULL, 1, 1},
    {"history", "NAME", "what befell it, and the runs that used it", cmd_device_history, device_options, NULL, 1, 1},
    {"kick",    "NAME", "release it, and cancel the run that uses it", cmd_device_kick, maintenance_options, NULL, 1, 1},
    {NULL},
};

static const struct command commands[] = {
    {"server",     NULL,              "start a server", NULL, NULL, server_commands},
    {"worker",     NULL,              "start an agent", NULL, NULL, worker_commands},
    {"deploy",     "FILE...",         "check native flows and make deployments of them", cmd_deploy, deploy_options, NULL, 1, MAX_WORDS, NULL,
     "Example:\n  switchyard deploy energy-profile.yaml --pool bench"},
    {"run",        "DEPLOYMENT",      "create runs of a deployment", cmd_run, run_options, NULL, 1, 1, "deployment",
     "Examples:\n"
     "  switchyard run energy-profile/default -p model=ad01 --watch\n"
     "  switchyard run energy-profile/default -c night-1 --report night-1 \\\n"
     "      -m model=ad01,fc-tiny -m target=netduinoplus2,netduino2\n"
     "The exit status is 5 when a run that was followed did not complete."},
    {"flow-run",   NULL,              "list, show, follow, cancel and repeat runs", NULL, NULL, run_commands},
    {"deployment", NULL,              "list, show and delete deployments", NULL, NULL, deployment_commands},
    {"campaign",   NULL,              "a matrix of runs under one name", NULL, NULL, campaign_commands},
    {"measurement", NULL,             "energies that were measured", NULL, NULL, measurement_commands},
    {"work-pool",  NULL,              "the queues that agents serve", NULL, NULL, pool_commands},
    {"block",      NULL,              "credentials and other settings that flows refer to", NULL, NULL, block_commands},
    {"variable",   NULL,              "values that flows refer to", NULL, NULL, variable_commands},
    {"file",       NULL,              "the server's content-addressed file store", NULL, NULL, file_commands},
    {"device",     NULL,              "boards and meters", NULL, NULL, device_commands},
    {"why",        "RUN",             "what a waiting run waits for", cmd_why, NULL, NULL, 1, 1, "flow-run"},
    {"api-key",    NULL,              "keys for programs that must not know the auth string", NULL, NULL, key_commands},
    {"report",     "CAMPAIGN",        "make the report of a campaign and save it", cmd_report, report_options, NULL, 1, 1},
    {"version",    NULL,              "the version of this program and of the server", cmd_version, NULL, NULL, 0, 0},
    {"completion", "bash|zsh|fish",   "print a completion script for the shell", cmd_completion, NULL, NULL, 1, 1, NULL,
     "Example:\n  source <(switchyard completion bash)"},
    {"__complete", NULL,              NULL, cmd_complete, NULL, NULL, 0, MAX_WORDS},
    {NULL},
};

const struct command program = {
    "switchyard", NULL, "runs flows on servers and lab benches", NULL, NULL, commands, 0, 0, NULL,
    "`switchyard COMMAND --help` says more about one. Exit status: 0 done, 1 failed,\n"
    "2 wrong use, 3 not found, 4 server unreachable, 5 a run did not complete,\n"
    "6 not allowed, 7 conflict, 8 the time was up."
};
// clang-format on
