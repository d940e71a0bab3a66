#include <string.h>

#include "shared/json/schema_check.h"
#include "shared/json/write.h"

/* A text, or a place with what is wrong there. */
struct branch {
    struct branch *next, *first, **end;
    const char *text;     /* NULL: a place */
    const char *property; /* NULL: an index */
    size_t index;
};

static struct branch *add(struct arena *a, struct branch *at, struct branch entry)
{
    struct branch *b = arena_new(a, struct branch);

    *b = entry;
    b->end = &b->first;
    *at->end = b;
    at->end = &b->next;
    return b;
}

/* The branch of a property (or, when it is NULL, of an index), made when it is missing. */
static struct branch *find(struct arena *a, struct branch *at, const char *property, size_t index)
{
    for (struct branch *b = at->first; b; b = b->next) {
        bool same = property ? b->property && strcmp(b->property, property) == 0
                             : !b->property && b->index == index;
        if (!b->text && same)
            return b;
    }
    return add(a, at, (struct branch){.property = property, .index = index});
}

static struct branch *descend(struct arena *a, struct branch *root, const struct place *place)
{
    if (!place)
        return root;
    struct branch *outer = descend(a, root, place->outer);
    const char *key = place->key.doc ? val_string(a, place->key, NULL) : NULL;
    return find(a, outer, key, place->index);
}

static void write_branch(struct buf *out, const struct branch *at)
{
    write_array(out);
    for (const struct branch *b = at->first; b; b = b->next) {
        if (b->text) {
            write_string(out, b->text);
            continue;
        }
        write_object(out);
        write_key(out, b->property ? "property" : "index");
        if (b->property)
            write_string(out, b->property);
        else
            write_int64(out, (int64_t)b->index);
        write_key(out, "errors");
        write_branch(out, b);
        write_end_object(out);
    }
    write_end_array(out);
}

bool schema_errors_write(struct arena *a, struct val schema, const struct schema_rules *rules,
                         struct val value, struct buf *out, struct schema_error *out_error)
{
    struct checker c = {.arena = a, .rules = rules, .root = schema};
    struct branch root = {.end = &root.first};
    struct wrongs found;

    if (!schema_collect(&c, value, &found, out_error))
        return false;
    for (const struct wrong_value *w = found.first; w; w = w->next) {
        const char *text = rules->say ? rules->say(a, w->instance) : NULL;
        if (text && !*text)
            continue;
        struct branch *at = descend(a, &root, w->place);
        if (w->what == WRONG_REQUIRED)
            at = find(a, at, val_string(a, w->extra, NULL), 0);
        add(a, at, (struct branch){.text = text ? text : schema_text(&c, w)});
    }
    write_branch(out, &root);
    return true;
}
