/* EventFilter: which events a reader wants.  Decoded once, then compiled to SQL
 * (store/event_query.c) or matched against events as they come (/events/out): both read the same
 * struct.
 *
 * Memory: that of the arena it was decoded in.   Thread: any.
 * Source: the wire facts, section 1.17, and a running Prefect 3.9.1. */
#pragma once
#include "server/model/event.h"
#include "shared/json/codec.h"
#include "shared/json/text_query.h"

/* What a label must be: one of the patterns, in which `*` stands for any text, `?` for a character
 * and a leading `!` for "not".  A resource without the label does not match. */
struct label_spec {
    const char *label;
    struct strings patterns;
};

/* An empty list does not restrict, except that of a label's patterns. */
struct resource_spec {
    struct strings id, id_prefix, role;
    struct strings in_roles; /* id, role, id, role ... */
    struct label_spec *labels;
    size_t label_count;
};

struct resource_specs {
    struct resource_spec *items;
    size_t count;
};

struct event_filter {
    int64_t since_us, until_us;
    struct strings prefix, exclude_prefix, name, exclude_name;
    struct resource_spec resource;
    bool distinct; /* only the newest (oldest, if ascending) of each resource */
    struct resource_specs related, any_resource; /* each must be met by a resource */
    struct uuids id;
    struct text_query text;
    const char *query; /* the text as it was written; NULL: none */
    bool ascending;
};

/* Reads a filter as clients write it; null and DOC_NONE are the filter that takes all.  Default
 * times: from 180 days ago to `now_us`.  INVALID: bad->list says why. */
MUST_CHECK enum err_code event_filter_decode(struct val v, const struct loc *at, int64_t now_us,
                                             struct event_filter *out, struct invalid *bad);
extern const struct resource event_filter_resource; /* for OpenAPI */

/* An event that is held against several filters. */
struct event_view {
    const struct event *event;
    struct val resource, related;
};
struct event_view event_view(struct arena *a, const struct event *e);

/* Everything but `distinct` and the order. */
bool event_filter_match(struct arena *a, const struct event_filter *f, const struct event_view *e);

/* One pattern of a label against its value. */
bool label_match(const char *pattern, const char *value);
