/* Template text to tokens.  An error becomes the last token, so that what the parser finds wrong
 * before it comes first. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "server/model/jinja_internal.h"

enum { BRACKETS_MAX = 200 };

struct lexer {
    struct arena *arena;
    const char *text, *end, *at;
    int line;
    struct token *tokens;
    size_t count, room;
    char brackets[BRACKETS_MAX];
    size_t open;
    bool trims; /* a `-` before: blanks that follow go */
    bool done;
};

static struct token *push(struct lexer *l, enum token_kind kind, const char *text, size_t len)
{
    if (l->count == l->room) {
        size_t room = l->room ? l->room * 2 : 32;
        struct token *tokens = arena_array(l->arena, struct token, room);
        if (l->count)
            memcpy(tokens, l->tokens, l->count * sizeof(*tokens));
        l->tokens = tokens;
        l->room = room;
    }
    l->tokens[l->count] = (struct token){
        .kind = kind, .line = l->line, .text = arena_strndup(l->arena, text, len), .len = len};
    return &l->tokens[l->count++];
}

static void fail(struct lexer *l, const char *message)
{
    push(l, TOKEN_ERROR, message, strlen(message));
    l->done = true;
}

static bool starts(const struct lexer *l, const char *what)
{
    size_t n = strlen(what);
    return (size_t)(l->end - l->at) >= n && !memcmp(l->at, what, n);
}

static void move(struct lexer *l, const char *to)
{
    for (; l->at < to; l->at++)
        l->line += *l->at == '\n';
}

static const char *find(const struct lexer *l, const char *from, const char *what)
{
    return from < l->end ? memmem(from, (size_t)(l->end - from), what, strlen(what)) : NULL;
}

static const char *behind_blanks(const struct lexer *l, const char *p)
{
    while (p < l->end && isspace((unsigned char)*p))
        p++;
    return p;
}

static void skip_blanks(struct lexer *l)
{
    move(l, behind_blanks(l, l->at));
}

/* ---- inside of tags ---- */

static void lex_name(struct lexer *l)
{
    const char *p = l->at;
    while (p < l->end && (isalnum((unsigned char)*p) || *p == '_' || (unsigned char)*p >= 128))
        p++;
    push(l, TOKEN_NAME, l->at, (size_t)(p - l->at));
    l->at = p;
}

static const char *digits(const char *p, const char *end, const char *of)
{
    while (p < end && *p && (strchr(of, *p) || (*p == '_' && p + 1 < end && strchr(of, p[1]))))
        p++;
    return p;
}

static bool lex_based(struct lexer *l)
{
    static const struct {
        char letter;
        int base;
        const char *digits;
    } bases[] = {{'x', 16, "0123456789abcdefABCDEF"}, {'o', 8, "01234567"}, {'b', 2, "01"}};

    for (size_t i = 0; i < COUNT(bases) && l->end - l->at > 2 && *l->at == '0'; i++) {
        if (tolower((unsigned char)l->at[1]) != bases[i].letter)
            continue;
        const char *p = digits(l->at + 2, l->end, bases[i].digits);
        if (p == l->at + 2)
            return false;
        struct token *t = push(l, TOKEN_INT, l->at + 2, (size_t)(p - l->at - 2));
        t->number = strtoll(t->text, NULL, bases[i].base);
        l->at = p;
        return true;
    }
    return false;
}

static void without_underscores(struct token *t)
{
    char *out = (char *)(uintptr_t)t->text; /* our own copy */
    for (const char *p = t->text; *p; p++)
        if (*p != '_')
            *out++ = *p;
    *out = '\0';
}

static void lex_number(struct lexer *l)
{
    static const char decimal[] = "0123456789";
    const char *p = digits(l->at, l->end, decimal);
    bool real = false;

    if (lex_based(l))
        return;
    if (p + 1 < l->end && *p == '.' && isdigit((unsigned char)p[1])) {
        p = digits(p + 1, l->end, decimal);
        real = true;
    }
    if (p < l->end && (*p == 'e' || *p == 'E')) {
        const char *q = p + 1;
        q += q < l->end && (*q == '+' || *q == '-');
        if (q < l->end && isdigit((unsigned char)*q)) {
            p = digits(q, l->end, decimal);
            real = true;
        }
    }
    struct token *t = push(l, real ? TOKEN_FLOAT : TOKEN_INT, l->at, (size_t)(p - l->at));
    without_underscores(t);
    t->number = strtoll(t->text, NULL, 10);
    t->real = strtod(t->text, NULL);
    l->at = p;
}

static size_t put_point(char *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    out[0] = (char)(0xe0 | c >> 12);
    out[1] = (char)(0x80 | (c >> 6 & 0x3f));
    out[2] = (char)(0x80 | (c & 0x3f));
    return 3;
}

/* `\n`, `\x41`, `\u0041`; others stay as they are. */
static size_t unescape(const char **at, const char *end, char *out)
{
    static const char from[] = "nrtabfv\\'\"", to[] = "\n\r\t\a\b\f\v\\'\"";
    char c = (*at)[1];
    const char *known = c ? strchr(from, c) : NULL;
    int wide = c == 'x' ? 2 : c == 'u' ? 4 : 0;
    uint32_t point = 0;
    int got = 0;

    if (known) {
        *at += 2;
        *out = to[known - from];
        return 1;
    }
    for (; got < wide && *at + 2 + got < end && isxdigit((unsigned char)(*at)[2 + got]); got++) {
        char digit[2] = {(*at)[2 + got], 0};
        point = point << 4 | (uint32_t)strtoul(digit, NULL, 16);
    }
    if (wide && got == wide && point && (point < 0xd800 || point > 0xdfff)) {
        *at += 2 + wide;
        return put_point(out, point);
    }
    *out = *(*at)++;
    return 1;
}

static bool lex_string(struct lexer *l)
{
    char quote = *l->at;
    const char *p = l->at + 1;

    while (p < l->end && *p != quote)
        p += *p == '\\' && p + 1 < l->end ? 2 : 1;
    if (p >= l->end)
        return false;
    struct token *t = push(l, TOKEN_STRING, l->at + 1, (size_t)(p - l->at - 1));
    char *out = (char *)(uintptr_t)t->text, *start = out; /* shrinks in place */
    for (const char *q = l->at + 1; q < p;)
        if (*q == '\\' && q + 1 < p)
            out += unescape(&q, p, out);
        else
            *out++ = *q++;
    *out = '\0';
    t->len = (size_t)(out - start);
    move(l, p + 1);
    return true;
}

/* Brackets must fit; `}}` within them is no end. */
static bool check_bracket(struct lexer *l, char c)
{
    static const char opening[] = "([{", closing[] = ")]}";
    const char *open = strchr(opening, c), *close = strchr(closing, c);

    if (open) {
        if (l->open == BRACKETS_MAX) {
            fail(l, "too many brackets");
            return false;
        }
        l->brackets[l->open++] = closing[open - opening];
    } else if (close && !l->open) {
        fail(l, arena_printf(l->arena, "unexpected '%c'", c));
        return false;
    } else if (close && l->brackets[--l->open] != c) {
        fail(l, arena_printf(l->arena, "unexpected '%c', expected '%c'", c, l->brackets[l->open]));
        return false;
    }
    return true;
}

static bool lex_operator(struct lexer *l)
{
    static const char *const operators[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                            "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                            ">",  "<",  "=",  ".",  ":",  "|",  ",", ";"};

    for (size_t i = 0; i < COUNT(operators); i++) {
        if (!starts(l, operators[i]))
            continue;
        if (!operators[i][1] && !check_bracket(l, operators[i][0]))
            return true;
        push(l, TOKEN_OPERATOR, operators[i], strlen(operators[i]));
        l->at += strlen(operators[i]);
        return true;
    }
    return false;
}

static void refuse_char(struct lexer *l)
{
    size_t chars = 0, n = 1;

    for (const char *p = l->text; p < l->at; p++)
        chars += ((unsigned char)*p & 0xc0) != 0x80;
    while (l->at + n < l->end && ((unsigned char)l->at[n] & 0xc0) == 0x80)
        n++;
    const char *quote = *l->at == '\'' ? "\"" : "'";
    fail(l, arena_printf(l->arena, "unexpected char %s%.*s%s at %zu", quote, (int)n, l->at, quote,
                         chars));
}

/* Behind `{{` or `{%` up to `ending`. */
static void lex_tag(struct lexer *l, const char *ending, enum token_kind end_kind)
{
    char dashed[4] = {'-', ending[0], ending[1], 0}, plus[4] = {'+', ending[0], ending[1], 0};

    l->open = 0;
    while (!l->done) {
        skip_blanks(l);
        if (l->at >= l->end)
            return;
        bool trims = starts(l, dashed), keeps = starts(l, plus) && end_kind == TOKEN_BLOCK_END;
        if (!l->open && (trims || keeps || starts(l, ending))) {
            push(l, end_kind, "", 0);
            l->at += trims || keeps ? 3 : 2;
            l->trims = trims;
            return;
        }
        char c = *l->at;
        if (isalpha((unsigned char)c) || c == '_' || (unsigned char)c >= 128)
            lex_name(l);
        else if (isdigit((unsigned char)c))
            lex_number(l);
        else if ((c != '"' && c != '\'' ? !lex_operator(l) : !lex_string(l)))
            refuse_char(l);
    }
}

/* ---- outside of tags ---- */

static void lex_data(struct lexer *l, const char *to, bool trim_end)
{
    const char *from = l->at, *stop = to;

    if (l->trims)
        while (from < stop && isspace((unsigned char)*from))
            from++;
    while (trim_end && stop > from && isspace((unsigned char)stop[-1]))
        stop--;
    if (stop > from)
        push(l, TOKEN_DATA, from, (size_t)(stop - from));
    l->trims = false;
    move(l, to);
}

static const char *next_tag(const struct lexer *l)
{
    const char *p = l->at;

    while ((p = find(l, p, "{")) && p + 1 < l->end)
        if (strchr("{%#", p[1]) && p[1])
            return p;
        else
            p++;
    return NULL;
}

/* A tag `{% word %}`, with or without a sign inside of its braces. */
struct plain_tag {
    const char *end; /* behind it */
    bool dash_before, dash_after;
};

/* `at` is behind `{%`; false: it is another tag. */
static bool read_plain_tag(const struct lexer *l, const char *at, const char *word,
                           struct plain_tag *out)
{
    size_t len = strlen(word);
    bool before = at < l->end && *at == '-', plus = at < l->end && *at == '+';
    const char *p = behind_blanks(l, at + (before || plus));

    if ((size_t)(l->end - p) < len || memcmp(p, word, len) != 0)
        return false;
    p = behind_blanks(l, p + len);
    bool after = p < l->end && *p == '-';
    if (l->end - p < 2 + after || memcmp(p + after, "%}", 2) != 0)
        return false;
    *out = (struct plain_tag){.end = p + after + 2, .dash_before = before, .dash_after = after};
    return true;
}

/* After `{% raw %}`; true: the tag was one. */
static bool lex_raw(struct lexer *l)
{
    struct plain_tag raw, endraw;

    if (!read_plain_tag(l, l->at + 2, "raw", &raw))
        return false;
    move(l, raw.end);
    for (const char *q = l->at; (q = find(l, q, "{%")); q += 2) {
        if (!read_plain_tag(l, q + 2, "endraw", &endraw))
            continue;
        l->trims = raw.dash_after;
        lex_data(l, q, endraw.dash_before);
        move(l, endraw.end);
        l->trims = endraw.dash_after;
        return true;
    }
    if (l->at < l->end)
        fail(l, "Missing end of raw directive");
    l->done = true;
    return true;
}

static void lex_comment(struct lexer *l)
{
    const char *close = find(l, l->at + 2, "#}");

    if (!close) {
        fail(l, "Missing end of comment tag");
        return;
    }
    l->trims = close[-1] == '-' && close - l->at > 2;
    move(l, close + 2);
}

struct token *jinja_lex(struct arena *a, const char *text, size_t len)
{
    struct lexer l = {.arena = a, .text = text, .end = text + len, .at = text, .line = 1};

    if (len && text[len - 1] == '\n') /* the last line end of a template is not part of it */
        l.end -= 1 + (len > 1 && text[len - 2] == '\r');
    while (!l.done && l.at < l.end) {
        const char *tag = next_tag(&l);
        if (!tag) {
            lex_data(&l, l.end, false);
            break;
        }
        lex_data(&l, tag, tag + 2 < l.end && tag[2] == '-');
        if (tag[1] == '#') {
            lex_comment(&l);
            continue;
        }
        if (tag[1] == '%' && lex_raw(&l))
            continue;
        bool print = tag[1] == '{';
        push(&l, print ? TOKEN_PRINT_BEGIN : TOKEN_BLOCK_BEGIN, "", 0);
        l.at += 2 + (tag + 2 < l.end && (tag[2] == '-' || (!print && tag[2] == '+')));
        lex_tag(&l, print ? "}}" : "%}", print ? TOKEN_PRINT_END : TOKEN_BLOCK_END);
    }
    if (!l.count || l.tokens[l.count - 1].kind != TOKEN_ERROR)
        push(&l, TOKEN_EOF, "", 0);
    return l.tokens;
}
