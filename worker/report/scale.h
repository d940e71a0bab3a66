/* From numbers to places on an axis: ranges, round ticks, SI prefixes.
 * Thread: any. */
#pragma once
#include "shared/base/base.h"

enum { TICKS_MAX = 48, SI_TEXT_BYTES = 40 };

struct scale {
    bool log;
    double min, max; /* min < max; both > 0 when log */
};

struct tick {
    double value;
    bool labelled; /* has a number beside it */
};

struct ticks {
    struct tick tick[TICKS_MAX];
    size_t count;
};

/* A range that holds min..max with some air and ends on round numbers.
 * may_log: take a logarithmic axis when all is positive and max/min is above 30. */
struct scale scale_fit(double min, double max, bool may_log);

/* Like scale_fit, but always logarithmic; min and max must be positive. */
struct scale scale_fit_log(double min, double max);

/* 0 at min, 1 at max. */
double scale_at(const struct scale *s, double value);

/* want: how many labelled ticks there is room for. */
void scale_ticks(const struct scale *s, int want, struct ticks *out);

/* The prefix for numbers of this size: 3e-5 gives "µ" and 1e-6. */
const char *si_prefix(double magnitude, double *out_factor);

/* `12.3 µJ`; digits are significant digits (trailing zeros stay). */
void si_format(double value, const char *unit, int digits, char out_text[static SI_TEXT_BYTES]);

/* `100 µJ`, `0 J`: a tick, so no more digits than needed. */
void si_format_tick(double value, const char *unit, char out_text[static SI_TEXT_BYTES]);
