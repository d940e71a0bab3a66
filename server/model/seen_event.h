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

struct seen_event {
    struct uuid id, follows;
    int64_t occurred_us, received_us;
    const char *name;
    struct labels resource, *related;
    size_t related_count;
    struct raw resource_json, related_json, payload_json;
};

/* Parses the resources.  INTERNAL when they are not what was stored. */
MUST_CHECK enum err_code seen_event_load(struct arena *a, struct seen_event *v, struct err *e);
/* From the JSON that seen_event_write() made. */
MUST_CHECK enum err_code seen_event_read(struct arena *a, struct raw json, struct seen_event *out,
                                         struct err *e);
/* As Prefect prints a received event. */
void seen_event_write(struct buf *b, const struct seen_event *v);

/* NULL when there is no such label. */
const char *labels_get(const struct labels *l, const char *name);
/* `label` of the resource, or `related:ROLE:LABEL` of the first related resource in that role. */
const char *seen_event_label(const struct seen_event *v, const char *label);
/* The id of the first resource whose id is `KIND.` and a UUID; false: the first of that kind, if
 * any, has another id. */
bool seen_event_id_of(const struct seen_event *v, const char *kind, struct uuid *out);
/* The labels of the first resource of that kind, the event's own before the related ones. */
const struct labels *seen_event_first(const struct seen_event *v, const char *kind);
/* The UUID behind `KIND.`. */
bool resource_id_parse(const char *resource_id, const char *kind, struct uuid *out);
