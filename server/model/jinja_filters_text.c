/* Filters on texts. */
#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/model/jinja_filters.h"

static struct jinja_value changed(struct interpreter *in, struct jinja_value v,
                                  int (*change)(int c, bool starts))
{
    struct jinja_value text = jinja_to_text(in->arena, v);
    char *out = arena_strndup(in->arena, text.len ? text.text : "", text.len);
    bool starts = true;

    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)out[i];
        out[i] = (char)change(c, starts);
        starts = !isalnum(c) && c < 128 && c != '\'';
    }
    return jinja_text_n(out, text.len);
}

static int to_upper(int c, bool starts)
{
    (void)starts;
    return c < 128 ? toupper(c) : c;
}

static int to_lower(int c, bool starts)
{
    (void)starts;
    return c < 128 ? tolower(c) : c;
}

static int to_title(int c, bool starts)
{
    return c >= 128 ? c : starts ? toupper(c) : tolower(c);
}

static struct jinja_value f_upper(struct interpreter *in, struct jinja_value v,
                                  const struct arguments *args)
{
    (void)args;
    return changed(in, v, to_upper);
}

static struct jinja_value f_lower(struct interpreter *in, struct jinja_value v,
                                  const struct arguments *args)
{
    (void)args;
    return changed(in, v, to_lower);
}

static struct jinja_value f_title(struct interpreter *in, struct jinja_value v,
                                  const struct arguments *args)
{
    (void)args;
    return changed(in, v, to_title);
}

static struct jinja_value f_capitalize(struct interpreter *in, struct jinja_value v,
                                       const struct arguments *args)
{
    struct jinja_value low = f_lower(in, v, args);
    char *first = low.len ? (char *)(uintptr_t)low.text : NULL; /* ours */

    if (first)
        *first = (char)to_upper((unsigned char)*first, true);
    return low;
}

static struct jinja_value f_trim(struct interpreter *in, struct jinja_value v,
                                 const struct arguments *args)
{
    struct jinja_value text = jinja_to_text(in->arena, v), set = jinja_arg(args, 0, "chars");
    const char *blanks = set.kind == JINJA_STRING ? set.text : " \t\n\r\f\v";
    const char *from = text.text, *to = text.text + text.len;

    while (from < to && strchr(blanks, *from))
        from++;
    while (to > from && strchr(blanks, to[-1]))
        to--;
    return jinja_text_n(from, (size_t)(to - from));
}

static struct jinja_value f_replace(struct interpreter *in, struct jinja_value v,
                                    const struct arguments *args)
{
    struct jinja_value text = jinja_to_text(in->arena, v);
    struct jinja_value old = jinja_to_text(in->arena, jinja_arg(args, 0, "old"));
    struct jinja_value new = jinja_to_text(in->arena, jinja_arg(args, 1, "new"));
    int64_t left = jinja_arg_int(args, 2, "count", -1);
    struct buf b = {.max_bytes = JINJA_OUTPUT_MAX_BYTES};
    const char *p = text.text, *end = p + text.len, *at;

    while (old.len && left-- && !b.full && (at = memmem(p, (size_t)(end - p), old.text, old.len))) {
        buf_add(&b, p, (size_t)(at - p));
        buf_add(&b, new.text, new.len);
        p = at + old.len;
    }
    buf_add(&b, p, (size_t)(end - p));
    return jinja_take(in, &b);
}

static struct jinja_value f_center(struct interpreter *in, struct jinja_value v,
                                   const struct arguments *args)
{
    struct jinja_value text = jinja_to_text(in->arena, v);
    int64_t width = jinja_arg_int(args, 0, "width", 80);
    struct buf b = {.max_bytes = JINJA_OUTPUT_MAX_BYTES};

    width = width > 1000 ? 1000 : width;
    size_t pad = width > (int64_t)text.len ? (size_t)width - text.len : 0;
    for (size_t i = 0; i < pad / 2; i++)
        buf_lit(&b, " ");
    buf_add(&b, text.text, text.len);
    for (size_t i = pad / 2; i < pad; i++)
        buf_lit(&b, " ");
    return jinja_take(in, &b);
}

static struct jinja_value f_truncate(struct interpreter *in, struct jinja_value v,
                                     const struct arguments *args)
{
    struct jinja_value text = jinja_to_text(in->arena, v), end = jinja_arg(args, 2, "end");
    int64_t length = jinja_arg_int(args, 0, "length", 255);
    int64_t leeway = jinja_arg_int(args, 3, "leeway", 5);
    bool kill = jinja_truth(in->arena, jinja_arg(args, 1, "killwords"));
    struct jinja_value chars = jinja_iterate(in, text);
    struct buf b = {.max_bytes = JINJA_OUTPUT_MAX_BYTES};

    if (end.kind != JINJA_STRING)
        end = jinja_text("...");
    int64_t end_count = (int64_t)jinja_iterate(in, end).list->count;
    if (length < end_count)
        return jinja_fail(in, "AssertionError", "expected length >= %lld, got %lld",
                          (long long)end_count, (long long)length);
    if (leeway < 0)
        return jinja_fail(in, "AssertionError", "expected leeway >= 0, got %lld",
                          (long long)leeway);
    if ((int64_t)chars.list->count - length <= leeway || in->reason)
        return text;
    for (int64_t i = 0; i < length - end_count; i++)
        buf_add(&b, chars.list->items[i].text, chars.list->items[i].len);
    size_t blank = b.len;
    while (!kill && blank && b.bytes[blank - 1] != ' ')
        blank--;
    if (!kill && blank)
        b.len = blank - 1;
    buf_add(&b, end.text, end.len);
    return jinja_take(in, &b);
}

static struct jinja_value f_indent(struct interpreter *in, struct jinja_value v,
                                   const struct arguments *args)
{
    struct jinja_value text = jinja_to_text(in->arena, v), width = jinja_arg(args, 0, "width");
    bool first = jinja_truth(in->arena, jinja_arg(args, 1, "first"));
    bool blank = jinja_truth(in->arena, jinja_arg(args, 2, "blank"));
    int64_t n = jinja_arg_int(args, 0, "width", 4);
    struct buf b = {.max_bytes = JINJA_OUTPUT_MAX_BYTES};

    for (size_t i = 0; i < text.len && !b.full; i++) {
        bool starts = i ? text.text[i - 1] == '\n' : first;
        if (starts && (blank || text.text[i] != '\n')) {
            for (int64_t k = 0; width.kind != JINJA_STRING && k < n && k < 1000; k++)
                buf_lit(&b, " ");
            if (width.kind == JINJA_STRING)
                buf_add(&b, width.text, width.len);
        }
        buf_add(&b, &text.text[i], 1);
    }
    return jinja_take(in, &b);
}

static struct jinja_value f_escape(struct interpreter *in, struct jinja_value v,
                                   const struct arguments *args)
{
    static const char *const codes[] = {
        ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['\''] = "&#39;", ['"'] = "&#34;"};
    struct jinja_value text = jinja_to_text(in->arena, v);
    struct buf b = {.max_bytes = JINJA_OUTPUT_MAX_BYTES};

    (void)args;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.text[i];
        const char *code = c < COUNT(codes) ? codes[c] : NULL;
        buf_add(&b, code ? code : &text.text[i], code ? strlen(code) : 1);
    }
    return jinja_take(in, &b);
}

static struct jinja_value f_urlencode(struct interpreter *in, struct jinja_value v,
                                      const struct arguments *args)
{
    static const char hex[] = "0123456789ABCDEF", plain[] = "-_.~/";
    struct jinja_value text = jinja_to_text(in->arena, v);
    struct buf b = {.max_bytes = JINJA_OUTPUT_MAX_BYTES};

    (void)args;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.text[i];
        char code[3] = {'%', hex[c >> 4], hex[c & 15]};
        bool keeps = c < 128 && c && (isalnum(c) || strchr(plain, c));
        buf_add(&b, keeps ? &text.text[i] : code, keeps ? 1 : 3);
    }
    return jinja_take(in, &b);
}

static struct jinja_value f_striptags(struct interpreter *in, struct jinja_value v,
                                      const struct arguments *args)
{
    struct jinja_value text = jinja_to_text(in->arena, v);
    struct buf b = {.max_bytes = JINJA_OUTPUT_MAX_BYTES};
    bool tag = false, blank = true;

    (void)args;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.text[i];
        bool opens = c == '<' && memchr(text.text + i, '>', text.len - i);
        tag |= opens;
        if (!tag && !(isspace((unsigned char)c) && blank)) {
            blank = isspace((unsigned char)c);
            buf_add(&b, blank ? " " : &text.text[i], 1);
        }
        tag = tag && c != '>';
    }
    b.len -= b.len && b.bytes[b.len - 1] == ' ';
    return jinja_take(in, &b);
}

static struct jinja_value f_wordcount(struct interpreter *in, struct jinja_value v,
                                      const struct arguments *args)
{
    struct jinja_value text = jinja_to_text(in->arena, v);
    int64_t n = 0;
    bool word = false;

    (void)args;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.text[i];
        bool now = isalnum(c) || c == '_' || c >= 128;
        n += now && !word;
        word = now;
    }
    return jinja_int(n);
}

static struct jinja_value f_wordwrap(struct interpreter *in, struct jinja_value v,
                                     const struct arguments *args)
{
    struct jinja_value text = jinja_to_text(in->arena, v);
    int64_t width = jinja_arg_int(args, 0, "width", 79), column = 0;
    struct buf b = {.max_bytes = JINJA_OUTPUT_MAX_BYTES};
    const char *p = text.text, *end = p + text.len;

    while (p < end && !b.full) {
        const char *word = p;
        while (p < end && *p != ' ' && *p != '\n')
            p++;
        if (column && column + 1 + (p - word) > width) {
            buf_lit(&b, "\n");
            column = 0;
        } else if (column) {
            buf_lit(&b, " ");
            column++;
        }
        buf_add(&b, word, (size_t)(p - word));
        column += p - word;
        if (p < end && *p == '\n') {
            buf_lit(&b, "\n");
            column = 0;
        }
        p += p < end;
    }
    return jinja_take(in, &b);
}

enum { WIDTH_MAX = 999 };

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void print_as(struct buf *b, const char *format, ...)
{
    char text[WIDTH_MAX + 400]; /* 310 digits of the largest double, sign, point, precision */
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    buf_add(b, text, strlen(text));
}
#pragma GCC diagnostic pop

/* A whole number that no integer holds is printed from the float: Python's integers have no end. */
static void format_huge(struct interpreter *in, struct buf *b, const char *spec, double number)
{
    if (isfinite(number))
        print_as(b, arena_printf(in->arena, "%.*s.0f", (int)strcspn(spec, "."), spec), number);
    else
        jinja_fail(in, isnan(number) ? "ValueError" : "OverflowError",
                   "cannot convert float %s to integer", isnan(number) ? "NaN" : "infinity");
}

/* True when width or precision of `%5.2f` are numbers beyond WIDTH_MAX: libc would pad to
 * gigabytes. */
static bool is_too_wide(const char *spec)
{
    const char *width = spec + strspn(spec, "%-+ 0#"), *point = strchr(spec, '.');

    return atoll(width) > WIDTH_MAX || (point && atoll(point + 1) > WIDTH_MAX);
}

/* One `%5.2f` of printf with the value that it takes. */
static void format_one(struct interpreter *in, struct buf *b, const char *spec, char kind,
                       struct jinja_value v)
{
    bool whole = strchr("di", kind), based = strchr("xXo", kind);
    const char *format = arena_printf(in->arena, "%s%s%c", spec, whole || based ? "ll" : "", kind);

    if (!jinja_is_number(&v) || (based && v.kind == JINJA_FLOAT))
        jinja_fail(in, "TypeError", "%%%c format: a real number is required, not %s", kind,
                   jinja_type(&v));
    else if (is_too_wide(spec))
        jinja_fail(in, "ValueError", "%s%c: width and precision are at most %d", spec, kind,
                   WIDTH_MAX);
    else if (v.kind == JINJA_FLOAT && whole && !(fabs(v.real) < 9e18))
        format_huge(in, b, spec, v.real);
    else if (whole || based)
        print_as(b, format, v.kind == JINJA_FLOAT ? (long long)v.real : (long long)v.number);
    else
        print_as(b, format, jinja_number(&v));
}

static struct jinja_value f_format(struct interpreter *in, struct jinja_value v,
                                   const struct arguments *args)
{
    struct jinja_value text = jinja_to_text(in->arena, v);
    struct buf b = {.max_bytes = JINJA_OUTPUT_MAX_BYTES};
    size_t next = 0;

    for (const char *p = text.text; *p && !in->reason && !b.full;) {
        size_t flags = *p == '%' ? 1 + strspn(p + 1, "-+ 0#123456789.") : 0;
        char kind = '\0';
        if (flags)
            kind = p[flags];
        if (!flags || (flags == 1 && kind == '%') || flags > 10) {
            buf_add(&b, p, 1);
            p += flags == 1 ? 2 : 1;
            continue;
        }
        if (!kind) {
            jinja_fail(in, "ValueError", "incomplete format");
            break;
        }
        struct jinja_value item = jinja_arg(args, next++, NULL);
        if (next > args->count)
            jinja_fail(in, "TypeError", "not enough arguments for format string");
        else if (kind == 's')
            jinja_write(in->arena, &b, item);
        else if (kind == 'r')
            jinja_write_repr(in->arena, &b, item);
        else if (!strchr("dixXoeEfFgG", kind))
            jinja_fail(in, "ValueError", "unsupported format character '%c'", kind);
        else
            format_one(in, &b, arena_strndup(in->arena, p, flags), kind, item);
        p += flags + 1;
    }
    return jinja_take(in, &b);
}

static bool is_id(const char *p)
{
    for (size_t i = 0; i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        bool digit = p[i] && strchr("0123456789abcdef", p[i]);
        if (dash ? p[i] != '-' : !digit)
            return false;
    }
    return true;
}

static struct jinja_value f_flow_run_id(struct interpreter *in, struct jinja_value v,
                                        const struct arguments *args)
{
    struct jinja_value text = jinja_to_text(in->arena, v);
    const char *p = text.text;

    (void)args;
    while (v.kind == JINJA_STRING && (p = strstr(p, "flow-run/"))) {
        p += strlen("flow-run/");
        if (is_id(p))
            return jinja_text_n(arena_strndup(in->arena, p, 36), 36);
    }
    return jinja_none();
}

static struct jinja_value link_to(struct interpreter *in, struct jinja_value v, bool events)
{
    const char *path =
        v.kind == JINJA_OBJECT && v.class->path ? v.class->path(in->arena, v.self) : NULL;
    const char *base = in->scope->ui_url;
    const char *resource = path ? strchr(path, '\t') : NULL; /* page TAB resource id */

    if (!base || !path || !resource || (!events && resource == path))
        return jinja_none();
    size_t n = strlen(base) - (base[0] && base[strlen(base) - 1] == '/');
    if (events)
        return jinja_text(
            arena_printf(in->arena, "%.*s/events?resource=%s", (int)n, base, resource + 1));
    return jinja_text(
        arena_printf(in->arena, "%.*s/%.*s", (int)n, base, (int)(resource - path), path));
}

static struct jinja_value f_ui_url(struct interpreter *in, struct jinja_value v,
                                   const struct arguments *args)
{
    (void)args;
    return link_to(in, v, false);
}

static struct jinja_value f_events_url(struct interpreter *in, struct jinja_value v,
                                       const struct arguments *args)
{
    (void)args;
    return link_to(in, v, true);
}

const struct filter_row jinja_text_filters[] = {
    {"upper", f_upper},
    {"lower", f_lower},
    {"title", f_title},
    {"capitalize", f_capitalize},
    {"trim", f_trim},
    {"replace", f_replace},
    {"center", f_center},
    {"truncate", f_truncate},
    {"indent", f_indent},
    {"escape", f_escape},
    {"e", f_escape},
    {"forceescape", f_escape},
    {"urlencode", f_urlencode},
    {"striptags", f_striptags},
    {"wordcount", f_wordcount},
    {"wordwrap", f_wordwrap},
    {"format", f_format},
    {"flow_run_id", f_flow_run_id},
    {"ui_url", f_ui_url},
    {"ui_resource_events_url", f_events_url},
};
const size_t jinja_text_filter_count = COUNT(jinja_text_filters);
