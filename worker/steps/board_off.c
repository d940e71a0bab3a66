/* board.off: cuts the supply of the run's board, as an `always:` task. */
#include "worker/lab/bench.h"
#include "worker/lab/supply.h"
#include "worker/steps.h"

static const struct step_param params[] = {BENCH_PARAM};

static const struct step_output outputs[] = {
    {"bench", FLOW_STRING, "name of the bench"},
};

struct off {
    const struct bench *bench;
    struct supply *supply;
    bool over;
};

static void finish(struct step_call *call, enum err_code code)
{
    struct off *o = call->state;
    if (o->over)
        return;
    o->over = true;
    supply_stop(o->supply);
    step_done(call, code);
}

static enum err_code may_drive(void *ctx, struct err *e)
{
    struct step_call *call = ctx;
    const struct off *o = call->state;
    return bench_may_drive(call->run, o->bench, e);
}

static void on_cut(void *ctx, enum err_code code, const struct err *e)
{
    struct step_call *call = ctx;
    struct off *o = call->state;

    if (code) {
        call->err = *e;
    } else {
        lab_note_supply(call->run->lab, o->bench, false);
        step_log(call, LOG_INFO, "the board's supply is off");
    }
    finish(call, code);
}

static void cancel(struct step_call *call)
{
    finish(call, err_set(&call->err, CANCELLED, "cancelled before the supply was off"));
}

static void start(struct step_call *call)
{
    struct off *o = arena_new(call->arena, struct off);

    call->state = o;
    enum err_code code = bench_of(call, &o->bench);
    if (!code) {
        struct supply_hooks hooks = {may_drive, on_cut, call};
        step_output(call, "bench", json_string(o->bench->name));
        code = supply_cut(call->loop, o->bench, &hooks, &o->supply, &call->err);
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
