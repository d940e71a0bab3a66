#include "shared/json/write.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"

enum { US_PER_S = 1000000 };

void write_separator(struct buf *b)
{
    char last = '{';

    if (b->len)
        last = b->bytes[b->len - 1];
    if (last != '{' && last != '[' && last != ':' && last != ',' && last != '\n')
        buf_lit(b, ",");
}

static void add(struct buf *b, const char *text, size_t len)
{
    write_separator(b);
    buf_add(b, text, len);
}

void write_object(struct buf *b)
{
    add(b, "{", 1);
}

void write_end_object(struct buf *b)
{
    buf_lit(b, "}");
}

void write_array(struct buf *b)
{
    add(b, "[", 1);
}

void write_end_array(struct buf *b)
{
    buf_lit(b, "]");
}

void write_key(struct buf *b, const char *key)
{
    write_string(b, key);
    buf_lit(b, ":");
}

void write_null(struct buf *b)
{
    add(b, "null", 4);
}

void write_bool(struct buf *b, bool value)
{
    add(b, value ? "true" : "false", value ? 4 : 5);
}

void write_int64(struct buf *b, int64_t value)
{
    char digits[24], *at = digits + sizeof(digits);
    uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;

    do
        *--at = (char)('0' + rest % 10);
    while (rest /= 10);
    if (value < 0)
        *--at = '-';
    add(b, at, (size_t)(digits + sizeof(digits) - at));
}

/* The shortest text that reads back equal has 15 (with zeros cut), 16 or 17 digits.  Returns the
 * decimal exponent. */
static int shortest_digits(double value, char out_digits[static 32])
{
    char text[40];
    int first = value < DBL_MIN ? 0 : 14; /* subnormal numbers have fewer digits */

    for (int precision = first; precision <= 16; precision++) {
        snprintf(text, sizeof(text), "%.*e", precision, value);
        if (precision == 16 || strtod(text, NULL) == value)
            break;
    }
    char *e = strchr(text, 'e');
    int exponent = atoi(e + 1);
    while (e[-1] == '0' && e - text > 2)
        e--;
    *e = '\0';
    out_digits[0] = text[0];
    const char *rest = text[1] ? text + 2 : ""; /* without the point */
    memcpy(out_digits + 1, rest, strlen(rest) + 1);
    if (out_digits[1] == '0' && !out_digits[2])
        out_digits[1] = '\0';
    return exponent;
}

/* repr() of Python: fixed notation for exponents from -4 to 15. */
static size_t format_double(double value, char out_text[static 48])
{
    char digits[32];
    int exponent = shortest_digits(fabs(value), digits);
    int count = (int)strlen(digits), n = 0;
    const char *sign = signbit(value) ? "-" : "";

    if (exponent < -4 || exponent >= 16) {
        n = snprintf(out_text, 48, "%s%c%s%se%c%02d", sign, digits[0], count > 1 ? "." : "",
                     digits + 1, exponent < 0 ? '-' : '+', abs(exponent));
    } else if (exponent < 0) {
        n = snprintf(out_text, 48, "%s0.%.*s%s", sign, -exponent - 1, "0000", digits);
    } else if (count <= exponent + 1) {
        n = snprintf(out_text, 48, "%s%s%.*s.0", sign, digits, exponent + 1 - count,
                     "0000000000000000");
    } else {
        n = snprintf(out_text, 48, "%s%.*s.%s", sign, exponent + 1, digits, digits + exponent + 1);
    }
    return (size_t)n;
}

void write_double(struct buf *b, double value)
{
    char text[48];

    if (!isfinite(value)) {
        write_null(b);
    } else if (value == rint(value) && fabs(value) < 1e15 && !(value == 0 && signbit(value))) {
        write_int64(b, (int64_t)value);
        buf_lit(b, ".0");
    } else {
        size_t len = format_double(value, text);
        add(b, text, len);
    }
}

void write_string(struct buf *b, const char *text)
{
    if (text)
        write_string_n(b, text, strlen(text));
    else
        write_null(b);
}

/* Length of the UTF-8 sequence at s, or 0. */
static size_t sequence(const unsigned char *s, size_t left)
{
    size_t len = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    uint32_t c = s[0] & (0x7fu >> len);
    static const uint32_t first[] = {0, 0, 0x80, 0x800, 0x10000};

    if (s[0] < 0xc2 || s[0] > 0xf4 || left < len)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (s[i] & 0x3f);
    }
    return c < first[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ? 0 : len;
}

static void write_control(struct buf *b, unsigned char c)
{
    static const char names[] = "\"\\bfnrt", values[] = "\"\\\b\f\n\r\t";
    char escaped[8] = "\\u00";
    const char *known = c ? strchr(values, c) : NULL;

    if (known) {
        escaped[1] = names[known - values];
        buf_add(b, escaped, 2);
    } else {
        snprintf(escaped + 4, 4, "%02x", c);
        buf_add(b, escaped, 6);
    }
}

/* ASCII that stands for itself in a string. */
static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

void write_string_n(struct buf *b, const char *text, size_t len)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t run = 0, i = 0;

    add(b, "\"", 1);
    for (;;) {
        while (i < len && is_plain(s[i]))
            i++;
        if (i == len)
            break;
        size_t step = s[i] < 0x80 ? 1 : sequence(s + i, len - i);
        if (step && s[i] >= 0x80) {
            i += step;
            continue;
        }
        buf_add(b, text + run, i - run);
        if (step)
            write_control(b, s[i]);
        else
            buf_lit(b, "\xef\xbf\xbd");
        run = ++i;
    }
    buf_add(b, text + run, len - run);
    buf_lit(b, "\"");
}

void write_time(struct buf *b, int64_t time_us)
{
    char text[TIME_TEXT_BYTES];

    if (time_us == TIME_NONE) {
        write_null(b);
        return;
    }
    size_t len = time_format(time_us, text);
    add(b, "\"", 1);
    buf_add(b, text, len);
    buf_lit(b, "\"");
}

void write_duration(struct buf *b, int64_t duration_us)
{
    if (duration_us == TIME_NONE)
        write_null(b);
    else
        write_double(b, (double)duration_us / US_PER_S);
}

void write_uuid(struct buf *b, struct uuid id)
{
    char text[UUID_TEXT_BYTES + 2];

    uuid_format(id, text + 1);
    text[0] = text[37] = '"';
    add(b, text, 38);
}

void write_raw(struct buf *b, struct raw json)
{
    if (json.text)
        add(b, json.text, json.len);
    else
        write_null(b);
}
