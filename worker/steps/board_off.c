/* board.off: cuts the supply of the run's board, as an `always:` task. */
#include "worker/lab/bench.h"
#include "worker/lab/meter.h"
#include "worker/lab/usb.h"
#include "worker/steps.h"

static const struct step_param params[] = {BENCH_PARAM};

static const struct step_output outputs[] = {
    {"bench", FLOW_STRING, "name of the bench"},
};

struct off {
    const struct bench *bench;
    struct meter *meter;
    bool asked, over;
};

static void finish(struct step_call *call, enum err_code code)
{
    struct off *o = call->state;
    if (o->over)
        return;
    o->over = true;
    if (o->meter)
        v3pwr_meter.close(o->meter);
    step_done(call, code);
}

static void on_news(void *ctx, const struct meter_news *news)
{
    struct step_call *call = ctx;
    struct off *o = call->state;

    if (o->over)
        return;
    if (news->kind == METER_FAILED) {
        call->err = *news->err;
        finish(call, news->err->code);
    } else if (news->kind == METER_READY && !o->asked) {
        enum err_code code = bench_may_drive(call->run, o->bench, &call->err);
        o->asked = true;
        if (code)
            finish(call, code);
        else
            v3pwr_meter.power(o->meter, false);
    } else if (news->kind == METER_READY) {
        step_log(call, LOG_INFO, "the board's supply is off");
        finish(call, ERR_OK);
    }
}

static void cancel(struct step_call *call)
{
    finish(call, err_set(&call->err, CANCELLED, "cancelled before the supply was off"));
}

static void start(struct step_call *call)
{
    struct off *o = arena_new(call->arena, struct off);
    char path[USB_PATH_BYTES];

    call->state = o;
    enum err_code code = bench_of(call, &o->bench);
    if (!code)
        code = usb_resolve(o->bench->meter_port, path, &call->err);
    if (!code) {
        struct meter_config config = {.port = path, .volts_v = 3.3, .rate_hz = meter_rates_hz[0]};
        struct meter_listener listener = {.ctx = call, .news = on_news};
        step_output(call, "bench", json_string(o->bench->name));
        code = v3pwr_meter.open(call->loop, &config, listener, &o->meter, &call->err);
    }
    if (code)
        finish(call, code);
}

const struct step board_off_step = {
    .schema = {.name = "board.off",
               .doc = "Cuts the supply of the run's board.",
               STEP_PARAMS(params),
               STEP_OUTPUTS(outputs)},
    .hardware = true,
    .start = start,
    .cancel = cancel,
};
