/* serial.expect: waits for a line of the board's console; every line heard goes to the run's log.
 *
 *   OPEN ─> (supply: CONNECT ─> SUPPLY_OFF ─> SUPPLY_ON) ─> send ─> LISTEN ... ─> match ─> done
 *                                                                     │  ^
 *                                               the port goes away ─> LOST ─ it is back
 *
 * The console is open before the supply comes on.  After the step it stays open for the next one
 * of the run, which first hears what was said in between. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/json/regex.h"
#include "worker/lab/bench.h"
#include "worker/lab/console.h"
#include "worker/lab/meter.h"
#include "worker/lab/usb.h"
#include "worker/steps.h"

static const struct step_param params[] = {
    /* clang-format off */
    BENCH_PARAM,
    {"pattern", FLOW_STRING,   true,  NULL,     "regular expression (PCRE2) that one line must match"},
    {"timeout", FLOW_DURATION, false, "10",     "from power-on, or from `send`"},
    {"fail_on", FLOW_STRING,   false, NULL,     "regular expression of a line that ends the wait as a failure"},
    {"send",    FLOW_STRING,   false, NULL,     "what is sent first; a line end is added"},
    {"power",   FLOW_STRING,   false, "\"as-is\"", "what happens to the supply once the console is open", "as-is|cycle"},
    {"volts",   FLOW_NUMBER,   false, "3.3",    "supply of the board, for `cycle`"},
    {"baud",    FLOW_INTEGER,  false, "115200", "speed of the console"},
    /* clang-format on */
};

static const struct step_output outputs[] = {
    {"line", FLOW_STRING, "the line that matched"},
    {"value", FLOW_STRING, "the pattern's first group, or all that it matched"},
    {"at_s", FLOW_NUMBER, "when its first byte came, after power-on or the opening"},
};

enum stage { OPEN, CONNECT, SUPPLY_OFF, SUPPLY_ON, LISTEN, LOST, OVER };
enum { OPEN_S = 10, AGAIN_MS = 200, METER_TIMEOUT_MS = 20000 };

static void on_timer(uv_timer_t *timer);

struct expect {
    enum stage stage;
    const struct bench *bench;
    struct console *console;
    struct meter *meter;
    uv_timer_t *timer; /* frees itself */
    void *pattern, *fail_on;
    int64_t open_until_us, end_us; /* monotonic; end_us: of the wait for a line */
    bool cycle;
    int boots; /* banners since power-on */
    char last[200];
};

static void on_timer_closed(uv_handle_t *timer)
{
    free(timer);
}

static void finish(struct step_call *call, enum err_code code)
{
    struct expect *x = call->state;
    if (x->stage == OVER)
        return;
    x->stage = OVER;
    uv_close((uv_handle_t *)x->timer, on_timer_closed);
    if (!code || code == ERR_TIMEOUT || code == ERR_INVALID)
        console_keep(x->console, call->run->consoles);
    else
        console_close(x->console);
    if (x->meter)
        v3pwr_meter.close(x->meter);
    step_done(call, code);
}

static void wait_ms(struct step_call *call, double delay_ms)
{
    const struct expect *x = call->state;
    uv_timer_start(x->timer, on_timer, delay_ms > 0 ? (uint64_t)delay_ms : 0, 0);
}

static void wait_for_line(struct step_call *call)
{
    const struct expect *x = call->state;
    wait_ms(call, (double)(x->end_us - clock_monotonic_us()) / 1e3);
}

/* ---- what is heard ---- */

/* A board that boots a second time after power-on has lost its supply, or crashed. */
static bool booted_again(struct step_call *call, const char *text, bool whole)
{
    struct expect *x = call->state;
    if (!x->cycle || !whole || !strstr(text, "SY-BOOT build="))
        return false;
    return ++x->boots > 1;
}

static bool matches(struct step_call *call, const void *code, const char *param, const char *text,
                    size_t out_span[static 2])
{
    enum regex_result found = regex_search_group(code, text, strlen(text), out_span);
    if (found == REGEX_TOO_COSTLY)
        finish(call, err_set(&call->err, INVALID, "`%s` takes too long on a line: %s", param,
                             step_string(call, param)));
    return found == REGEX_MATCH;
}

static void look_at(struct step_call *call, double at_s, const char *text, bool whole)
{
    struct expect *x = call->state;
    size_t span[2];
    if (x->fail_on && matches(call, x->fail_on, "fail_on", text, span))
        finish(call, err_set(&call->err, INVALID, "the board said: %.300s", text));
    if (x->stage == OVER)
        return;
    if (booted_again(call, text, whole))
        finish(call, err_set(&call->err, IO,
                             "the board booted twice since power-on (brown-out?): %.200s", text));
    if (x->stage == OVER || !matches(call, x->pattern, "pattern", text, span))
        return;
    if (!whole) {
        step_log(call, LOG_INFO, "[%9.3f] %s", at_s, text);
        console_take_rest(x->console);
    }
    step_output(call, "line", json_string(text));
    step_output(call, "value", json_stringn(text + span[0], span[1] - span[0]));
    step_output(call, "at_s", json_real(at_s));
    finish(call, ERR_OK);
}

static void on_line(void *ctx, double at_s, const char *text, bool whole)
{
    struct step_call *call = ctx;
    struct expect *x = call->state;
    if (x->stage == OVER)
        return;
    if (whole)
        step_log(call, LOG_INFO, "[%9.3f] %s", at_s, text);
    snprintf(x->last, sizeof(x->last), "%.190s", text);
    if (x->stage == LISTEN || x->stage == SUPPLY_ON)
        look_at(call, at_s, text, whole);
}

/* ---- the port ---- */

static void on_gone(void *ctx, const char *why)
{
    struct step_call *call = ctx;
    struct expect *x = call->state;
    step_log(call, LOG_WARN, "the board's serial port is gone (%s): waiting for it", why);
    console_close(x->console);
    x->console = NULL;
    if (x->stage != LISTEN)
        return; /* the board has no supply: looked for when it has */
    x->stage = LOST;
    wait_ms(call, AGAIN_MS);
}

static enum err_code open_console(struct step_call *call, struct err *e)
{
    struct expect *x = call->state;
    unsigned baud = (unsigned)step_integer(call, "baud");
    const struct console_listener listener = {call, on_line, on_gone};
    x->console = console_resume(call->run->consoles, x->bench->uart, baud, listener);
    if (x->console)
        return ERR_OK;
    return console_open(call->loop, x->bench->uart, baud, listener, &x->console, e);
}

/* What was said before `send` is no answer to it; without, it may be the line already. */
static void listen_now(struct step_call *call)
{
    struct expect *x = call->state;
    const char *send = step_string(call, "send");
    x->end_us = clock_monotonic_us() + (int64_t)(1e6 * step_number(call, "timeout"));
    if (!x->console) {
        x->stage = LOST;
        wait_ms(call, 0);
        return;
    }
    x->stage = send ? OPEN : LISTEN;
    console_replay(x->console);
    if (x->stage == OVER || x->stage == LOST)
        return;
    x->stage = LISTEN;
    wait_for_line(call);
    const char *line = send ? arena_printf(call->arena, "%s\r\n", send) : "";
    enum err_code code = console_write(x->console, line, strlen(line), &call->err);
    if (code)
        finish(call, code);
}

/* Ends the step when it may not. */
static bool may_drive(struct step_call *call)
{
    const struct expect *x = call->state;
    enum err_code code = bench_may_drive(call->run, x->bench, &call->err);
    if (code)
        finish(call, code);
    return !code;
}

static void on_news(void *ctx, const struct meter_news *news)
{
    struct step_call *call = ctx;
    struct expect *x = call->state;
    if (x->stage == OVER)
        return;
    if (news->kind == METER_FAILED) {
        call->err = *news->err;
        finish(call, news->err->code);
    } else if (news->kind == METER_READY && x->stage < SUPPLY_ON && !may_drive(call)) {
        return;
    } else if (news->kind == METER_READY && x->stage == CONNECT) {
        x->stage = SUPPLY_OFF;
        v3pwr_meter.power(x->meter, false);
    } else if (news->kind == METER_READY && x->stage == SUPPLY_OFF) {
        x->stage = SUPPLY_ON;
        x->boots = 0;
        if (x->console)
            console_restart(x->console);
        v3pwr_meter.power(x->meter, true);
    } else if (news->kind == METER_READY && x->stage == SUPPLY_ON)
        listen_now(call);
}

static enum err_code open_meter(struct step_call *call)
{
    struct expect *x = call->state;
    char path[USB_PATH_BYTES];
    struct meter_config config = {
        .port = path, .volts_v = step_number(call, "volts"), .rate_hz = meter_rates_hz[0]};
    enum err_code code = usb_resolve(x->bench->meter_port, path, &call->err);
    if (!code)
        code = v3pwr_meter.open(call->loop, &config, (struct meter_listener){call, on_news},
                                &x->meter, &call->err);
    x->stage = CONNECT;
    if (!code)
        wait_ms(call, METER_TIMEOUT_MS);
    return code;
}

/* The port of a probe that was used just now may still be on its way back. */
static void try_to_open(struct step_call *call)
{
    struct expect *x = call->state;
    struct err e = {0};
    enum err_code code = open_console(call, &e);
    if (code && clock_monotonic_us() < x->open_until_us) {
        wait_ms(call, AGAIN_MS);
        return;
    }
    call->err = e;
    if (!code && x->cycle)
        code = open_meter(call);
    else if (!code)
        listen_now(call);
    if (code)
        finish(call, code);
}

static void timed_out(struct step_call *call)
{
    const struct expect *x = call->state;
    finish(call, err_set(&call->err, TIMEOUT, "no line matched `%s` within %g s; last heard: %s%s",
                         step_string(call, "pattern"), step_number(call, "timeout"),
                         x->last[0] ? x->last : "nothing",
                         x->console ? "" : "; the serial port did not come back"));
}

static void find_again(struct step_call *call)
{
    struct expect *x = call->state;
    struct err e = {0};
    if (clock_monotonic_us() >= x->end_us)
        timed_out(call);
    else if (open_console(call, &e))
        wait_ms(call, AGAIN_MS);
    else {
        step_log(call, LOG_INFO, "the board's serial port is back");
        x->stage = LISTEN;
        wait_for_line(call);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct step_call *call = timer->data;
    const struct expect *x = call->state;
    if (x->stage == OPEN)
        try_to_open(call);
    else if (x->stage == LOST)
        find_again(call);
    else if (x->stage == LISTEN)
        timed_out(call);
    else
        finish(call, err_set(&call->err, TIMEOUT, "the meter does not answer"));
}

static enum err_code compile(struct step_call *call, const char *name, void **out)
{
    const char *text = step_string(call, name), *reason;
    if (!text)
        return ERR_OK;
    *out = regex_compile(call->arena, text, strlen(text), &reason);
    return *out ? ERR_OK : err_set(&call->err, INVALID, "`%s` is no pattern: %s", name, reason);
}

static void start(struct step_call *call)
{
    struct expect *x = arena_new(call->arena, struct expect);
    call->state = x;
    x->timer = malloc(sizeof(*x->timer));
    if (!x->timer) {
        step_done(call, err_set(&call->err, INTERNAL, "out of memory"));
        return;
    }
    uv_timer_init(call->loop, x->timer);
    x->timer->data = call;
    enum err_code code = compile(call, "pattern", &x->pattern);
    if (!code)
        code = compile(call, "fail_on", &x->fail_on);
    if (!code)
        code = bench_of(call, &x->bench);
    if (code) {
        finish(call, code);
        return;
    }
    x->cycle = !strcmp(step_string(call, "power"), "cycle");
    x->open_until_us = clock_monotonic_us() + OPEN_S * 1000000ll;
    try_to_open(call);
}

static void cancel(struct step_call *call)
{
    finish(call, err_set(&call->err, CANCELLED, "cancelled while waiting for a line"));
}

const struct step serial_expect_step = {
    .schema = {.name = "serial.expect",
               .doc = "Waits for a line of the board's console.",
               STEP_PARAMS(params),
               STEP_OUTPUTS(outputs)},
    .hardware = true,
    .start = start,
    .cancel = cancel,
};
