#include "server/model/jinja_event.h"

#include <string.h>

#include "shared/base/clock.h"
#include "shared/json/compose.h"

/* ---- labels ---- */

static struct jinja_value labels_dict(struct arena *a, const struct labels *l)
{
    struct jinja_value out = jinja_dict(a);

    for (size_t i = 0; i < l->count; i++)
        jinja_put(a, &out, jinja_text(l->items[i].name), jinja_text(l->items[i].value));
    return out;
}

/* A node of the tree: it may have a value, and others below it. */
struct branch {
    const struct labels *labels;
    const char *prefix; /* `prefect.resource.` */
};

static void branch_get(struct arena *a, const void *self, const char *name,
                       struct jinja_value *out);

static void branch_plain(struct arena *a, const void *self, struct jinja_value *out)
{
    const struct branch *b = self;
    size_t n = strlen(b->prefix);

    if (!n) {
        *out = labels_dict(a, b->labels);
        return;
    }
    const char *value = labels_get(b->labels, arena_strndup(a, b->prefix, n - 1));
    *out = jinja_text(value ? value : "");
}

static const struct jinja_class branch_class = {branch_get, branch_plain, NULL};

static void branch_get(struct arena *a, const void *self, const char *name, struct jinja_value *out)
{
    const struct branch *b = self;
    const char *whole = arena_printf(a, "%s%s", b->prefix, name);
    size_t n = strlen(whole);

    for (size_t i = 0; i < b->labels->count; i++) {
        const char *label = b->labels->items[i].name;
        if (strncmp(label, whole, n) != 0 || (label[n] && label[n] != '.'))
            continue;
        struct branch *next = arena_new(a, struct branch);
        *next = (struct branch){b->labels, arena_printf(a, "%s.", whole)};
        *out = jinja_object(&branch_class, next);
        return;
    }
}

struct jinja_value jinja_labels(struct arena *a, const struct labels *l)
{
    struct branch *b = arena_new(a, struct branch);

    *b = (struct branch){l, ""};
    return jinja_object(&branch_class, b);
}

/* ---- resources ---- */

static void resource_get(struct arena *a, const void *self, const char *name,
                         struct jinja_value *out)
{
    static const char *const known[] = {"id", "name", "role"};
    const struct labels *l = self;
    const char *value = NULL;

    for (size_t i = 0; i < COUNT(known); i++)
        if (!strcmp(name, known[i]))
            value = labels_get(l, arena_printf(a, "prefect.resource.%s", name));
    if (value)
        *out = jinja_text(value);
    else if (!strcmp(name, "labels"))
        *out = jinja_labels(a, l);
}

static void resource_plain(struct arena *a, const void *self, struct jinja_value *out)
{
    *out = labels_dict(a, self);
}

/* Page TAB resource id; no page for kinds that have none. */
static const char *resource_path(struct arena *a, const void *self)
{
    static const struct {
        const char *kind, *page;
    } pages[] = {
        {"prefect.flow-run.", "runs/flow-run"},
        {"prefect.task-run.", "runs/task-run"},
        {"prefect.flow.", "flows/flow"},
        {"prefect.deployment.", "deployments/deployment"},
        {"prefect.work-queue.", "work-queues/work-queue"},
        {"prefect.automation.", "automations/automation"},
        {"prefect.block-document.", "blocks/block"},
    };
    const char *id = labels_get(self, "prefect.resource.id");

    for (size_t i = 0; id && i < COUNT(pages); i++) {
        size_t n = strlen(pages[i].kind);
        if (!strncmp(id, pages[i].kind, n))
            return arena_printf(a, "%s/%s\t%s", pages[i].page, id + n, id);
    }
    return id ? arena_printf(a, "\t%s", id) : NULL;
}

static const struct jinja_class resource_class = {resource_get, resource_plain, resource_path};

/* ---- events ---- */

static struct jinja_value parsed(struct arena *a, struct raw json)
{
    struct doc *doc = arena_new(a, struct doc);
    struct doc_error bad;

    return json.text && doc_parse(a, json.text, json.len, doc, &bad)
               ? jinja_of_json(a, doc_root(doc))
               : jinja_none();
}

static struct jinja_value related_of(struct arena *a, const struct seen_event *e, bool involved)
{
    struct jinja_value out = jinja_list(a);

    if (involved)
        jinja_append(a, &out, jinja_object(&resource_class, &e->resource));
    for (size_t i = 0; i < e->related_count; i++)
        jinja_append(a, &out, jinja_object(&resource_class, &e->related[i]));
    return out;
}

/* The first resource in each role, or all of them. */
static struct jinja_value by_role(struct arena *a, const struct seen_event *e, bool all)
{
    struct jinja_value out = jinja_dict(a);

    for (size_t i = 0; i < e->related_count; i++) {
        const char *role = labels_get(&e->related[i], "prefect.resource.role");
        struct jinja_value resource = jinja_object(&resource_class, &e->related[i]);
        struct jinja_value *known = role ? jinja_find_text(&out, role) : NULL;
        if (role && !known) {
            struct jinja_value list = jinja_list(a);
            jinja_append(a, &list, resource);
            jinja_put(a, &out, jinja_text(role), all ? list : resource);
        } else if (role && all) {
            jinja_append(a, known, resource);
        }
    }
    return out;
}

static void event_get(struct arena *a, const void *self, const char *name, struct jinja_value *out)
{
    const struct seen_event *e = self;

    if (!strcmp(name, "id"))
        *out = jinja_text(uuid_text(a, e->id));
    else if (!strcmp(name, "event"))
        *out = jinja_text(e->name);
    else if (!strcmp(name, "occurred"))
        *out = jinja_time(e->occurred_us);
    else if (!strcmp(name, "received"))
        *out = jinja_time(e->received_us);
    else if (!strcmp(name, "follows"))
        *out = uuid_is_nil(e->follows) ? jinja_none() : jinja_text(uuid_text(a, e->follows));
    else if (!strcmp(name, "resource"))
        *out = jinja_object(&resource_class, &e->resource);
    else if (!strcmp(name, "related"))
        *out = related_of(a, e, false);
    else if (!strcmp(name, "involved_resources"))
        *out = related_of(a, e, true);
    else if (!strcmp(name, "resource_in_role") || !strcmp(name, "resources_in_role"))
        *out = by_role(a, e, name[8] == 's');
    else if (!strcmp(name, "payload"))
        *out = parsed(a, e->payload_json);
}

static void event_plain(struct arena *a, const void *self, struct jinja_value *out)
{
    static const char *const names[] = {"occurred", "event", "resource", "related",
                                        "payload",  "id",    "follows",  "received"};

    *out = jinja_dict(a);
    for (size_t i = 0; i < COUNT(names); i++) {
        struct jinja_value v = {0};
        event_get(a, self, names[i], &v);
        jinja_put(a, out, jinja_text(names[i]), v);
    }
}

static const char *event_path(struct arena *a, const void *self)
{
    const struct seen_event *e = self;
    char text[TIME_TEXT_BYTES];

    time_format(e->occurred_us, text);
    return arena_printf(a, "events/event/%.10s/%s\tprefect.event.%s", text, uuid_text(a, e->id),
                        uuid_text(a, e->id));
}

static const struct jinja_class event_class = {event_get, event_plain, event_path};

struct jinja_value jinja_event(const struct seen_event *e)
{
    return jinja_object(&event_class, e);
}

struct jinja_value jinja_event_of_json(struct arena *a, struct val v)
{
    struct seen_event *e = arena_new(a, struct seen_event);
    struct err ignored = {0};

    if (val_type(v) != DOC_OBJECT || seen_event_read(a, val_raw(v), e, &ignored))
        return jinja_none();
    return jinja_event(e);
}
