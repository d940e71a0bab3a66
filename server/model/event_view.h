/* A stored event as triggers and templates look at it.  Borrows: the arena it was made with. */
#pragma once
#include "shared/base/err.h"
#include "shared/json/doc.h"

struct label {
    const char *name, *value;
};

/* A resource: its labels in the order of the event. */
struct labels {
    struct label *items;
    size_t count;
};

struct event_view {
    struct uuid id, follows;
    int64_t occurred_us, received_us;
    const char *name;
    struct labels resource, *related;
    size_t related_count;
    struct raw resource_json, related_json, payload_json;
};

/* Parses the resources.  INTERNAL when they are not what was stored. */
MUST_CHECK enum err_code event_view_load(struct arena *a, struct event_view *v, struct err *e);
/* From the JSON that event_view_write() made. */
MUST_CHECK enum err_code event_view_read(struct arena *a, struct raw json, struct event_view *out,
                                         struct err *e);
/* As Prefect prints a received event. */
void event_view_write(struct buf *b, const struct event_view *v);

/* NULL when there is no such label. */
const char *labels_get(const struct labels *l, const char *name);
/* `label` of the resource, or `related:ROLE:LABEL` of the first related resource in that role. */
const char *event_view_label(const struct event_view *v, const char *label);
/* The id of the first resource whose id is `KIND.` and a UUID; false: the first of that kind, if
 * any, has another id. */
bool event_view_id_of(const struct event_view *v, const char *kind, struct uuid *out);
/* The labels of the first resource of that kind, the event's own before the related ones. */
const struct labels *event_view_first(const struct event_view *v, const char *kind);
/* The UUID behind `KIND.`. */
bool resource_id_parse(const char *resource_id, const char *kind, struct uuid *out);
