/* Reading events: pages by key, counts. */
#pragma once
#include "server/db/db.h"
#include "server/model/event_filter.h"

struct stored_event {
    struct event event;
    int64_t received_us;
};

struct stored_events {
    struct stored_event *items;
    size_t count;
};

/* Where a page begins: behind this event; a nil id: at the beginning. */
struct event_cursor {
    int64_t occurred_us;
    struct uuid id;
};

/* In the filter's order. */
MUST_CHECK enum err_code events_page(struct work *w, const struct event_filter *f,
                                     struct event_cursor after, int64_t limit,
                                     struct stored_events *out);
/* Those that are there, in any order. */
MUST_CHECK enum err_code events_get(struct work *w, struct uuids ids, struct stored_events *out);
/* By the time when they came; TIME_NONE: those of the last two seconds. */
MUST_CHECK enum err_code events_since(struct work *w, int64_t since_us, int64_t limit,
                                      struct stored_events *out);
/* `distinct` counts resources. */
MUST_CHECK enum err_code events_count(struct work *w, const struct event_filter *f, int64_t *out);

/* Rows: number of the bucket of `step_us` from `start_us` on, count. */
MUST_CHECK enum err_code events_count_by_time(struct work *w, const struct event_filter *f,
                                              int64_t start_us, int64_t step_us, struct rows *out);
/* Rows: value, label, count, first, last; most frequent first. */
MUST_CHECK enum err_code events_count_by_name(struct work *w, const struct event_filter *f,
                                              struct rows *out);
MUST_CHECK enum err_code events_count_by_resource(struct work *w, const struct event_filter *f,
                                                  struct rows *out);
