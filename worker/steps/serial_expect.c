/* serial.expect: waits for a line of the board's console; every line heard goes to the run's log.
 *
 *   open the console ─> (supply: CONNECT ─> OFF ─> ON) ─> send ─> lines ... ─> match ─> done
 *
 * The console is open before the supply comes on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/json/regex.h"
#include "worker/lab/bench.h"
#include "worker/lab/console.h"
#include "worker/lab/meter.h"
#include "worker/lab/usb.h"
#include "worker/steps.h"

static const struct step_param params[] = {
    /* clang-format off */
    BENCH_PARAM,
    {"pattern", FLOW_STRING,   true,  NULL,     "regular expression that one line must match"},
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

enum stage { CONNECT, SUPPLY_OFF, SUPPLY_ON, LISTEN, OVER };

struct expect {
    enum stage stage;
    const struct bench *bench;
    struct console *console;
    struct meter *meter;
    uv_timer_t *timer; /* frees itself */
    void *pattern, *fail_on;
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
    console_close(x->console);
    if (x->meter)
        v3pwr_meter.close(x->meter);
    step_done(call, code);
}

static void on_timer(uv_timer_t *timer)
{
    struct step_call *call = timer->data;
    const struct expect *x = call->state;
    if (x->stage != LISTEN)
        finish(call, err_set(&call->err, TIMEOUT, "the meter does not answer"));
    else
        finish(call,
               err_set(&call->err, TIMEOUT, "no line matched `%s` within %g s; last heard: %s",
                       step_string(call, "pattern"), step_number(call, "timeout"),
                       x->last[0] ? x->last : "nothing"));
}

static void on_line(void *ctx, double at_s, const char *text)
{
    struct step_call *call = ctx;
    struct expect *x = call->state;
    size_t len = strlen(text), span[2];
    if (x->stage == OVER)
        return;
    step_log(call, LOG_INFO, "[%9.3f] %s", at_s, text);
    snprintf(x->last, sizeof(x->last), "%.190s", text);
    if (x->stage != LISTEN && x->stage != SUPPLY_ON)
        return;
    if (x->fail_on && regex_search_code(x->fail_on, text, len) == REGEX_MATCH) {
        finish(call, err_set(&call->err, INVALID, "the board said: %.300s", text));
        return;
    }
    enum regex_result found = regex_search_group(x->pattern, text, len, span);
    if (found == REGEX_TOO_COSTLY)
        finish(call, err_set(&call->err, INVALID, "`pattern` takes too long on a line: %s",
                             step_string(call, "pattern")));
    if (found != REGEX_MATCH)
        return;
    step_output(call, "line", json_string(text));
    step_output(call, "value", json_stringn(text + span[0], span[1] - span[0]));
    step_output(call, "at_s", json_real(at_s));
    finish(call, ERR_OK);
}

static void on_gone(void *ctx, const char *why)
{
    struct step_call *call = ctx;
    finish(call, err_set(&call->err, IO, "the board's serial port is gone: %s", why));
}

static void listen_now(struct step_call *call)
{
    struct expect *x = call->state;
    const char *send = step_string(call, "send");
    x->stage = LISTEN;
    uv_timer_start(x->timer, on_timer, (uint64_t)(1000 * step_number(call, "timeout")), 0);
    if (!send)
        return;
    const char *line = arena_printf(call->arena, "%s\r\n", send);
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
        console_restart(x->console);
        v3pwr_meter.power(x->meter, true);
    } else if (news->kind == METER_READY && x->stage == SUPPLY_ON)
        listen_now(call);
}

static enum err_code open_meter(struct step_call *call)
{
    enum { METER_TIMEOUT_MS = 20000 };
    struct expect *x = call->state;
    char path[USB_PATH_BYTES];
    struct meter_config config = {
        .port = path, .volts_v = step_number(call, "volts"), .rate_hz = meter_rates_hz[0]};
    enum err_code code = usb_resolve(x->bench->meter_port, path, &call->err);
    if (!code)
        code = v3pwr_meter.open(call->loop, &config, (struct meter_listener){call, on_news},
                                &x->meter, &call->err);
    if (!code)
        uv_timer_start(x->timer, on_timer, METER_TIMEOUT_MS, 0);
    return code;
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
    if (!code)
        code = console_open(call->loop, x->bench->uart, (unsigned)step_integer(call, "baud"),
                            (struct console_listener){call, on_line, on_gone}, &x->console,
                            &call->err);
    if (!code && !strcmp(step_string(call, "power"), "cycle"))
        code = open_meter(call);
    else if (!code)
        listen_now(call);
    if (code)
        finish(call, code);
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
