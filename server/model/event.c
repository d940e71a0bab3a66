#include "server/model/event.h"

#include <string.h>

static const char *check_resource(struct arena *a, const void *value)
{
    const struct raw *r = value;
    struct doc doc;
    struct doc_error bad;

    if (!doc_parse(a, r->text, r->len, &doc, &bad) || val_type(doc_root(&doc)) != DOC_OBJECT)
        return "Input should be a valid dictionary";
    if (val_type(val_get(doc_root(&doc), "prefect.resource.id")) != DOC_STRING)
        return "Resources must include the prefect.resource.id label";
    return NULL;
}

/* clang-format off */
static const struct field event_fields[] = {
    F_TIME(struct event, occurred, F_REQUIRED, .doc = "When it happened at the sender."),
    F_STR(struct event, event, F_REQUIRED, .doc = "Name, such as prefect.flow-run.Completed."),
    F_DICT(struct event, resource, F_REQUIRED, .check = check_resource, .doc = "Labels of what it is about."),
    F_JSON(struct event, related, .def = "[]", .doc = "Labels of other resources, each with its role."),
    F_DICT(struct event, payload, .def = "{}", .doc = "Anything."),
    F_UUID(struct event, id, F_REQUIRED, .doc = "Made by the sender; an id seen before is not stored again."),
    F_UUID(struct event, follows, F_NULLABLE, .doc = "The event that must be handled before."),
};
/* clang-format on */
const struct resource event_resource = RESOURCE_NAMED("Event", event, event_fields, .extra = true);

const char *event_check(struct arena *a, const struct event *e)
{
    struct doc doc;
    struct doc_error bad;

    if (strlen(e->event) > EVENT_NAME_MAX)
        return "the event's name is too long";
    if (e->resource.len + e->related.len + e->payload.len > EVENT_MAX_BYTES)
        return "the event is too large";
    if (!doc_parse(a, e->related.text, e->related.len, &doc, &bad) ||
        val_type(doc_root(&doc)) != DOC_ARRAY)
        return "related must be a list";
    if (val_count(doc_root(&doc)) > EVENT_RELATED_MAX)
        return "the event has too many related resources";
    return NULL;
}
