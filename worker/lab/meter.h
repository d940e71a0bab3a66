/* A power monitor: supplies the board and streams the current that it draws.
 *
 * One acquisition: open -> READY -> power -> READY -> start -> STREAMING, SAMPLES..., BLOCKs
 * -> stop -> READY.  Everything is asynchronous; news come through one function.  FAILED may come
 * at any time, once, with the reason in `err`; after it only close() is allowed.
 *
 * Thread: the loop's.  Calls from inside the listener are allowed, close() too. */
#pragma once
#include <uv.h>

#include "shared/base/err.h"
#include "worker/lab/v3pwr_stream.h"

struct meter;

struct meter_config {
    const char *port;      /* copied */
    double volts_v;        /* of the supply */
    double rate_hz;        /* one of meter_rates_hz */
    unsigned baud;         /* 0: the driver's own; USB ignores it */
    bool identify;         /* only who it is: nothing is set, nothing is stopped */
    bool hardware_trigger; /* sampling begins with an edge on the trigger input */
};

struct meter_info {
    char model[24]; /* "STLINK-V3PWR" */
    char serial[64];
    char version[48];
    enum sample_code code;
    double gain_rel, range_max_a; /* standard uncertainty of the gain; trip level */
    double temperature_c;         /* of its board; NAN: not known */
};

enum meter_news_kind {
    METER_READY,     /* the last request is done */
    METER_STARTED,   /* `start` is acknowledged; the samples begin now, or with the edge */
    METER_STREAMING, /* sample 0 is next */
    METER_SAMPLES,   /* `raw`, `count` */
    METER_EVENT,     /* `event`: blocks, marks, resets, temperature */
    METER_WARNING,   /* `text` */
    METER_FAILED,    /* `err` */
};

struct meter_news {
    enum meter_news_kind kind;
    const uint8_t *raw;
    size_t count;
    const struct stream_event *event;
    const char *text;
    const struct err *err;
};

struct meter_listener {
    void *ctx;
    void (*news)(void *ctx, const struct meter_news *news);
};

struct meter_ops {
    const char *name;
    enum err_code (*open)(uv_loop_t *loop, const struct meter_config *config,
                          struct meter_listener listener, struct meter **out, struct err *e);
    const struct meter_info *(*info)(const struct meter *m); /* valid after the first READY */
    void (*power)(struct meter *m, bool on);
    /* What begins the next acquisition: `start`, or an edge on the trigger input after it. */
    void (*trigger)(struct meter *m, bool hardware);
    void (*start)(struct meter *m);
    void (*stop)(struct meter *m);
    /* Any command of the device's own; READY carries its answer in `text`. */
    void (*command)(struct meter *m, const char *text);
    void (*close)(struct meter *m); /* NULL is accepted */
};

/* STLINK-V3PWR and X-NUCLEO-LPM01A: one driver, the device says which it is. */
extern const struct meter_ops v3pwr_meter;

extern const double meter_rates_hz[16];
/* "100k", "20000", "5k"; false when it is none of the meter's rates. */
MUST_CHECK bool meter_parse_rate(const char *text, double *out_hz);
