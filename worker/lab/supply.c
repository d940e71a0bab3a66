#include "worker/lab/supply.h"

#include <stdlib.h>

#include "worker/lab/meter.h"
#include "worker/lab/usb.h"

struct supply {
    struct supply_hooks hooks;
    struct meter *meter;
    bool asked;
};

static void on_news(void *ctx, const struct meter_news *news)
{
    struct supply *s = ctx;
    struct err e = {0};
    enum err_code code = ERR_OK;

    if (news->kind == METER_FAILED) {
        s->hooks.done(s->hooks.ctx, news->err->code, news->err);
        return;
    }
    if (news->kind != METER_READY)
        return;
    if (!s->asked)
        code = s->hooks.may_drive(s->hooks.ctx, &e);
    if (code || s->asked) {
        s->hooks.done(s->hooks.ctx, code, &e);
        return;
    }
    s->asked = true;
    v3pwr_meter.power(s->meter, false);
}

enum err_code supply_cut(uv_loop_t *loop, const struct bench *bench,
                         const struct supply_hooks *hooks, struct supply **out, struct err *e)
{
    struct supply *s = calloc(1, sizeof(*s));
    struct meter_listener listener = {s, on_news};
    char port[USB_PATH_BYTES];

    if (!s)
        return err_set(e, INTERNAL, "out of memory");
    s->hooks = *hooks;
    enum err_code code = hooks->may_drive(hooks->ctx, e);
    if (!code)
        code = usb_resolve(bench->meter_port, port, e);
    struct meter_config config = {.port = port, .volts_v = 3.3, .rate_hz = meter_rates_hz[0]};
    if (!code)
        code = v3pwr_meter.open(loop, &config, listener, &s->meter, e);
    if (code)
        free(s);
    else
        *out = s;
    return code;
}

void supply_stop(struct supply *s)
{
    if (!s)
        return;
    v3pwr_meter.close(s->meter);
    free(s);
}
