#include "cli/watch.h"

#include "shared/base/clock.h"

#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 200, PATIENCE_S = 600, POLL_MS = 300, SLOW_POLL_MS = 1000, MANY = 400, BAR = 24 };

static const char *const final_types[] = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"};

struct watch {
    struct cli *cli;
    const char *title;
    json_t *ids, *runs; /* runs: id -> newest row */
    json_t *tasks;      /* id of a run -> names of its running tasks */
    struct term term;   /* of stderr */
    int64_t started_us, silent_since_us;
    int drawn_lines;
    struct watch_result now;
    int running, waiting;
};

static bool is_final(const char *type)
{
    for (size_t i = 0; i < COUNT(final_types); i++)
        if (strcmp(final_types[i], type) == 0)
            return true;
    return false;
}

static double seconds_of(json_t *run)
{
    return json_number_value(json_at(run, "estimated_run_time"));
}

static void count_states(struct watch *w)
{
    const char *id;
    json_t *run;

    w->now = (struct watch_result){0};
    w->running = 0;
    json_object_foreach(w->runs, id, run)
    {
        const char *type = text_at(run, "state_type");
        w->now.completed += strcmp(type, "COMPLETED") == 0;
        w->now.failed += is_final(type) && strcmp(type, "COMPLETED") != 0;
        w->running += strcmp(type, "RUNNING") == 0;
    }
    w->waiting = (int)json_array_size(w->ids) - w->now.completed - w->now.failed - w->running;
}

static void plain_line(struct watch *w, struct arena *a, json_t *run)
{
    const char *type = text_at(run, "state_type"), *name = text_at(run, "name");
    const char *message = text_at(run, "state.message");
    time_t now_s = (time_t)(clock_now_us() / 1000000);
    struct tm tm;
    char clock[16];

    strftime(clock, sizeof(clock), "%H:%M:%S", localtime_r(&now_s, &tm));
    const char *line = arena_printf(a, "%s  %s  %s", clock, name, text_at(run, "state_name"));
    if (is_final(type))
        line = arena_printf(a, "%s in %s (%d of %zu)", line, duration_text(a, seconds_of(run)),
                            w->now.completed + w->now.failed, json_array_size(w->ids));
    if (is_final(type) && strcmp(type, "COMPLETED") != 0 && *message)
        line = arena_printf(a, "%s: %s", line, message);
    fprintf(w->term.out, "%s\n", safe_text(a, line));
}

static void take_run(struct watch *w, struct arena *a, json_t *run)
{
    const char *id = text_at(run, "id");
    json_t *before = json_object_get(w->runs, id);
    bool changed = strcmp(text_at(before, "state_name"), text_at(run, "state_name")) != 0;

    json_object_set(w->runs, id, run);
    if (!changed || w->term.tty)
        return;
    count_states(w);
    plain_line(w, a, run);
}

static enum err_code fetch_chunk(struct watch *w, struct rest *rest, json_t *ids)
{
    json_t *found = NULL, *run;
    size_t i;
    enum err_code code = rest_post(
        rest, "/flow_runs/filter",
        json_pack("{s:{s:{s:O}},s:i}", "flow_runs", "id", "any_", ids, "limit", CHUNK), &found);

    if (code)
        return code;
    json_array_foreach(found, i, run) take_run(w, rest->arena, run);
    return ERR_OK;
}

/* What the running runs are doing; only for the terminal, an error does not matter. */
static void fetch_tasks(struct watch *w, struct rest *rest, json_t *ids)
{
    json_t *found = NULL, *task;
    size_t i;
    enum err_code code =
        rest_post(rest, "/task_runs/filter",
                  json_pack("{s:{s:{s:O}},s:{s:{s:{s:[s]}}},s:i}", "flow_runs", "id", "any_", ids,
                            "task_runs", "state", "type", "any_", "RUNNING", "limit", CHUNK),
                  &found);

    if (code)
        return;
    json_array_foreach(found, i, task)
        json_object_set(w->tasks, text_at(task, "flow_run_id"), json_object_get(task, "name"));
}

static enum err_code fetch(struct watch *w, struct rest *rest)
{
    enum err_code code = ERR_OK;
    json_t *open = json_array(), *id;
    size_t i, n = json_array_size(w->ids);

    json_object_clear(w->tasks);
    json_array_foreach(w->ids, i, id)
    {
        json_t *run = json_object_get(w->runs, json_string_value(id));
        if (strcmp(text_at(run, "state_type"), "COMPLETED") != 0)
            json_array_append(open, id);
        bool last = i == n - 1;
        if (json_array_size(open) == CHUNK || (last && json_array_size(open))) {
            code = fetch_chunk(w, rest, open);
            if (!code && w->term.tty)
                fetch_tasks(w, rest, open);
            json_array_clear(open);
        }
        if (code)
            break;
    }
    json_decref(open);
    return code;
}

static const char *bar(struct arena *a, int done, int total)
{
    const char *text = "";
    int full = total ? done * BAR / total : 0;

    for (int i = 0; i < BAR; i++)
        text = arena_printf(a, "%s%s", text, i < full ? "█" : "░");
    return text;
}

static void draw_line(struct watch *w, struct arena *a, const char *line, enum color color)
{
    fprintf(w->term.out, "\r\033[K%s%s%s\n", color_on(&w->term, color),
            text_cut(a, safe_text(a, line), w->term.width - 1), color_off(&w->term, color));
    w->drawn_lines++;
}

static void draw_run(struct watch *w, struct arena *a, json_t *run)
{
    const char *type = text_at(run, "state_type"), *id = text_at(run, "id");
    const char *doing = json_string_value(json_object_get(w->tasks, id));

    if (is_final(type) && strcmp(type, "COMPLETED") != 0)
        doing = text_at(run, "state.message");
    const char *took = seconds_of(run) > 0 ? duration_text(a, seconds_of(run)) : "";
    draw_line(w, a,
              arena_printf(a, "  %-32.32s %-16.16s %8s  %s", text_at(run, "name"),
                           text_at(run, "state_name"), took, doing ? doing : ""),
              state_color(type));
}

/* Runs that are shown first when there are more than lines: 0 before 1 before 2. */
static int rank(const char *type)
{
    if (is_final(type))
        return strcmp(type, "COMPLETED") == 0 ? 2 : 1;
    return strcmp(type, "SCHEDULED") == 0 ? 3 : 0;
}

static void draw(struct watch *w, struct arena *a)
{
    int total = (int)json_array_size(w->ids), done = w->now.completed + w->now.failed, shown = 0;
    json_t *id;
    size_t i;

    term_measure(&w->term);
    int room = w->term.height - 4;
    if (w->drawn_lines)
        fprintf(w->term.out, "\033[%dA", w->drawn_lines);
    w->drawn_lines = 0;
    double took_s = (double)(clock_monotonic_us() - w->started_us) / 1e6;
    draw_line(w, a,
              arena_printf(a, "%s  %s %d/%d  %d running, %d waiting, %d failed  %s", w->title,
                           bar(a, done, total), done, total, w->running, w->waiting, w->now.failed,
                           duration_text(a, took_s)),
              COLOR_BOLD);
    for (int r = total <= room ? -1 : 0; r <= 3; r++) {
        json_array_foreach(w->ids, i, id)
        {
            json_t *run = json_object_get(w->runs, json_string_value(id));
            if (!run || shown >= room || (r >= 0 && rank(text_at(run, "state_type")) != r))
                continue;
            draw_run(w, a, run);
            shown++;
        }
        if (r < 0)
            break;
    }
    if (shown < total)
        draw_line(w, a, arena_printf(a, "  … and %d more", total - shown), COLOR_DIM);
    fputs("\033[J", w->term.out);
    fflush(w->term.out);
}

/* Waits; true when the user interrupts. */
static bool wait_or_signal(const sigset_t *signals, int64_t ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};

    return sigtimedwait(signals, NULL, &t) > 0;
}

/* The verdict about a failed poll: ERR_OK to try again. */
static enum err_code bear(struct watch *w, enum err_code code)
{
    int64_t now_us = clock_monotonic_us();
    bool gone = code == ERR_NETWORK || code == ERR_TIMEOUT || code == ERR_BUSY;

    if (!gone)
        return code;
    if (!w->silent_since_us) {
        w->silent_since_us = now_us;
        fprintf(w->term.out, "The server does not answer; waiting for it.\n");
        w->drawn_lines = 0;
    }
    return now_us - w->silent_since_us > PATIENCE_S * INT64_C(1000000) ? code : ERR_OK;
}

static enum err_code poll_once(struct watch *w)
{
    struct arena a = {0};
    struct rest rest = w->cli->rest;

    rest.arena = &a;
    enum err_code code = fetch(w, &rest);
    if (code) {
        code = bear(w, code);
    } else {
        w->silent_since_us = 0;
        count_states(w);
        if (w->term.tty)
            draw(w, &a);
    }
    arena_reset(&a);
    return code;
}

static enum err_code poll_until_done(struct watch *w, int64_t timeout_s, const sigset_t *signals)
{
    int total = (int)json_array_size(w->ids);
    int64_t pause_ms;

    for (bool sure = false;;) {
        enum err_code code = poll_once(w);
        bool done = !w->silent_since_us && w->now.completed + w->now.failed >= total;
        if (code || (done && (sure || !w->now.failed)))
            return code;
        /* A run whose agent was lost is CRASHED for a moment before it is scheduled again. */
        sure = done;
        pause_ms = sure || total > MANY ? SLOW_POLL_MS : POLL_MS;
        int64_t took_s = (clock_monotonic_us() - w->started_us) / 1000000;
        w->now.time_up = timeout_s && took_s >= timeout_s;
        if (w->now.time_up)
            return ERR_OK;
        if (wait_or_signal(signals, pause_ms)) {
            w->now.interrupted = true;
            return ERR_OK;
        }
    }
}

static void release_json(void *value)
{
    json_decref(value);
}

enum err_code watch_runs(struct cli *cli, const char *title, json_t *ids, int64_t timeout_s,
                         struct watch_result *out, json_t **out_runs)
{
    struct watch w = {.cli = cli, .title = title, .ids = ids, .started_us = clock_monotonic_us()};
    sigset_t signals, before;
    json_t *id, *runs = json_array();
    size_t i;

    arena_defer(&cli->arena, release_json, runs);
    w.runs = json_object();
    w.tasks = json_object();
    term_open(&w.term, stderr, !cli_option(cli, "no-color"));
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, &before);
    enum err_code code = poll_until_done(&w, timeout_s, &signals);
    sigprocmask(SIG_SETMASK, &before, NULL);

    json_array_foreach(ids, i, id)
    {
        json_t *run = json_object_get(w.runs, json_string_value(id));
        if (run)
            json_array_append(runs, run);
    }
    *out = w.now;
    *out_runs = runs;
    json_decref(w.runs);
    json_decref(w.tasks);
    return code;
}
