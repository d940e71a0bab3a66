#include "worker/lab/identify.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/log.h"
#include "worker/lab/board.h"
#include "worker/lab/meter.h"
#include "worker/lab/usb.h"

enum { LIMIT_MS = 8000, LINES_MAX = 100, LINE_BYTES = 200 };

struct identify {
    uv_loop_t *loop;
    const struct bench *bench;
    struct identity found;
    struct meter *meter;
    uv_work_t work;
    uv_timer_t timer;
    void (*done)(void *ctx, const struct identity *found); /* NULL: told, or stopped */
    void *ctx;
    bool reading, closed;
};

/* ---- DETAILS.TXT ---- */

bool identify_details(const char *volume, char *out, size_t size)
{
    static const char *const keys[] = {"Version:", "Interface Version:"};
    char path[PATH_MAX + 16], line[LINE_BYTES];
    bool found = false;

    snprintf(path, sizeof(path), "%s/DETAILS.TXT", volume);
    FILE *f = fopen(path, "re");
    for (int n = 0; f && !found && n < LINES_MAX && fgets(line, sizeof(line), f); n++) {
        line[strcspn(line, "\r\n")] = 0;
        for (size_t k = 0; k < COUNT(keys) && !found; k++) {
            size_t len = strlen(keys[k]);
            const char *value = line + len + strspn(line + len, " \t");
            found = strncmp(line, keys[k], len) == 0 && *value;
            if (found)
                snprintf(out, size, "%s", value);
        }
    }
    if (f)
        fclose(f);
    return found;
}

static void read_volume(uv_work_t *work)
{
    struct identify *i = work->data;
    char volume[PATH_MAX];

    if (board_volume(i->bench, volume))
        (void)identify_details(volume, i->found.probe_version, sizeof(i->found.probe_version));
}

/* ---- the meter ---- */

static void release(struct identify *i)
{
    if (!i->reading && i->closed)
        free(i);
}

static void on_closed(uv_handle_t *timer)
{
    struct identify *i = timer->data;
    i->closed = true;
    release(i);
}

static void finish(struct identify *i)
{
    void (*done)(void *, const struct identity *) = i->done;
    struct identity found = i->found;
    void *ctx = i->ctx;

    i->done = NULL;
    v3pwr_meter.close(i->meter);
    i->meter = NULL;
    if (!uv_is_closing((uv_handle_t *)&i->timer))
        uv_close((uv_handle_t *)&i->timer, on_closed);
    if (done)
        done(ctx, &found);
}

static void on_news(void *ctx, const struct meter_news *news)
{
    struct identify *i = ctx;

    if (news->kind == METER_READY) {
        const struct meter_info *info = v3pwr_meter.info(i->meter);
        snprintf(i->found.meter_serial, sizeof(i->found.meter_serial), "%s", info->serial);
        snprintf(i->found.meter_version, sizeof(i->found.meter_version), "%s", info->version);
    } else if (news->kind == METER_FAILED) {
        log_info("bench.identify", KV_S("bench", i->bench->name), KV_S("meter", news->err->detail));
    } else {
        return;
    }
    finish(i);
}

static void on_late(uv_timer_t *timer)
{
    finish(timer->data);
}

static void on_read(uv_work_t *work, int status)
{
    struct identify *i = work->data;
    struct meter_listener listener = {i, on_news};
    char port[USB_PATH_BYTES];
    struct err e = {0};

    (void)status;
    i->reading = false;
    if (!i->done) { /* stopped meanwhile */
        release(i);
        return;
    }
    enum err_code code = usb_resolve(i->bench->meter_port, port, &e);
    struct meter_config config = {.port = port, .identify = true};
    if (!code)
        code = v3pwr_meter.open(i->loop, &config, listener, &i->meter, &e);
    if (code) {
        log_info("bench.identify", KV_S("bench", i->bench->name), KV_E(&e));
        finish(i);
        return;
    }
    uv_timer_start(&i->timer, on_late, LIMIT_MS, 0);
}

struct identify *identify_start(uv_loop_t *loop, const struct bench *bench,
                                void (*done)(void *ctx, const struct identity *found), void *ctx)
{
    struct identify *i = calloc(1, sizeof(*i));

    if (!i)
        return NULL;
    *i = (struct identify){.loop = loop, .bench = bench, .done = done, .ctx = ctx, .reading = true};
    uv_timer_init(loop, &i->timer);
    i->timer.data = i->work.data = i;
    if (uv_queue_work(loop, &i->work, read_volume, on_read))
        abort(); /* it only fails without a work function */
    return i;
}

void identify_stop(struct identify *i)
{
    if (!i)
        return;
    i->done = NULL;
    finish(i);
}
