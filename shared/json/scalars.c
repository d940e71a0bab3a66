#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/json/decode.h"
#include "shared/json/write.h"

enum { NUMBER_TEXT_MAX = 400 };

static const char int_type[] = "Input should be a valid integer";
static const char int_parsing[] =
    "Input should be a valid integer, unable to parse string as an integer";
static const char int_size[] = "Unable to parse input string as an integer, exceeded maximum size";
static const char int_fraction[] =
    "Input should be a valid integer, got a number with a fractional part";

/* Limits print as Rust prints them in the message and as Python does in ctx. */
static bool limit_error(const struct reading *r, bool below)
{
    const struct field *f = r->f;
    double limit = below ? f->min : f->max;
    const char *type = !below         ? "less_than_equal"
                       : f->above_min ? "greater_than"
                                      : "greater_than_equal";
    const char *key = !below ? "le" : f->above_min ? "gt" : "ge";
    const char *words = !below         ? "less than or equal to"
                        : f->above_min ? "greater than"
                                       : "greater than or equal to";
    struct buf b = {.max_bytes = 64};

    write_double(&b, limit);
    bool whole = b.len > 2 && memcmp(b.bytes + b.len - 2, ".0", 2) == 0;
    int shown = (int)(whole ? b.len - 2 : b.len);
    int in_ctx = f->kind == FIELD_INT ? shown : (int)b.len;
    struct arena *a = r->bad->arena;
    reading_fail(r, type, arena_printf(a, "Input should be %s %.*s", words, shown, b.bytes),
                 arena_printf(a, "{\"%s\":%.*s}", key, in_ctx, b.bytes));
    buf_free(&b);
    return false;
}

static bool check_range(const struct reading *r, double value)
{
    const struct field *f = r->f;

    if (f->has_min && (f->above_min ? value <= f->min : value < f->min))
        return limit_error(r, true);
    if (f->has_max && value > f->max)
        return limit_error(r, false);
    return true;
}

/* A number of the right form that int64_t cannot hold. */
static bool int_overflow(const struct reading *r, bool negative)
{
    if (r->f->has_min && negative)
        return limit_error(r, true);
    if (r->f->has_max && !negative)
        return limit_error(r, false);
    return reading_fail(r, "int_parsing_size", int_size, NULL);
}

/* Blanks around it, a sign, digits with single `_` between them, `.000`. */
static bool int_from_string(const struct reading *r, int64_t *out)
{
    size_t len;
    const char *s = val_string(r->bad->arena, r->v, &len), *end = s + len;
    int64_t n = 0;
    bool overflow = false, digit = false;

    while (s < end && isspace((unsigned char)*s))
        s++;
    while (s < end && isspace((unsigned char)end[-1]))
        end--;
    bool minus = s < end && *s == '-';
    s += s < end && (*s == '-' || *s == '+');
    for (; s < end; s++) {
        if (*s == '_' && digit && end - s > 1) {
            digit = false;
            continue;
        }
        if (*s < '0' || *s > '9')
            break;
        digit = true;
        overflow |= __builtin_mul_overflow(n, 10, &n);
        overflow |= __builtin_add_overflow(n, minus ? '0' - *s : *s - '0', &n);
    }
    if (digit && end - s > 1 && *s == '.')
        for (s++; s < end && *s == '0';)
            s++;
    if (!digit || s != end)
        return reading_fail(r, "int_parsing", int_parsing, NULL);
    if (overflow || n == INT_NONE)
        return int_overflow(r, minus);
    *out = n;
    return true;
}

static bool int_from_float(const struct reading *r, int64_t *out)
{
    double d;

    if (!val_double(r->v, &d) || !isfinite(d))
        return reading_fail(r, "finite_number", "Input should be a finite number", NULL);
    if (d != rint(d))
        return reading_fail(r, "int_from_float", int_fraction, NULL);
    if (fabs(d) >= 9.2e18)
        return reading_fail(r, "int_parsing_size", int_size, NULL);
    *out = (int64_t)d;
    return true;
}

bool read_int(const struct reading *r, void *out)
{
    enum doc_type type = val_type(r->v);
    int64_t n = type == DOC_TRUE;
    bool ok = true;

    if (type == DOC_INT && (!val_int64(r->v, &n) || n == INT_NONE))
        ok = int_overflow(r, val_raw(r->v).text[0] == '-');
    else if (type == DOC_FLOAT)
        ok = int_from_float(r, &n);
    else if (type == DOC_STRING)
        ok = int_from_string(r, &n);
    else if (type != DOC_INT && type != DOC_TRUE && type != DOC_FALSE)
        ok = reading_fail(r, "int_type", int_type, NULL);
    if (!ok || !check_range(r, (double)n))
        return false;
    *(int64_t *)out = n;
    return true;
}

static bool num_from_string(const struct reading *r, double *out)
{
    size_t len, kept = 0;
    const char *s = val_string(r->bad->arena, r->v, &len), *end = s + len;
    char text[NUMBER_TEXT_MAX], *stop = text;

    while (s < end && isspace((unsigned char)*s))
        s++;
    while (s < end && isspace((unsigned char)end[-1]))
        end--;
    for (; s < end && kept + 1 < sizeof(text); s++)
        if (*s != '_')
            text[kept++] = *s;
    text[kept] = '\0';
    if (kept && s == end && !strpbrk(text, "xXpP"))
        *out = strtod(text, &stop);
    if (stop == text || *stop)
        return reading_fail(r, "float_parsing",
                            "Input should be a valid number, unable to parse string as a number",
                            NULL);
    return true;
}

bool read_num(const struct reading *r, void *out)
{
    enum doc_type type = val_type(r->v);
    double d = type == DOC_TRUE;

    if (type == DOC_STRING) {
        if (!num_from_string(r, &d))
            return false;
    } else if (!val_double(r->v, &d) && type != DOC_TRUE && type != DOC_FALSE) {
        return reading_fail(r, "float_type", "Input should be a valid number", NULL);
    }
    if (!isfinite(d))
        return reading_fail(r, "finite_number", "Input should be a finite number", NULL);
    if (!check_range(r, d))
        return false;
    *(double *)out = d;
    return true;
}

static bool bool_parsing(const struct reading *r)
{
    return reading_fail(r, "bool_parsing",
                        "Input should be a valid boolean, unable to interpret input", NULL);
}

static bool bool_type(const struct reading *r)
{
    return reading_fail(r, "bool_type", "Input should be a valid boolean", NULL);
}

static bool bool_from_string(const struct reading *r, bool *out)
{
    static const char *const words[] = {"0", "off", "f", "false", "n", "no",
                                        "1", "on",  "t", "true",  "y", "yes"};
    const char *text = val_string(r->bad->arena, r->v, NULL);

    for (size_t i = 0; i < COUNT(words); i++) {
        if (strcasecmp(words[i], text) == 0) {
            *out = i >= COUNT(words) / 2;
            return true;
        }
    }
    return bool_parsing(r);
}

bool read_bool(const struct reading *r, void *out)
{
    enum doc_type type = val_type(r->v);
    int64_t n;
    double d;

    if (type == DOC_STRING)
        return bool_from_string(r, out);
    if (type == DOC_INT && !val_int64(r->v, &n))
        return bool_type(r);
    if (type == DOC_INT || type == DOC_FLOAT) {
        if (!val_double(r->v, &d) || d != rint(d) || !isfinite(d))
            return bool_type(r);
        if (d != 0 && d != 1)
            return bool_parsing(r);
        *(bool *)out = d == 1;
        return true;
    }
    if (type != DOC_TRUE && type != DOC_FALSE)
        return bool_type(r);
    *(bool *)out = type == DOC_TRUE;
    return true;
}

bool read_tri(const struct reading *r, void *out)
{
    bool value = false;

    if (!read_bool(r, &value))
        return false;
    *(enum tri *)out = value ? TRI_TRUE : TRI_FALSE;
    return true;
}

/* `'A', 'B' or 'C'` */
static const char *expected_names(struct arena *a, const struct enum_name *names)
{
    const char *text = "";

    for (const struct enum_name *n = names; n->name; n++) {
        const char *gap = n == names ? "" : n[1].name ? ", " : " or ";
        text = arena_printf(a, "%s%s'%s'", text, gap, n->name);
    }
    return text;
}

bool read_enum(const struct reading *r, void *out)
{
    struct arena *a = r->bad->arena;

    for (const struct enum_name *n = r->f->names; n->name; n++) {
        if (val_equals(r->v, n->name, strlen(n->name))) {
            *(int *)out = n->value;
            return true;
        }
    }
    const char *expected = expected_names(a, r->f->names);
    return reading_fail(r, r->f->literal ? "literal_error" : "enum",
                        arena_printf(a, "Input should be %s", expected),
                        ctx_text(a, "expected", expected));
}

/* The name that a default spells: `"event"` is 'event'. */
static const char *only_name(struct arena *a, const char *def)
{
    return arena_printf(a, "%.*s", (int)strlen(def) - 2, def + 1);
}

bool read_literal(const struct reading *r, void *out)
{
    struct arena *a = r->bad->arena;
    struct enum_name one[] = {{NULL, 0}, {NULL, 0}};
    const struct enum_name *names = r->f->names ? r->f->names : one;

    if (!r->f->names)
        one[0].name = only_name(a, r->f->def);
    for (const struct enum_name *n = names; n->name; n++) {
        if (!val_equals(r->v, n->name, strlen(n->name)))
            continue;
        if (r->f->kind == FIELD_STR)
            *(const char **)out = n->name;
        else
            *(int *)out = n->value;
        return true;
    }
    const char *expected = expected_names(a, names);
    return reading_fail(r, "literal_error", arena_printf(a, "Input should be %s", expected),
                        ctx_text(a, "expected", expected));
}

static const char *group_reason(struct arena *a, const char *text, size_t len)
{
    static const size_t sizes[] = {8, 4, 4, 4, 12};
    size_t group = 0, start = 0;

    for (size_t i = 0; group < 4 && i < len; i++) {
        if (text[i] != '-')
            continue;
        if (i - start != sizes[group])
            return arena_printf(a, "invalid group length in group %zu: expected %zu, found %zu",
                                group, sizes[group], i - start);
        group++;
        start = i + 1;
    }
    return arena_printf(a, "invalid group length in group 4: expected 12, found %zu", len - start);
}

/* Takes `urn:uuid:` and braces away.  Returns how many bytes went at the front. */
static size_t unwrap_uuid(const char **text, size_t *len)
{
    size_t front = 0;

    if (*len >= 9 && memcmp(*text, "urn:uuid:", 9) == 0) {
        front = 9;
        *len -= 9;
    } else if (*len >= 2 && **text == '{' && (*text)[*len - 1] == '}') {
        front = 1;
        *len -= 2;
    }
    *text += front;
    return front;
}

const char *uuid_reason(struct arena *a, const char *text, size_t len)
{
    size_t front = unwrap_uuid(&text, &len), hyphens = 0;

    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '-') {
            hyphens++;
        } else if (!isxdigit(c)) {
            const char *at = text + i;
            char bytes[4];
            int n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
            memcpy(bytes, at, (size_t)n);
            return arena_printf(a, "invalid character: found `%.*s` at %zu", n, bytes, i + front);
        }
    }
    if (!hyphens && !front)
        return arena_printf(a, "invalid length: found %zu", len);
    if (hyphens != 4)
        return arena_printf(a, "invalid group count: expected 5, found %zu", hyphens + 1);
    return group_reason(a, text, len);
}

bool read_uuid(const struct reading *r, void *out)
{
    struct arena *a = r->bad->arena;
    size_t len, bare_len;

    if (val_type(r->v) != DOC_STRING)
        return reading_fail(r, "uuid_type", "UUID input should be a string, bytes or UUID object",
                            NULL);
    const char *text = val_string(a, r->v, &len), *bare = text;
    bare_len = len;
    size_t front = unwrap_uuid(&bare, &bare_len);
    if ((!front || bare_len == 36) && uuid_parse(bare, bare_len, out))
        return true;
    if (!val_storable(r->v))
        return reading_fail(r, "uuid_type", "UUID input should be a string, bytes or UUID object",
                            NULL);
    const char *reason = uuid_reason(a, text, len);
    return reading_fail(r, "uuid_parsing",
                        arena_printf(a, "Input should be a valid UUID, %s", reason),
                        ctx_text(a, "error", reason));
}
