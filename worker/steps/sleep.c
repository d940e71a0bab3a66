/* sleep: waits, for example until a board has settled. */
#include "worker/steps.h"

static const struct step_param params[] = {
    {"for", FLOW_DURATION, true, NULL, "how long", NULL},
};

struct nap {
    uv_timer_t timer;
    enum err_code code;
};

static void on_closed(uv_handle_t *handle)
{
    struct step_call *call = handle->data;
    step_done(call, ((struct nap *)call->state)->code);
}

static void on_timer(uv_timer_t *timer)
{
    uv_close((uv_handle_t *)timer, on_closed);
}

static void start(struct step_call *call)
{
    struct nap *nap = arena_new(call->arena, struct nap);
    call->state = nap;
    uv_timer_init(call->loop, &nap->timer);
    nap->timer.data = call;
    uv_timer_start(&nap->timer, on_timer, (uint64_t)(step_number(call, "for") * 1000), 0);
}

static void cancel(struct step_call *call)
{
    struct nap *nap = call->state;
    if (uv_is_closing((uv_handle_t *)&nap->timer))
        return;
    nap->code = err_set(&call->err, CANCELLED, "cancelled while waiting");
    uv_close((uv_handle_t *)&nap->timer, on_closed);
}

const struct step sleep_step = {
    .schema = {.name = "sleep", .doc = "Waits.", STEP_PARAMS(params)},
    .start = start,
    .cancel = cancel,
};
