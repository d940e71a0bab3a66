/* Times, sizes and numbers as people say them: the filters humanize_*.
 * Source: the functions of Python's humanize 4. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/model/jinja_filters.h"
#include "shared/base/clock.h"

#define DAY_S INT64_C(86400)

static const char *commas(struct interpreter *in, const char *number)
{
    size_t len = strlen(number), sign = *number == '-', n = 0;
    size_t whole = strspn(number + sign, "0123456789");
    char *out = arena_array(in->arena, char, len * 2 + 2);

    if (sign)
        out[n++] = '-';
    for (size_t i = 0; i < whole; i++) {
        if (i && (whole - i) % 3 == 0)
            out[n++] = ',';
        out[n++] = number[sign + i];
    }
    memcpy(out + n, number + sign + whole, len - sign - whole + 1);
    return out;
}

static bool to_seconds(struct interpreter *in, struct jinja_value v, int64_t *out)
{
    if (v.kind == JINJA_DURATION)
        *out = llabs(v.number) / 1000000;
    else if (v.kind == JINJA_TIME)
        *out = llabs(in->scope->now_us - v.number) / 1000000;
    else if (jinja_is_number(&v) && fabs(jinja_number(&v)) < 1e15)
        *out = (int64_t)fabs(jinja_number(&v));
    else
        return false;
    return true;
}

static const char *counted(struct interpreter *in, int64_t n, const char *one, const char *many)
{
    return n == 1 ? one : arena_printf(in->arena, "%" PRId64 " %s", n, many);
}

static const char *delta(struct interpreter *in, int64_t seconds)
{
    int64_t years = seconds / DAY_S / 365, days = seconds / DAY_S % 365;
    int64_t months = (int64_t)((double)days / 30.5);

    seconds %= DAY_S;
    if (!years && !days) {
        if (!seconds)
            return "a moment";
        if (seconds < 60)
            return counted(in, seconds, "a second", "seconds");
        if (seconds < 3600)
            return counted(in, seconds / 60, "a minute", "minutes");
        return counted(in, seconds / 3600, "an hour", "hours");
    }
    if (!years)
        return months ? counted(in, months, "a month", "months")
                      : counted(in, days, "a day", "days");
    if (years > 1)
        return arena_printf(in->arena, "%s years",
                            commas(in, arena_printf(in->arena, "%" PRId64, years)));
    if (!months && !days)
        return "a year";
    return arena_printf(in->arena, "1 year, %s",
                        months ? counted(in, months, "1 month", "months")
                               : counted(in, days, "1 day", "days"));
}

static struct jinja_value f_naturaldelta(struct interpreter *in, struct jinja_value v,
                                         const struct arguments *args)
{
    int64_t seconds;
    (void)args;
    return to_seconds(in, v, &seconds) ? jinja_text(delta(in, seconds))
                                       : jinja_to_text(in->arena, v);
}

static struct jinja_value f_naturaltime(struct interpreter *in, struct jinja_value v,
                                        const struct arguments *args)
{
    bool future = jinja_truth(in->arena, jinja_arg(args, 0, "future"));
    int64_t seconds;

    if (!to_seconds(in, v, &seconds))
        return jinja_to_text(in->arena, v);
    if (v.kind == JINJA_TIME)
        future = v.number > in->scope->now_us;
    else if (v.kind == JINJA_DURATION)
        future = v.number < 0;
    const char *text = delta(in, seconds);
    if (!strcmp(text, "a moment"))
        return jinja_text("now");
    return jinja_text(arena_printf(in->arena, "%s %s", text, future ? "from now" : "ago"));
}

static struct jinja_value f_precisedelta(struct interpreter *in, struct jinja_value v,
                                         const struct arguments *args)
{
    static const struct {
        int64_t seconds;
        const char *one, *many;
    } units[] = {{365 * DAY_S, "1 year", "years"}, {2635200, "1 month", "months"},
                 {DAY_S, "1 day", "days"},         {3600, "1 hour", "hours"},
                 {60, "1 minute", "minutes"},      {1, "1 second", "seconds"}};
    const char *parts[COUNT(units)], *text = "";
    size_t count = 0;
    int64_t seconds;

    (void)args;
    if (!to_seconds(in, v, &seconds))
        return jinja_to_text(in->arena, v);
    for (size_t i = 0; i < COUNT(units); i++) {
        int64_t n = seconds / units[i].seconds;
        seconds %= units[i].seconds;
        if (n)
            parts[count++] = counted(in, n, units[i].one, units[i].many);
    }
    for (size_t i = 0; i < count; i++)
        text = arena_printf(in->arena, "%s%s%s", text,
                            !i               ? ""
                            : i + 1 == count ? " and "
                                             : ", ",
                            parts[i]);
    return jinja_text(count ? text : "0 seconds");
}

static struct jinja_value day_text(struct interpreter *in, struct jinja_value v, bool date)
{
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    char text[TIME_TEXT_BYTES];
    int year, month, day;

    if (v.kind != JINJA_TIME)
        return jinja_to_text(in->arena, v);
    int64_t us = DAY_S * 1000000, days = v.number / us - in->scope->now_us / us;
    if (!days)
        return jinja_text("today");
    if (days == 1 || days == -1)
        return jinja_text(days > 0 ? "tomorrow" : "yesterday");
    time_format(v.number, text);
    if (sscanf(text, "%d-%d-%dT", &year, &month, &day) != 3 || month < 1 || month > 12)
        return jinja_to_text(in->arena, v);
    const char *tail =
        date && llabs(days) >= 5 * 365 / 12 ? arena_printf(in->arena, " %d", year) : "";
    return jinja_text(arena_printf(in->arena, "%s %02d%s", months[month - 1], day, tail));
}

static struct jinja_value f_naturalday(struct interpreter *in, struct jinja_value v,
                                       const struct arguments *args)
{
    (void)args;
    return day_text(in, v, false);
}

static struct jinja_value f_naturaldate(struct interpreter *in, struct jinja_value v,
                                        const struct arguments *args)
{
    (void)args;
    return day_text(in, v, true);
}

static struct jinja_value f_naturalsize(struct interpreter *in, struct jinja_value v,
                                        const struct arguments *args)
{
    static const char *const decimal[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
    static const char *const binary[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    bool twos = jinja_truth(in->arena, jinja_arg(args, 0, "binary"));
    double base = twos ? 1024 : 1000;

    if (!jinja_is_number(&v))
        return jinja_to_text(in->arena, v);
    double d = jinja_number(&v);
    if (fabs(d) < base)
        return jinja_text(fabs(d) == 1 ? arena_printf(in->arena, "%.0f Byte", d)
                                       : arena_printf(in->arena, "%.0f Bytes", d));
    size_t unit = 0;
    for (d /= base; fabs(d) >= base && unit + 1 < COUNT(decimal); d /= base)
        unit++;
    return jinja_text(arena_printf(in->arena, "%.1f %s", d, (twos ? binary : decimal)[unit]));
}

static struct jinja_value f_intcomma(struct interpreter *in, struct jinja_value v,
                                     const struct arguments *args)
{
    struct jinja_value digits = jinja_arg(args, 0, "ndigits");

    if (digits.kind == JINJA_INT && jinja_is_number(&v))
        return jinja_text(commas(
            in, arena_printf(in->arena, "%.*f", (int)(digits.number & 15), jinja_number(&v))));
    return jinja_text(commas(in, jinja_to_text(in->arena, v).text));
}

static struct jinja_value f_intword(struct interpreter *in, struct jinja_value v,
                                    const struct arguments *args)
{
    static const char *const words[] = {"thousand", "million",     "billion",
                                        "trillion", "quadrillion", "quintillion"};
    size_t word = 0;

    (void)args;
    if (!jinja_is_number(&v) || fabs(jinja_number(&v)) < 1000)
        return jinja_to_text(in->arena, v);
    double d = jinja_number(&v) / 1000;
    for (; fabs(d) >= 999.95 && word + 1 < COUNT(words); d /= 1000)
        word++;
    return jinja_text(arena_printf(in->arena, "%.1f %s", d, words[word]));
}

static struct jinja_value f_ordinal(struct interpreter *in, struct jinja_value v,
                                    const struct arguments *args)
{
    static const char *const ends[] = {"th", "st", "nd", "rd"};

    (void)args;
    if (v.kind != JINJA_INT)
        return jinja_to_text(in->arena, v);
    int64_t tail = llabs(v.number % 100);
    bool teen = tail >= 11 && tail <= 13;
    return jinja_text(arena_printf(in->arena, "%" PRId64 "%s", v.number,
                                   teen || tail % 10 > 3 ? "th" : ends[tail % 10]));
}

static struct jinja_value f_apnumber(struct interpreter *in, struct jinja_value v,
                                     const struct arguments *args)
{
    static const char *const words[] = {"zero", "one", "two",   "three", "four",
                                        "five", "six", "seven", "eight", "nine"};

    (void)args;
    if (v.kind == JINJA_INT && v.number >= 0 && v.number < (int64_t)COUNT(words))
        return jinja_text(words[v.number]);
    return jinja_to_text(in->arena, v);
}

const struct filter_row jinja_human_filters[] = {
    {"humanize_naturaldelta", f_naturaldelta}, {"humanize_naturaltime", f_naturaltime},
    {"humanize_precisedelta", f_precisedelta}, {"humanize_naturalday", f_naturalday},
    {"humanize_naturaldate", f_naturaldate},   {"humanize_naturalsize", f_naturalsize},
    {"filesizeformat", f_naturalsize},         {"humanize_intcomma", f_intcomma},
    {"humanize_intword", f_intword},           {"humanize_ordinal", f_ordinal},
    {"humanize_apnumber", f_apnumber},
};
const size_t jinja_human_filter_count = COUNT(jinja_human_filters);
