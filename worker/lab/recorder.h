/* Takes a meter's news into a trace, and judges what was taken.
 *
 * A damaged stream never becomes a figure: recorder_judge() refuses it with the place and the kind
 * of damage.  What is odd but harmless is a warning.
 *
 * Owns:   the trace and the warnings; recorder_free() accepts a zeroed struct.
 * Thread: the loop's.  Source: power-and-boards, sections 2.3, 4.5, 7.3. */
#pragma once
#include "worker/lab/meter.h"
#include "worker/lab/trace.h"

enum { RECORDER_ARRIVALS_MAX = 1 << 16, BUFFER_ALARM_PCT = 50 };

struct recorder {
    struct trace trace;
    uint64_t wanted; /* samples; what comes beyond is dropped.  0: no limit */
    double range_max_a;
    uint32_t buffer_max_pct;
    uint64_t resets;                     /* the target's supply was cut */
    double wrong_volts_v;                /* that the meter reported in between; 0: none */
    bool full;                           /* the trace's ceiling was reached */
    uint64_t closed;                     /* samples in blocks that a time stamp closed */
    uint64_t warm_samples, warm_changes; /* of the acquisition before, which was thrown away */
    json_t *warnings;                    /* array of strings */
    /* Host time at which samples came minus their time on the meter: the lowest is the true offset;
     * the last sample's own time. */
    double *arrivals_s, arrived_s;
    size_t arrival_count;
    /* The meter's own clock over good blocks: what it counted, and what the samples say. */
    uint32_t stamp_ms;
    uint64_t stamped, clock_ms, clock_samples;
};

/* `r` is zeroed, or only recorder_warn() was called with it so far. */
void recorder_init(struct recorder *r, const struct meter_info *info,
                   const struct meter_config *config, uint64_t wanted);
void recorder_take(struct recorder *r, const struct meter_news *news);
/* Samples that are thrown away still tell whether the meter is alive. */
void recorder_warm(struct recorder *r, const struct meter_news *news);
void recorder_warn(struct recorder *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
void recorder_free(struct recorder *r);

/* Host time (monotonic, s) of sample 0; false before the first samples. */
bool recorder_origin_s(const struct recorder *r, double *out_s);

/* What the current itself tells, within samples [first, end). */
enum signal_finding {
    SIGNAL_FINE,
    SIGNAL_EMPTY,
    SIGNAL_ZERO,        /* no current, or less than a meter can measure */
    SIGNAL_INTERRUPTED, /* falls to zero in between; value_a < 0: and stays there */
    SIGNAL_RANGE,       /* more than the meter can carry */
    SIGNAL_STUCK,       /* noise, then exactly one value */
    SIGNAL_CONSTANT,    /* exactly one value throughout: odd, not impossible */
    SIGNAL_GLITCH,      /* a few lone samples that weigh too much */
    SIGNAL_LONE,        /* a few that hardly weigh: odd, not impossible */
};

struct signal_report {
    enum signal_finding finding;
    uint64_t at, count; /* where; how many samples */
    double value_a;
};
struct signal_report signal_inspect(const struct samples *s, double rate_hz, double range_max_a);
/* The largest share of one window's charge that a few lone samples carry; more than LONE_SHARE_MAX
 * may be damage. */
#define LONE_SHARE_MAX 1e-3
double signal_lone_share(const struct trace *t);
/* INVALID with the finding as a sentence; SIGNAL_CONSTANT and SIGNAL_LONE pass. */
MUST_CHECK enum err_code signal_judge(const struct signal_report *report, double rate_hz,
                                      struct err *e);

/* Every check at once; used by `power record`. */
MUST_CHECK enum err_code recorder_judge(struct recorder *r, struct err *e);
