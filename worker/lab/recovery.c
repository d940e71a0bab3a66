#include "worker/lab/recovery.h"

#include "worker/lab/usb.h"

static enum err_code reset_probe(const struct bench *bench, struct err *e)
{
    return usb_reset(bench->board_serial, e);
}

static enum err_code cycle_port(const struct bench *bench, struct err *e)
{
    return usb_cycle(NULL, bench->board_serial, e);
}

const struct rung_row recovery_rungs[RUNG_COUNT] = {
    [RUNG_RETRY] = {"retry", 2, false, NULL},
    [RUNG_POWER_CYCLE] = {"power_cycle", 1, true, NULL},
    [RUNG_USB_RESET] = {"usb_reset", 1, true, reset_probe},
    [RUNG_HUB_CYCLE] = {"hub_cycle", 1, true, cycle_port},
    [RUNG_QUARANTINE] = {"quarantine", 1, false, NULL},
};

enum rung ladder_next(struct ladder *ladder)
{
    for (unsigned r = 0; r < RUNG_QUARANTINE; r++)
        if (ladder->used[r] < recovery_rungs[r].times) {
            ladder->used[r]++;
            return (enum rung)r;
        }
    return RUNG_QUARANTINE;
}
