#include "worker/report/scale.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct {
    double factor;
    const char *prefix;
} prefixes[] = {
    {1e-15, "f"}, {1e-12, "p"}, {1e-9, "n"}, {1e-6, "µ"}, {1e-3, "m"},
    {1, ""},      {1e3, "k"},   {1e6, "M"},  {1e9, "G"},  {1e12, "T"},
};

/* The smallest of 1, 2, 2.5, 5, 10 times a power of ten that is not below x. */
static double round_up(double x)
{
    static const double steps[] = {1, 2, 2.5, 5, 10};
    double power = pow(10, floor(log10(x)));
    for (size_t i = 0; i < COUNT(steps); i++)
        if (steps[i] * power >= x * (1 - 1e-9))
            return steps[i] * power;
    return 10 * power;
}

struct scale scale_fit_log(double min, double max)
{
    double air = pow(max / min, 0.06);
    air = air < 1.15 ? 1.15 : air;
    return (struct scale){.log = true, .min = min / air, .max = max * air};
}

struct scale scale_fit(double min, double max, bool may_log)
{
    if (!(isfinite(min) && isfinite(max) && min <= max))
        return (struct scale){.min = 0, .max = 1};
    if (may_log && min > 0 && max / min > 30)
        return scale_fit_log(min, max);
    /* Energies, currents and times start at zero unless they all lie far above it. */
    if (min > 0 && min < 0.75 * max)
        min = 0;
    if (min == max)
        max = max > 0 ? max * 1.1 : min + 1;
    double step = round_up((max - min) / 5);
    struct scale s = {.min = floor(min / step + 1e-9) * step};
    s.max = ceil((max + 0.02 * (max - min)) / (step / 2) - 1e-9) * (step / 2);
    return s;
}

double scale_at(const struct scale *s, double value)
{
    if (!s->log)
        return (value - s->min) / (s->max - s->min);
    return value > 0 ? log(value / s->min) / log(s->max / s->min) : 0;
}

static void add_tick(struct ticks *out, double value, bool labelled)
{
    if (out->count < TICKS_MAX)
        out->tick[out->count++] = (struct tick){value, labelled};
}

static void linear_ticks(const struct scale *s, int want, struct ticks *out)
{
    double step = round_up((s->max - s->min) / (want < 2 ? 2 : want));
    for (double i = ceil(s->min / step - 1e-9); i * step <= s->max + step * 1e-9; i++)
        add_tick(out, i * step, true);
}

/* Which of a decade's nine ticks carry numbers: all decades only, then 1-3, 1-2-5. */
static bool log_labelled(int digit, double decades, int want)
{
    if (digit == 1)
        return true;
    if (decades * 3 <= want)
        return digit == 2 || digit == 5;
    return decades * 2 <= want && digit == 3;
}

static void log_ticks(const struct scale *s, int want, struct ticks *out)
{
    double decades = log10(s->max / s->min);
    int every = (int)ceil(decades / (want < 2 ? 2 : want));
    int first = (int)floor(log10(s->min) + 1e-9), last = (int)ceil(log10(s->max) - 1e-9);
    for (int p = first; p <= last; p++) {
        for (int digit = 1; digit <= (decades > 5 ? 1 : 9); digit++) {
            double v = digit * pow(10, p);
            if (v >= s->min * (1 - 1e-9) && v <= s->max * (1 + 1e-9))
                add_tick(out, v, (p - first) % every == 0 && log_labelled(digit, decades, want));
        }
    }
}

void scale_ticks(const struct scale *s, int want, struct ticks *out)
{
    out->count = 0;
    if (s->log)
        log_ticks(s, want, out);
    else
        linear_ticks(s, want, out);
}

const char *si_prefix(double magnitude, double *out_factor)
{
    size_t i = 0;
    magnitude = fabs(magnitude);
    if (magnitude == 0 || !isfinite(magnitude))
        magnitude = 1;
    while (i + 1 < COUNT(prefixes) && magnitude >= prefixes[i + 1].factor * (1 - 1e-9))
        i++;
    *out_factor = prefixes[i].factor;
    return prefixes[i].prefix;
}

void si_format(double value, const char *unit, int digits, char out_text[static SI_TEXT_BYTES])
{
    double factor;
    if (!isfinite(value)) {
        snprintf(out_text, SI_TEXT_BYTES, "–");
        return;
    }
    /* Rounded first, so that 999.96 µ becomes 1.000 m and not 1000 µ. */
    char rounded[32];
    snprintf(rounded, sizeof rounded, "%.*e", digits - 1, value);
    sscanf(rounded, "%lf", &value);
    const char *prefix = si_prefix(value, &factor);
    double scaled = value / factor;
    int before = fabs(scaled) >= 1 ? (int)floor(log10(fabs(scaled)) + 1e-9) + 1 : 1;
    snprintf(out_text, SI_TEXT_BYTES, "%s%.*f\u00a0%s%.8s", scaled < 0 ? "−" : "",
             digits > before ? digits - before : 0, fabs(scaled), prefix, unit);
}

void si_format_tick(double value, const char *unit, char out_text[static SI_TEXT_BYTES])
{
    double factor;
    const char *prefix = si_prefix(value, &factor);
    snprintf(out_text, SI_TEXT_BYTES, "%.6g\u00a0%s%.8s", value / factor, prefix, unit);
}
