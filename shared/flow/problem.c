#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "shared/flow/node.h"

enum { NAME_MAX_LEN = 64 };

static bool before(const struct problem *a, const struct problem *b)
{
    int file = strcmp(a->source->file, b->source->file);
    if (file)
        return file < 0;
    return a->line != b->line ? a->line < b->line : a->column <= b->column;
}

PRINTF_LIKE(3, 0)
static void add(struct problems *p, struct problem place, const char *fmt, va_list args)
{
    char text[600];
    vsnprintf(text, sizeof(text), fmt, args);
    struct problem **at = &p->first;
    while (*at && before(*at, &place)) {
        if (!before(&place, *at) || ((*at)->line == place.line && (*at)->column == place.column))
            if (!strcmp((*at)->text, text))
                return; /* an alias leads to the same place twice */
        at = &(*at)->next;
    }
    if (p->count++ >= PROBLEMS_MAX)
        return;
    struct problem *new = arena_new(p->arena, struct problem);
    *new = place;
    new->text = arena_printf(p->arena, "%s", text);
    new->next = *at;
    *at = new;
}

void problem_at(struct problems *p, const struct node *at, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    add(p, (struct problem){NULL, at->source, at->line, at->column, NULL}, fmt, args);
    va_end(args);
}

static const char *start_of(const struct node *at)
{
    const char *s = at->source->text;
    for (unsigned line = 1; line < at->line; line++) {
        const char *end = strchr(s, '\n');
        if (!end)
            return s;
        s = end + 1;
    }
    for (unsigned column = 1; column < at->column && *s; column++)
        for (s++; ((unsigned char)*s & 0xc0) == 0x80;)
            s++;
    return s;
}

void problem_in(struct problems *p, const struct node *at, const char *found, const char *fmt, ...)
{
    struct problem place = {NULL, at->source, at->line, at->column, NULL};
    const char *start = start_of(at), *here = strstr(start, found);
    for (const char *s = start; here && s < here; s++) {
        if (*s == '\n')
            place.line++, place.column = 1;
        else if (((unsigned char)*s & 0xc0) != 0x80)
            place.column++;
    }
    va_list args;
    va_start(args, fmt);
    add(p, place, fmt, args);
    va_end(args);
}

void problems_print(const struct problems *p, struct buf *out)
{
    char text[128];
    for (const struct problem *i = p->first; i; i = i->next) {
        buf_add(out, i->source->file, strlen(i->source->file));
        int n = snprintf(text, sizeof(text), ":%u:%u: ", i->line, i->column);
        buf_add(out, text, (size_t)n);
        buf_add(out, i->text, strlen(i->text));
        buf_lit(out, "\n");
    }
    if (p->count > PROBLEMS_MAX) {
        int n = snprintf(text, sizeof(text), "and %zu more\n", p->count - PROBLEMS_MAX);
        buf_add(out, text, (size_t)n);
    }
}

/* Edits (insert, delete, replace) that turn one name into the other. */
static size_t distance(const char *a, const char *b)
{
    size_t row[NAME_MAX_LEN + 1], a_len = strlen(a), b_len = strlen(b);
    if (a_len > NAME_MAX_LEN || b_len > NAME_MAX_LEN)
        return NAME_MAX_LEN;
    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t replace = diagonal + (a[i - 1] != b[j - 1]);
            size_t other = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = replace < other ? replace : other;
        }
    }
    return row[b_len];
}

const char *nearest_name(const char *name, const char *const *names, size_t count)
{
    enum { BEGINNING = 4 };
    const char *best = NULL;
    size_t len = strlen(name), limit = len < 2 ? 1 : len / 3 + 2; /* one edit for short names */
    for (size_t i = 0; i < count; i++) {
        size_t d = distance(name, names[i]);
        if (d >= limit && !best && len >= BEGINNING && !strncmp(name, names[i], BEGINNING))
            best = names[i];
        if (d < limit)
            best = names[i], limit = d;
    }
    return best;
}
