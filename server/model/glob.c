#include "server/model/glob.h"

#include <string.h>

static size_t char_len(const char *s)
{
    size_t len = 1;
    while (((unsigned char)s[len] & 0xc0) == 0x80)
        len++;
    return len;
}

/* Compares two characters of UTF-8 in code point order. */
static int compare(const char *a, const char *b)
{
    size_t a_len = char_len(a), b_len = char_len(b);
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);
    return order ? order : (a_len > b_len) - (a_len < b_len);
}

/* The end of a set that starts after `[`; NULL: there is none, the bracket is a character. */
static const char *set_end(const char *p)
{
    if (*p == '!')
        p++;
    if (*p == ']')
        p++;
    return strchr(p, ']');
}

static bool set_has(const char *p, const char *end, const char *text)
{
    bool turned = *p == '!', found = false;

    for (p += turned; p < end;) {
        const char *low = p, *high = p;
        p += char_len(p);
        if (*p == '-' && p + 1 < end) {
            high = p + 1;
            p = high + char_len(high);
        }
        found |= compare(low, text) <= 0 && compare(text, high) <= 0;
    }
    return found != turned;
}

/* One element of the pattern against one character: the rest of the pattern, or NULL. */
static const char *step(const char *pattern, const char *text)
{
    const char *end = *pattern == '[' ? set_end(pattern + 1) : NULL;

    if (!*text)
        return NULL;
    if (end)
        return set_has(pattern + 1, end, text) ? end + 1 : NULL;
    if (*pattern == '?')
        return pattern + 1;
    return *pattern && !compare(pattern, text) ? pattern + char_len(pattern) : NULL;
}

bool glob_matches(const char *pattern, const char *text)
{
    const char *star = NULL, *from = NULL;

    for (;;) {
        const char *next;
        if (*pattern == '*') {
            star = ++pattern;
            from = text;
        } else if ((next = step(pattern, text))) {
            pattern = next;
            text += char_len(text);
        } else if (!*pattern && !*text) {
            return true;
        } else if (star && *from) { /* the last star takes one more */
            from += char_len(from);
            pattern = star;
            text = from;
        } else {
            return false;
        }
    }
}

bool glob_name_matches(const char *pattern, const char *name)
{
    const char *star = NULL, *from = NULL;

    for (;;) {
        if (*pattern == '*' && *name) {
            star = ++pattern;
            from = name += char_len(name);
        } else if (*pattern && *pattern != '*' && *pattern == *name) {
            pattern++;
            name++;
        } else if (!*pattern && !*name) {
            return true;
        } else if (star && *from) {
            from += char_len(from);
            pattern = star;
            name = from;
        } else {
            return false;
        }
    }
}

bool glob_label_matches(const char *pattern, const char *value)
{
    bool turned = *pattern == '!';
    return value && glob_matches(pattern + turned, value) != turned;
}
