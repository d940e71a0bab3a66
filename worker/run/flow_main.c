#include "worker/run/flow_main.h"

#include <errno.h>
#include <ftw.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "worker/lab/bench.h"
#include "worker/lab/bench_config.h"
#include "worker/run/flow_emulate.h"
#include "worker/run/native.h"

enum {
    EXIT_COMPLETED = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_CANCELLED = 130,
    PATH_BYTES = 512
};

static const char usage[] =
    "usage: switchyard-worker flow check FILE\n"
    "       switchyard-worker flow run FILE [options]\n"
    "       switchyard-worker flow steps [NAME]\n"
    "\n"
    "  check   says what is wrong with a flow file, with line and column\n"
    "  run     runs it here, without a server\n"
    "  steps   lists what `uses:` may say; with a name, its parameters and outputs\n"
    "\n"
    "  --param NAME=VALUE   a parameter of the flow; may be repeated\n"
    "  --dry-run            walk the whole flow, but leave boards and meters alone\n"
    "  --work DIR           the run's folder, kept afterwards (default: a temporary one)\n"
    "  --data DIR           where cached outputs are kept (default: ~/.cache/switchyard)\n"
    "  --server URL         for steps that talk to a server\n"
    "  --emulate            give the run emulated benches of the targets that its devices want\n"
    "\n"
    "exit status: 0 completed, 1 failed, 2 not a flow or a wrong call, 130 cancelled\n";

struct local {
    struct arena arena;
    struct flow *flow;
    json_t *parameters,
        *tasks; /* tasks: {task run id: {name, state, ...}} in order of appearance */
    struct native *native;
    uv_loop_t loop;
    uv_signal_t interrupt;
    const char *file, *work, *data, *server;
    bool dry_run, temporary, emulate;
    struct lab *lab; /* with --emulate */
    struct bench_ticket tickets[BENCHES_MAX];
    size_t waiting;  /* tickets that are not granted yet */
    json_t *devices; /* what the run has got */
    json_t *result;  /* NULL: the flow has none */
    char state[40], message[1000];
};

/* ---- flow check, flow steps ---- */

static bool load(struct local *l)
{
    struct problems problems = {.arena = &l->arena};
    struct buf text = {.max_bytes = 1 << 18};
    l->flow = flow_load_file(&l->arena, l->file, &step_flow_options, &problems);
    problems_print(&problems, &text);
    fwrite(text.bytes ? text.bytes : "", 1, text.len, stderr);
    buf_free(&text);
    return l->flow;
}

static int check(struct local *l)
{
    if (!load(l))
        return EXIT_USAGE;
    printf("%s: flow `%s`, %zu task%s, no problem found\n", l->file, l->flow->name,
           l->flow->task_count, l->flow->task_count == 1 ? "" : "s");
    return EXIT_COMPLETED;
}

static void show_step(const struct step_schema *s)
{
    printf("%s\n  %s\n", s->name, s->doc);
    if (s->param_count)
        printf("\n  with:\n");
    for (size_t i = 0; i < s->param_count; i++) {
        const struct step_param *p = &s->params[i];
        printf("    %-16s %s%s%s", p->name, flow_type_names[p->type],
               p->required ? ", required" : "", p->fallback ? ", default " : "");
        printf("%s%s%s\n      %s\n", p->fallback ? p->fallback : "", p->choices ? ", one of " : "",
               p->choices ? p->choices : "", p->doc);
    }
    if (s->output_count)
        printf("\n  outputs:\n");
    for (size_t i = 0; i < s->output_count; i++)
        printf("    %-16s %s\n      %s\n", s->outputs[i].name, flow_type_names[s->outputs[i].type],
               s->outputs[i].doc);
}

static int steps(const char *name)
{
    for (size_t i = 0; i < step_count() && !name; i++)
        printf("%-18s %s\n", step_at(i)->schema.name, step_at(i)->schema.doc);
    if (!name)
        return EXIT_COMPLETED;
    const struct step_schema *s = step_flow_options.step(name);
    if (!s) {
        fprintf(stderr, "there is no step `%s`; `switchyard-worker flow steps` lists them\n", name);
        return EXIT_USAGE;
    }
    show_step(s);
    return EXIT_COMPLETED;
}

/* ---- what the engine says ---- */

static const char *text_at(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

static void on_state(void *ctx, const json_t *state)
{
    struct local *l = ctx;
    snprintf(l->state, sizeof(l->state), "%s", text_at(state, "type"));
    snprintf(l->message, sizeof(l->message), "%s", text_at(state, "message"));
    json_decref(l->result);
    l->result = json_incref(json_object_get(json_object_get(state, "data"), "value"));
}

static void on_event(void *ctx, const json_t *event)
{
    struct local *l = ctx;
    const json_t *resource = json_object_get(event, "resource");
    const json_t *run = json_object_get(json_object_get(event, "payload"), "task_run");
    json_object_set_new(l->tasks, text_at(resource, "prefect.resource.id"),
                        json_pack("{s:O,s:O,s:O,s:O}", "name", json_object_get(run, "name"),
                                  "state", json_object_get(resource, "prefect.state-name"),
                                  "attempts", json_object_get(run, "run_count"), "seconds",
                                  json_object_get(run, "total_run_time")));
}

static const char *task_name(const struct local *l, const json_t *record)
{
    char id[100];
    if (!json_is_string(json_object_get(record, "task_run_id")))
        return l->flow->name;
    snprintf(id, sizeof(id), "prefect.task-run.%s", text_at(record, "task_run_id"));
    return text_at(json_object_get(l->tasks, id), "name");
}

static void on_log(void *ctx, const json_t *record)
{
    const struct local *l = ctx;
    json_int_t level = json_integer_value(json_object_get(record, "level"));
    const char *word = level >= 40   ? "ERROR"
                       : level >= 30 ? "WARN"
                       : level >= 20 ? "INFO"
                                     : "DEBUG";
    const char *time = strchr(text_at(record, "timestamp"), 'T');
    printf("%.8s %-5s %s | %s\n", time ? time + 1 : "", word, task_name(l, record),
           text_at(record, "message"));
    fflush(stdout);
}

static void on_artifact(void *ctx, const json_t *artifact)
{
    (void)ctx;
    const json_t *data = json_object_get(artifact, "data");
    printf("artifact %s (%s)%s%s\n", text_at(artifact, "key"), text_at(artifact, "type"),
           text_at(artifact, "description")[0] ? ": " : "", text_at(artifact, "description"));
    if (json_is_string(data) && json_string_length(data) <= 200)
        printf("    %s\n", json_string_value(data));
}

static void on_lab_closed(void *ctx)
{
    ((struct local *)ctx)->lab = NULL;
}

static void close_all(struct local *l)
{
    if (l->lab) {
        for (size_t i = 0; i < BENCHES_MAX; i++)
            lab_leave(l->lab, &l->tickets[i]);
        lab_close(l->lab, on_lab_closed, l);
    }
    uv_close((uv_handle_t *)&l->interrupt, NULL);
}

static void on_over(void *ctx, struct native *native)
{
    struct local *l = ctx;
    native_free(native);
    l->native = NULL;
    close_all(l);
}

static void on_interrupt(uv_signal_t *handle, int signal)
{
    struct local *l = handle->data;
    (void)signal;
    fprintf(stderr, "stopping; once more stops the clean-up too\n");
    if (l->native) {
        native_cancel(l->native, "Interrupted at the terminal.");
    } else if (!uv_is_closing((uv_handle_t *)handle)) {
        snprintf(l->state, sizeof(l->state), "CANCELLED");
        close_all(l);
    }
}

static void print_table(const struct local *l)
{
    const char *id;
    json_t *row;
    int width = 4;
    json_object_foreach(l->tasks, id, row)
    {
        int len = (int)json_string_length(json_object_get(row, "name"));
        width = len > width ? len : width;
    }
    printf("\n%-*s  %-13s  %8s  %10s\n", width, "task", "state", "attempts", "seconds");
    json_object_foreach(l->tasks, id, row)
        printf("%-*s  %-13s  %8d  %10.3f\n", width, text_at(row, "name"), text_at(row, "state"),
               (int)json_integer_value(json_object_get(row, "attempts")),
               json_real_value(json_object_get(row, "seconds")));
    printf("\n%s%s%s\n", l->state, l->message[0] ? ": " : "", l->message);
    char *result = l->result ? json_dumps(l->result, JSON_ENCODE_ANY) : NULL;
    if (result)
        printf("result: %s\n", result);
    free(result);
}

/* ---- flow run ---- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static bool make_folders(struct local *l)
{
    char path[PATH_BYTES];
    const char *tmp = getenv("TMPDIR"), *home = getenv("HOME"), *cache = getenv("XDG_CACHE_HOME");
    l->temporary = !l->work;
    if (l->temporary) {
        snprintf(path, sizeof(path), "%s/switchyard-run-XXXXXX", tmp && tmp[0] ? tmp : "/tmp");
        l->work = mkdtemp(path) ? arena_printf(&l->arena, "%s", path) : NULL;
    } else if (mkdir(l->work, 0700) == 0 || errno == EEXIST) {
        char *full = realpath(l->work, NULL);
        l->work = full ? arena_printf(&l->arena, "%s", full) : NULL;
        free(full);
    } else {
        l->work = NULL;
    }
    if (!l->data && cache && cache[0])
        l->data = arena_printf(&l->arena, "%s/switchyard", cache);
    else if (!l->data)
        l->data = arena_printf(&l->arena, "%s/.cache/switchyard", home ? home : "/tmp");
    if (!l->work || (mkdir(l->data, 0700) != 0 && errno != EEXIST && errno != ENOENT)) {
        fprintf(stderr, "cannot make the folder of the run: %s\n", strerror(errno));
        return false;
    }
    return true;
}

static void begin(struct local *l)
{
    static const struct native_hooks hooks = {.flow_state = on_state,
                                              .event = on_event,
                                              .log = on_log,
                                              .artifact = on_artifact,
                                              .over = on_over};
    l->native = native_start(&(struct native_options){
        .loop = &l->loop,
        .hooks = &hooks,
        .ctx = l,
        .file = l->file,
        .parameters = l->parameters,
        .run = {.work_dir = l->work,
                .data_dir = l->data,
                .api_url = l->server,
                .flow_run_id = uuid_v7(),
                .flow_run_name = l->flow->name,
                .devices = l->devices,
                .lab = l->lab,
                .dry_run = l->dry_run},
    });
}

static void on_granted(struct bench_ticket *ticket)
{
    struct local *l = ticket->owner;
    if (--l->waiting == 0)
        begin(l);
}

static enum err_code wait_for_benches(struct local *l, struct err *err)
{
    enum err_code code = ERR_OK;
    l->waiting = lab_count(l->lab);
    for (size_t i = 0; !code && i < lab_count(l->lab); i++) {
        l->tickets[i] = (struct bench_ticket){
            .name = lab_at(l->lab, i)->name, .granted = on_granted, .owner = l};
        code = lab_wait(l->lab, &l->tickets[i], err);
    }
    return code;
}

/* All that the flow's `devices` ask for. */
static enum err_code open_benches(struct local *l, struct err *err)
{
    json_t *parameters = NULL, *devices = NULL, *config = NULL;
    enum err_code code = flow_parameters(l->flow, l->parameters, &parameters, err);
    if (!code)
        code = flow_devices(l->flow, parameters, &devices, err);
    if (!code)
        code = emulate_devices(devices, &config, &l->devices, err);
    if (!code)
        code = lab_open(&l->lab, &l->loop, config, l->work, NULL, err);
    if (!code)
        code = wait_for_benches(l, err);
    json_decref(config);
    json_decref(parameters);
    json_decref(devices);
    return code;
}

static void run_loop(struct local *l)
{
    struct err err = {0};
    uv_loop_init(&l->loop);
    uv_signal_init(&l->loop, &l->interrupt);
    l->interrupt.data = l;
    uv_signal_start(&l->interrupt, on_interrupt, SIGINT);
    if (l->emulate && open_benches(l, &err)) {
        snprintf(l->state, sizeof(l->state), "FAILED");
        snprintf(l->message, sizeof(l->message), "%s", err.detail);
        close_all(l);
    } else if (!l->waiting) {
        begin(l); /* it needs no bench */
    }
    uv_run(&l->loop, UV_RUN_DEFAULT);
    uv_loop_close(&l->loop);
    json_decref(l->devices);
}

static int run(struct local *l)
{
    struct err err = {0};
    json_t *parameters = NULL;
    signal(SIGPIPE, SIG_IGN);
    if (flow_parameters(l->flow, l->parameters, &parameters, &err)) {
        fprintf(stderr, "%s\n", err.detail);
        return EXIT_USAGE;
    }
    json_decref(parameters);
    if (!make_folders(l))
        return EXIT_FAILED;
    run_loop(l);
    print_table(l);
    if (l->temporary)
        nftw(l->work, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    if (!strcmp(l->state, "CANCELLED"))
        return EXIT_CANCELLED;
    return strcmp(l->state, "COMPLETED") != 0 ? EXIT_FAILED : EXIT_COMPLETED;
}

/* ---- the command line ---- */

static bool take_parameter(struct local *l, const char *text)
{
    const char *equals = strchr(text, '=');
    if (!equals) {
        fprintf(stderr, "--param %s has no value, expected --param NAME=VALUE\n", text);
        return false;
    }
    const char *name = arena_strndup(&l->arena, text, (size_t)(equals - text));
    json_object_set_new(l->parameters, name, flow_parameter_value(l->flow, name, equals + 1));
    return true;
}

static int run_command(struct local *l, int argc, char **argv)
{
    static const struct option options[] = {
        {"param", required_argument, NULL, 'p'},
        {"dry-run", no_argument, NULL, 'n'},
        {"work", required_argument, NULL, 'w'},
        {"data", required_argument, NULL, 'd'},
        {"server", required_argument, NULL, 's'},
        {"emulate", no_argument, NULL, 'e'},
        {NULL, 0, NULL, 0},
    };
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, "p:", options, NULL)) != -1;) {
        switch (c) {
        case 'p':
            if (!take_parameter(l, optarg))
                return EXIT_USAGE;
            break;
        case 'n':
            l->dry_run = true;
            break;
        case 'w':
            l->work = optarg;
            break;
        case 'd':
            l->data = optarg;
            break;
        case 's':
            l->server = optarg;
            break;
        case 'e':
            l->emulate = true;
            break;
        default:
            return EXIT_USAGE;
        }
    }
    return run(l);
}

int flow_main(int argc, char **argv)
{
    struct local l = {.parameters = json_object(), .tasks = json_object()};
    const char *command = argc > 1 ? argv[1] : "";
    int status = EXIT_USAGE;
    l.file = argc > 2 ? argv[2] : NULL;
    if (!strcmp(command, "steps"))
        status = steps(l.file);
    else if (!strcmp(command, "check") && argc == 3)
        status = check(&l);
    else if (!strcmp(command, "run") && argc > 2)
        status = load(&l) ? run_command(&l, argc - 2, argv + 2) : EXIT_USAGE;
    else
        fputs(usage, !strcmp(command, "--help") ? stdout : stderr);
    json_decref(l.parameters);
    json_decref(l.tasks);
    json_decref(l.result);
    arena_reset(&l.arena);
    return status;
}
