/* Which events concern a trigger. */
#include <string.h>

#include "server/model/glob.h"
#include "server/model/trigger.h"
#include "shared/json/write.h"

static bool fits(const struct specification *s, const struct labels *resource)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct expected_label *l = &s->labels[i];
        const char *value = labels_get(resource, l->name);
        size_t k = 0;
        while (k < l->values.count && !glob_label_matches(l->values.items[k], value))
            k++;
        if (k == l->values.count)
            return false;
    }
    return true;
}

static bool fits_any(const struct specification *s, const struct labels *resources, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (fits(s, &resources[i]))
            return true;
    return !s->count;
}

static bool named(const struct strings *patterns, const char *name)
{
    for (size_t i = 0; i < patterns->count; i++)
        if (glob_name_matches(patterns->items[i], name))
            return true;
    return false;
}

bool trigger_starts_after(const struct trigger *t, const struct seen_event *event)
{
    return named(&t->after, event->name);
}

bool trigger_expects(const struct trigger *t, const struct seen_event *event)
{
    return !t->expect.count || named(&t->expect, event->name);
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static bool any_begins(const struct strings *texts, const char *with)
{
    for (size_t i = 0; i < texts->count; i++)
        if (begins(texts->items[i], with))
            return true;
    return false;
}

/* Who asks for what automations do, by event or by resource, not only for everything. */
static bool asks_for_automations(const struct trigger *t)
{
    for (size_t i = 0; i < t->resource.count; i++)
        if (strcmp(t->resource.labels[i].name, "prefect.resource.id") == 0 &&
            any_begins(&t->resource.labels[i].values, "prefect.automation."))
            return true;
    return any_begins(&t->expect, "prefect.automation.") ||
           any_begins(&t->after, "prefect.automation.");
}

bool trigger_ignores(const struct trigger *t, struct uuid automation,
                     const struct seen_event *event)
{
    struct uuid teller;

    if (strcmp(event->name, "prefect.automation.triggered") != 0 &&
        !begins(event->name, "prefect.automation.action."))
        return false;
    return !asks_for_automations(t) || (seen_event_id_of(event, "prefect.automation", &teller) &&
                                        uuid_equal(teller, automation));
}

bool trigger_covers(const struct trigger *t, const struct seen_event *event)
{
    if (!trigger_expects(t, event) && !trigger_starts_after(t, event))
        return false;
    if (!fits(&t->resource, &event->resource))
        return false;
    for (size_t i = 0; i < t->related_count; i++)
        if (!fits_any(&t->related[i], event->related, event->related_count))
            return false;
    return true;
}

struct strings trigger_key(struct arena *a, const struct trigger *t, const struct seen_event *event)
{
    struct strings key = {arena_array(a, const char *, t->for_each.count + 1), t->for_each.count};

    for (size_t i = 0; i < key.count; i++) {
        const char *value = seen_event_label(event, t->for_each.items[i]);
        key.items[i] = value ? value : "";
    }
    return key;
}

bool trigger_is_immediate(const struct trigger *t)
{
    return t->posture == POSTURE_REACTIVE && !t->within_us;
}

bool trigger_holds(const struct trigger *t)
{
    return t->posture == POSTURE_PROACTIVE && t->after.count;
}

bool specification_is_open(const struct specification *s, const char *kind)
{
    size_t n = strlen(kind);

    if (s->count != 1 || strcmp(s->labels[0].name, "prefect.resource.id") != 0)
        return !s->count;
    for (size_t i = 0; i < s->labels[0].values.count; i++) {
        const char *value = s->labels[0].values.items[i];
        if (!strncmp(value, kind, n) && !strcmp(value + n, ".*"))
            return true;
    }
    return false;
}

struct raw trigger_labels(struct arena *a, const struct trigger *t, struct strings key)
{
    struct buf b = {.max_bytes = 1 << 20};

    write_object(&b);
    for (size_t i = 0; i < key.count && i < t->for_each.count; i++) {
        write_key(&b, t->for_each.items[i]);
        write_string(&b, key.items[i]);
    }
    write_end_object(&b);
    struct raw out = {arena_strndup(a, b.bytes, b.len), b.len};
    bool full = b.full;
    buf_free(&b);
    return full ? RAW("{}") : out;
}
