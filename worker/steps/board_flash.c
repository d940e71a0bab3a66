/* board.flash: an image onto the run's board, proven by the build id in its boot banner.
 *
 *   CONNECT ─> SUPPLY_OFF ─> WRITE ─> SUPPLY_ON ─> BANNER ─> done
 *                  ^           │                     │
 *                  │           │                     └── no banner in time: cut the supply and try
 *                  │           v                         again, `power_cycles` times
 *                  └─────── RECOVER: not written, or another build answers: the next rung of the
 *                                    recovery ladder (real boards only)
 *
 * Each stage ends with one event: the meter is ready, the image is written, the banner is read. The
 * supply comes from the meter and stays on.  A back-end that writes a powered board gets the supply
 * before WRITE, too. The UART is opened before the supply comes, so that the banner cannot be
 * missed. */
#include <stdlib.h>
#include <string.h>

#include "worker/lab/board.h"
#include "worker/lab/console.h"
#include "worker/lab/meter.h"
#include "worker/lab/recovery.h"
#include "worker/lab/usb.h"

enum { METER_TIMEOUT_MS = 15000 };
static const double hook_timeout_s = 120;

static const struct step_param params[] = {
    /* clang-format off */
    BENCH_PARAM,
    {"image",        FLOW_STRING,   true,  NULL,  "the ELF file, as firmware.build gives it"},
    {"build_id",     FLOW_STRING,   true,  NULL,  "what the boot banner must show"},
    {"volts",        FLOW_NUMBER,   false, "3.3", "supply of the board"},
    {"boot_timeout", FLOW_DURATION, false, "10",  "from supply on to the banner"},
    {"tool_timeout", FLOW_DURATION, false, "120", "of each attempt to write"},
    {"power_cycles", FLOW_INTEGER,  false, "1",   "how often the supply is cut and given again when no banner comes"},
    /* clang-format on */
};

static const struct step_output outputs[] = {
    {"bench", FLOW_STRING, "name of the bench"},
    {"banner", FLOW_STRING, "the boot line that proved it"},
    {"emulated", FLOW_BOOLEAN, "the board is not hardware"},
    {"recoveries", FLOW_INTEGER, "rungs of the recovery ladder that were needed"},
    {"volts", FLOW_NUMBER, "supply of the board"},
};

enum stage { CONNECT, SUPPLY_OFF, SUPPLY_FOR_WRITE, WRITE, SUPPLY_ON, BANNER, RECOVER, OVER };

struct flash {
    enum stage stage;
    struct board_flash what;
    const struct board_backend *backend;
    struct meter *meter;
    struct console *console;
    uv_timer_t *timer; /* frees itself: it may outlive the call by a loop round */
    int64_t cycles_left;
    struct ladder ladder;
    const struct rung_row *rung;
    int64_t recoveries;
    struct board_verdict verdict;
    struct err why; /* of what is being recovered from */
    bool written, hopeless;
    char line[CONSOLE_LINE_BYTES], banner[CONSOLE_LINE_BYTES];
};

static void enter(struct step_call *call, enum stage stage);
static void recover(struct step_call *call, enum err_code code);

/* ---- the end ---- */

static void on_timer_closed(uv_handle_t *timer)
{
    free(timer);
}

static void finish(struct step_call *call, enum err_code code)
{
    struct flash *f = call->state;

    if (f->stage == OVER)
        return;
    f->stage = OVER;
    uv_close((uv_handle_t *)f->timer, on_timer_closed);
    console_close(f->console);
    if (f->meter)
        v3pwr_meter.close(f->meter);
    if (f->written || code)
        lab_note_flash(call->run->lab, f->what.bench, !code);
    if (!code) {
        step_output(call, "bench", json_string(f->what.bench->name));
        step_output(call, "banner", json_string(f->banner));
        step_output(call, "emulated", json_boolean(f->what.bench->emulated));
        step_output(call, "recoveries", json_integer(f->recoveries));
        step_output(call, "volts", json_real(step_number(call, "volts")));
    }
    step_done(call, code);
}

/* ---- time ---- */

static void on_timer(uv_timer_t *timer)
{
    struct step_call *call = timer->data;
    struct flash *f = call->state;

    if (f->stage != BANNER) {
        finish(call, err_set(&call->err, TIMEOUT, "bench %s: the meter does not answer",
                             f->what.bench->name));
    } else if (f->cycles_left-- > 0) {
        step_log(call, LOG_WARN, "no banner in %g s: cutting the supply and trying again",
                 step_number(call, "boot_timeout"));
        enter(call, SUPPLY_OFF);
    } else {
        finish(call, err_set(&call->err, TIMEOUT,
                             "bench %s: the board did not boot: no line `SY-BOOT build=%s ...` "
                             "within %g s; last heard: %s",
                             f->what.bench->name, step_string(call, "build_id"),
                             step_number(call, "boot_timeout"), f->line[0] ? f->line : "nothing"));
    }
}

static void arm(struct step_call *call, double delay_ms)
{
    struct flash *f = call->state;
    uv_timer_start(f->timer, on_timer, (uint64_t)delay_ms, 0);
}

/* ---- the banner ---- */

/* "SY-BOOT build=<id> target=<machine> model=<name>" */
static void read_line(struct step_call *call)
{
    static const char mark[] = "SY-BOOT build=";
    struct flash *f = call->state;
    const char *expected = step_string(call, "build_id");
    const char *at = strstr(f->line, mark);

    if (!at)
        return;
    const char *id = at + sizeof(mark) - 1;
    size_t len = strcspn(id, " ");
    if (len != strlen(expected) || memcmp(id, expected, len) != 0) {
        recover(call,
                err_set(&call->err, CONFLICT, "bench %s: the board runs build %.*s, expected %s",
                        f->what.bench->name, (int)len, id, expected));
        return;
    }
    memcpy(f->banner, at, strlen(at) + 1);         /* both have CONSOLE_LINE_BYTES */
    console_keep(f->console, call->run->consoles); /* what it says now is for the next step */
    f->console = NULL;
    if (f->stage == BANNER)
        finish(call, ERR_OK);
}

/* Half a banner names another build: only a whole line counts. */
static void on_line(void *ctx, double at_s, const char *text, bool whole)
{
    struct step_call *call = ctx;
    struct flash *f = call->state;

    if (!whole)
        return;
    if (f->stage != SUPPLY_ON && f->stage != BANNER)
        return; /* what an earlier program said */
    step_log(call, LOG_INFO, "[%9.3f] %s", at_s, text);
    memcpy(f->line, text, strlen(text) + 1);
    read_line(call);
}

static void on_gone(void *ctx, const char *why)
{
    struct step_call *call = ctx;
    struct flash *f = call->state;
    finish(call, err_set(&call->err, IO, "bench %s: the board's serial port is gone: %s",
                         f->what.bench->name, why));
}

/* ---- stages ---- */

static void on_written(struct step_call *call, enum err_code code)
{
    struct flash *f = call->state;

    if (f->stage == OVER)
        return;
    if (code) {
        recover(call, code);
        return;
    }
    f->written = true;
    enter(call, f->backend->needs_supply ? SUPPLY_OFF : SUPPLY_ON);
}

static void on_tool_line(struct step_call *call, int fd, const char *line)
{
    struct flash *f = call->state;
    (void)fd;
    char version[48];
    step_log(call, LOG_INFO, "%s", line);
    if (board_probe_version(line, version, sizeof(version)))
        lab_note_probe(call->run->lab, f->what.bench, version);
    board_verdict_line(&f->verdict, line);
}

static void on_tool_exit(struct step_call *call, const struct step_exit *how)
{
    struct flash *f = call->state;
    enum err_code code = board_verdict(&f->verdict, how, &call->err);
    f->hopeless = code && f->verdict.trouble && f->verdict.trouble->hopeless;
    on_written(call, code);
}

static void run_tool(struct step_call *call)
{
    struct flash *f = call->state;
    const char **argv = arena_array(call->arena, const char *, BACKEND_WORDS_MAX);

    f->verdict = (struct board_verdict){.backend = f->backend};
    enum err_code code = board_command(f->backend, &f->what, call->arena, argv, &call->err);
    if (!code)
        code = step_exec(call, &(struct step_exec){.argv = argv,
                                                   .env = (const char *const[]){"LC_ALL=C", NULL},
                                                   .timeout_s = f->what.timeout_s,
                                                   .line = on_tool_line,
                                                   .exited = on_tool_exit});
    if (code) /* nothing that a board could do about it */
        finish(call, code);
}

static void on_bin(struct step_call *call, enum err_code code)
{
    struct flash *f = call->state;

    if (f->stage == OVER)
        return;
    if (code)
        finish(call, code);
    else if (f->backend->write)
        step_work(call, f->backend->write, on_written, &f->what);
    else
        run_tool(call);
}

/* ---- recovery ---- */

static void after_rung(struct step_call *call, enum err_code code)
{
    struct flash *f = call->state;

    if (f->stage == OVER)
        return;
    if (code)
        step_log(call, LOG_WARN, "%s did not work: %s", f->rung->name, call->err.detail);
    call->err = f->why;
    if (f->rung == &recovery_rungs[RUNG_QUARANTINE])
        finish(call, f->why.code);
    else
        enter(call, f->rung->power_cycle ? SUPPLY_OFF : WRITE);
}

static enum err_code act(struct step_work *work)
{
    const struct flash *f = work->arg;
    return f->rung->act(f->what.bench, &work->err);
}

static void on_hook_exit(struct step_call *call, const struct step_exit *how)
{
    after_rung(call, step_exit_code(call, "the hook", how));
}

static void run_hook(struct step_call *call, const char *command)
{
    const struct flash *f = call->state;
    const char *const argv[] = {"/bin/sh", "-c", command, NULL};
    const char *const env[] = {
        arena_printf(call->arena, "SWITCHYARD_BENCH=%s", f->what.bench->name),
        arena_printf(call->arena, "SWITCHYARD_SERIAL=%s", f->what.bench->board_serial), NULL};
    enum err_code code = step_exec(
        call, &(struct step_exec){
                  .argv = argv, .env = env, .timeout_s = hook_timeout_s, .exited = on_hook_exit});
    if (code)
        after_rung(call, code);
}

/* `code` and call->err say what went wrong. */
static void recover(struct step_call *call, enum err_code code)
{
    struct flash *f = call->state;
    const struct bench *bench = f->what.bench;

    if (bench->emulated || f->backend->write == board_write_qemu || code == ERR_CANCELLED) {
        finish(call, code);
        return;
    }
    struct err fence = {0};
    if (bench_may_drive(call->run, bench, &fence)) {
        call->err = fence;
        finish(call, fence.code);
        return;
    }
    enum rung rung = f->hopeless ? RUNG_QUARANTINE : ladder_next(&f->ladder);
    lab_note_rung(call->run->lab, bench, rung, call->err.detail);
    if (rung == RUNG_QUARANTINE) {
        step_log(call, LOG_ERROR, "%s: bench %s is quarantined",
                 f->hopeless ? "trying again cannot help" : "nothing helped", bench->name);
        if (!bench->hooks[rung]) {
            finish(call, code);
            return;
        }
    }
    f->recoveries += rung != RUNG_QUARANTINE;
    f->why = call->err;
    f->rung = &recovery_rungs[rung];
    f->written = false;
    if (rung != RUNG_QUARANTINE)
        step_log(call, LOG_WARN, "%s; recovery: %s", call->err.detail, f->rung->name);
    call->err = (struct err){0};
    console_close(f->console); /* the port may move */
    f->console = NULL;
    f->stage = RECOVER;
    uv_timer_stop(f->timer);
    if (bench->hooks[rung])
        run_hook(call, bench->hooks[rung]);
    else if (f->rung->act)
        step_work(call, act, after_rung, f);
    else
        after_rung(call, ERR_OK);
}

/* The meter has done what the stage asked for. */
static void on_ready(struct step_call *call)
{
    struct flash *f = call->state;

    switch (f->stage) {
    case CONNECT:
        enter(call, SUPPLY_OFF);
        break;
    case SUPPLY_OFF:
        enter(call, f->written ? SUPPLY_ON : f->backend->needs_supply ? SUPPLY_FOR_WRITE : WRITE);
        break;
    case SUPPLY_FOR_WRITE:
        enter(call, WRITE);
        break;
    case SUPPLY_ON:
        enter(call, BANNER);
        break;
    case WRITE:
    case BANNER:
    case RECOVER:
    case OVER:
        break;
    }
}

static void on_news(void *ctx, const struct meter_news *news)
{
    struct step_call *call = ctx;
    struct flash *f = call->state;

    if (f->stage == OVER)
        return;
    if (news->kind == METER_READY) {
        on_ready(call);
    } else if (news->kind == METER_WARNING) {
        step_log(call, LOG_WARN, "meter: %s", news->text);
    } else if (news->kind == METER_FAILED) {
        call->err = *news->err;
        finish(call, news->err->code);
    }
}

static enum err_code open_console(struct step_call *call)
{
    struct flash *f = call->state;
    struct console_listener listener = {call, on_line, on_gone};
    enum err_code code = ERR_OK;

    if (!f->console)
        code = console_open(call->loop, f->what.bench->uart, 0, listener, &f->console, &call->err);
    if (!code)
        console_restart(f->console);
    return code;
}

static void connect_meter(struct step_call *call)
{
    struct flash *f = call->state;
    char path[USB_PATH_BYTES];
    enum err_code code = usb_resolve(f->what.bench->meter_port, path, &call->err);
    if (code) {
        finish(call, code);
        return;
    }
    struct meter_config config = {
        .port = path,
        .volts_v = step_number(call, "volts"),
        .rate_hz = meter_rates_hz[0],
    };
    struct meter_listener listener = {.ctx = call, .news = on_news};
    code = v3pwr_meter.open(call->loop, &config, listener, &f->meter, &call->err);
    if (code)
        finish(call, code);
}

static void enter(struct step_call *call, enum stage stage)
{
    struct flash *f = call->state;
    enum err_code code;

    if (f->stage == OVER)
        return;
    code = bench_may_drive(call->run, f->what.bench, &call->err);
    if (code) {
        finish(call, code);
        return;
    }
    f->stage = stage;
    arm(call, stage == BANNER ? 1000 * step_number(call, "boot_timeout") : METER_TIMEOUT_MS);
    switch (stage) {
    case CONNECT:
        connect_meter(call);
        break;
    case SUPPLY_OFF:
        f->line[0] = f->banner[0] = 0;
        v3pwr_meter.power(f->meter, false);
        break;
    case SUPPLY_FOR_WRITE:
        v3pwr_meter.power(f->meter, true);
        break;
    case WRITE:
        uv_timer_stop(f->timer); /* the task's own time-out holds */
        if (f->backend->needs_bin && !f->what.address)
            step_work(call, board_make_bin, on_bin, &f->what);
        else
            on_bin(call, ERR_OK);
        break;
    case SUPPLY_ON:
        code = open_console(call);
        if (code)
            finish(call, code);
        else
            v3pwr_meter.power(f->meter, true);
        break;
    case BANNER:
        if (f->banner[0])
            finish(call, ERR_OK);
        break;
    case RECOVER:
    case OVER:
        break;
    }
}

static void cancel(struct step_call *call)
{
    finish(call, err_set(&call->err, CANCELLED, "flashing was cancelled"));
}

/* Said since an earlier step listened. */
static void tell_kept(void *ctx, double at_s, const char *text)
{
    step_log(ctx, LOG_INFO, "[%9.3f] %s", at_s, text);
}

static void start(struct step_call *call)
{
    struct flash *f = arena_new(call->arena, struct flash);
    enum err_code code = bench_of(call, &f->what.bench);

    call->state = f;
    if (!code && !(f->backend = board_backend_find(f->what.bench->backend)))
        code = err_set(&call->err, INVALID, "bench %s: there is no flash back-end %s",
                       f->what.bench->name, f->what.bench->backend);
    if (!code && !(f->timer = malloc(sizeof(*f->timer))))
        code = err_set(&call->err, INTERNAL, "out of memory");
    if (code) {
        f->stage = OVER;
        step_done(call, code);
        return;
    }
    uv_timer_init(call->loop, f->timer);
    f->timer->data = call;
    console_drop(call->run->consoles, f->what.bench->uart, tell_kept, call);
    f->what.image = step_path(call, step_string(call, "image"));
    f->what.bin = step_path(call, "image.bin");
    f->what.timeout_s = step_number(call, "tool_timeout");
    f->cycles_left = step_integer(call, "power_cycles");
    enter(call, CONNECT);
}

const struct step board_flash_step = {
    .schema = {.name = "board.flash",
               .doc = "Brings an image onto the run's board and proves it by the boot banner.",
               STEP_PARAMS(params),
               STEP_OUTPUTS(outputs)},
    .hardware = true,
    .start = start,
    .cancel = cancel,
};
