/* What a trigger has seen for one value of its `for_each` labels: a bucket of time with a count,
 * and the events that are held for buckets that open later.
 *
 *   Reactive   the bucket counts; it fires as soon as there are enough, and is gone
 *   Proactive  the bucket is looked at when it ends; it fires when there were too few
 *   after      one of these events opens the bucket; without `after` any expected event does,
 *              reaching back 15 minutes for events that come out of order
 *
 * Pure: the caller loads and stores.  Units: microseconds since 1970.
 * Source: prefect-api.md 5.3 and 11.4, and what a running Prefect 3.9.1 does. */
#pragma once
#include "server/model/trigger.h"

struct held_event {
    struct uuid id;
    int64_t occurred_us;
};

struct window {
    const struct trigger *trigger;
    struct strings key;
    bool open;
    int64_t start_us, end_us, count;
    struct raw last_event;   /* no text: none */
    bool changed;            /* to be stored; not open: to be deleted */
    struct held_event *held; /* by time and id */
    size_t held_count, held_room;
    bool held_changed;
};

/* The trigger fires for each event by itself: nothing is ever stored. */
bool window_is_needless(const struct trigger *t);

/* True: the trigger fires, *out_event is the event that it tells (maybe none). */
bool window_on_event(struct arena *a, struct window *w, const struct seen_event *event,
                     struct raw event_json, struct raw *out_event);
/* The same for time that has passed. */
bool window_on_time(struct arena *a, struct window *w, int64_t now_us, struct raw *out_event);
/* Opens it, unless it is; a Proactive trigger without `for_each` waits even if nothing ever comes.
 */
void window_ensure(struct window *w, int64_t start_us);
