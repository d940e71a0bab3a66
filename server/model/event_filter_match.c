#include <string.h>

#include "server/model/event_filter.h"

static bool listed(const struct strings *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i], text) == 0)
            return true;
    return false;
}

static bool begins(const struct strings *prefixes, const char *text)
{
    for (size_t i = 0; i < prefixes->count; i++)
        if (strncmp(text, prefixes->items[i], strlen(prefixes->items[i])) == 0)
            return true;
    return false;
}

/* The next character, which may be several bytes. */
static const char *next_char(const char *at)
{
    do
        at++;
    while ((*at & 0xc0) == 0x80);
    return at;
}

/* Without recursion: on a mismatch the last `*` takes one more character. */
static bool glob(const char *pattern, const char *text)
{
    const char *star = NULL, *resume = NULL;

    while (*text) {
        if (*pattern == '*') {
            star = ++pattern;
            resume = text;
        } else if (*pattern == '?') {
            pattern++;
            text = next_char(text);
        } else if (*pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text = resume = next_char(resume);
        } else {
            return false;
        }
    }
    return pattern[strspn(pattern, "*")] == 0;
}

bool label_match(const char *pattern, const char *value)
{
    bool negated = *pattern == '!';
    return glob(pattern + negated, value) != negated;
}

static const char *label_of(struct arena *a, struct val resource, const char *label)
{
    return val_string(a, val_get(resource, label), NULL);
}

static bool label_met(struct arena *a, const struct label_spec *spec, struct val resource)
{
    const char *value = label_of(a, resource, spec->label);

    for (size_t i = 0; value && i < spec->patterns.count; i++)
        if (label_match(spec->patterns.items[i], value))
            return true;
    return false;
}

static bool in_roles(const struct strings *pairs, const char *id, const char *role)
{
    for (size_t i = 0; i + 1 < pairs->count; i += 2)
        if (strcmp(pairs->items[i], id) == 0 && role && strcmp(pairs->items[i + 1], role) == 0)
            return true;
    return false;
}

static bool resource_met(struct arena *a, const struct resource_spec *spec, struct val resource)
{
    const char *id = label_of(a, resource, "prefect.resource.id");
    const char *role = label_of(a, resource, "prefect.resource.role");

    if (!id || (spec->id.count && !listed(&spec->id, id)) ||
        (spec->id_prefix.count && !begins(&spec->id_prefix, id)) ||
        (spec->role.count && (!role || !listed(&spec->role, role))) ||
        (spec->in_roles.count && !in_roles(&spec->in_roles, id, role)))
        return false;
    for (size_t i = 0; i < spec->label_count; i++)
        if (!label_met(a, &spec->labels[i], resource))
            return false;
    return true;
}

static bool restricts(const struct resource_spec *spec)
{
    return spec->id.count || spec->id_prefix.count || spec->role.count || spec->in_roles.count ||
           spec->label_count;
}

/* Each spec by some resource. */
static bool all_met(struct arena *a, const struct resource_specs *specs, const struct event_view *e,
                    bool primary_too)
{
    for (size_t i = 0; i < specs->count; i++) {
        bool met = !restricts(&specs->items[i]) ||
                   (primary_too && resource_met(a, &specs->items[i], e->resource));
        for (struct val_iter it = val_each(e->related); !met && val_next(&it);)
            met = resource_met(a, &specs->items[i], it.value);
        if (!met)
            return false;
    }
    return true;
}

static bool name_met(const struct event_filter *f, const char *name)
{
    return (!f->prefix.count || begins(&f->prefix, name)) && !begins(&f->exclude_prefix, name) &&
           (!f->name.count || listed(&f->name, name)) && !listed(&f->exclude_name, name);
}

static bool id_met(const struct uuids *ids, struct uuid id)
{
    for (size_t i = 0; i < ids->count; i++)
        if (memcmp(&ids->items[i], &id, sizeof(id)) == 0)
            return true;
    return ids->count == 0;
}

static bool text_met(struct arena *a, const struct event_filter *f, const struct event *e)
{
    if (!f->query)
        return true;
    const char *text = arena_printf(a, "%s %s %s %s", e->event, e->payload.text, e->resource.text,
                                    e->related.text);
    return text_query_match(&f->text, text, strlen(text));
}

static struct val parse(struct arena *a, struct raw text)
{
    struct doc *doc = arena_new(a, struct doc);
    struct doc_error bad;

    if (!text.text || !doc_parse(a, text.text, text.len, doc, &bad))
        return (struct val){0};
    return doc_root(doc);
}

struct event_view event_view(struct arena *a, const struct event *e)
{
    return (struct event_view){e, parse(a, e->resource), parse(a, e->related)};
}

bool event_filter_match(struct arena *a, const struct event_filter *f, const struct event_view *e)
{
    return e->event->occurred_us >= f->since_us && e->event->occurred_us <= f->until_us &&
           name_met(f, e->event->event) && id_met(&f->id, e->event->id) &&
           (!restricts(&f->resource) || resource_met(a, &f->resource, e->resource)) &&
           all_met(a, &f->related, e, false) && all_met(a, &f->any_resource, e, true) &&
           text_met(a, f, e->event);
}
