#include "shared/json/text_query.h"

#include <string.h>

static bool blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static char lower(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c + 32);
    return c;
}

static const char *skip_blank(const char *at)
{
    while (*at && blank(*at))
        at++;
    return at;
}

/* A word, or what stands between quotes; a quote behind a backslash is part of it.  Returns what
 * follows. */
static const char *take_term(const char *at, const char **out_begin, const char **out_end)
{
    bool quoted = *at == '"';

    at += quoted;
    *out_begin = at;
    while (*at && (quoted ? *at != '"' : !blank(*at)))
        at += *at == '\\' && at[1] == '"' ? 2 : 1;
    *out_end = at;
    return at + (quoted && *at == '"');
}

static const char *lowered(struct arena *a, const char *begin, const char *end)
{
    char *copy = arena_strndup(a, begin, (size_t)(end - begin));

    for (char *c = copy; *c; c++)
        *c = lower(*c);
    return copy;
}

void text_query_parse(struct arena *a, const char *query, struct text_query *out)
{
    size_t room = strlen(query) / 2 + 1;

    *out = (struct text_query){{arena_array(a, const char *, room), 0},
                               {arena_array(a, const char *, room), 0},
                               {arena_array(a, const char *, room), 0}};
    for (const char *at = skip_blank(query); *at; at = skip_blank(at)) {
        struct strings *list = *at == '-' || *at == '!' ? &out->none
                               : *at == '+'             ? &out->all
                                                        : &out->any;
        const char *begin, *end;
        at = take_term(at + (list != &out->any), &begin, &end);
        if (end > begin)
            list->items[list->count++] = lowered(a, begin, end);
    }
}

static bool contains(const char *text, size_t len, const char *word)
{
    size_t n = strlen(word);

    for (size_t i = 0; i + n <= len; i++) {
        size_t k = 0;
        while (k < n && lower(text[i + k]) == word[k])
            k++;
        if (k == n)
            return true;
    }
    return false;
}

static size_t count_found(const struct strings *words, const char *text, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < words->count; i++)
        n += contains(text, len, words->items[i]);
    return n;
}

bool text_query_match(const struct text_query *q, const char *text, size_t len)
{
    return count_found(&q->all, text, len) == q->all.count &&
           count_found(&q->none, text, len) == 0 &&
           (q->any.count == 0 || count_found(&q->any, text, len) > 0);
}
