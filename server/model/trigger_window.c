#include "server/model/trigger_window.h"

#include <string.h>

#define LOOKBACK_US INT64_C(900000000)
#define HOLD_US     INT64_C(1800000000)

bool window_is_needless(const struct trigger *t)
{
    return trigger_is_immediate(t) && t->threshold <= 1 && !t->after.count;
}

/* ---- held events ---- */

static int64_t held_between(const struct window *w, int64_t start_us, int64_t end_us)
{
    int64_t n = 0;
    for (size_t i = 0; i < w->held_count; i++)
        n += w->held[i].occurred_us >= start_us && w->held[i].occurred_us < end_us;
    return n;
}

static void remove_held(struct window *w, size_t from, size_t to)
{
    if (from >= to)
        return;
    memmove(&w->held[from], &w->held[to], (w->held_count - to) * sizeof(*w->held));
    w->held_count -= to - from;
    w->held_changed = true;
}

static int64_t slot_of(const struct window *w, int64_t us)
{
    int64_t width = w->trigger->within_us, slot = us / width;
    return us % width < 0 ? slot - 1 : slot;
}

/* Of each stretch of time as long as `within` the first and the last `threshold` are enough. */
static void trim_slot(struct window *w, int64_t occurred_us)
{
    int64_t slot = slot_of(w, occurred_us);
    size_t keep = w->trigger->threshold > 0 ? (size_t)w->trigger->threshold : 0, from = 0, to;

    while (from < w->held_count && slot_of(w, w->held[from].occurred_us) < slot)
        from++;
    for (to = from; to < w->held_count && slot_of(w, w->held[to].occurred_us) == slot;)
        to++;
    if (to - from > 2 * keep)
        remove_held(w, from + keep, to - keep);
}

static bool is_held(const struct window *w, struct uuid id)
{
    for (size_t i = 0; i < w->held_count; i++)
        if (uuid_equal(w->held[i].id, id))
            return true;
    return false;
}

static void hold(struct arena *a, struct window *w, const struct seen_event *event)
{
    int64_t within = w->trigger->within_us;
    struct held_event new = {event->id, event->occurred_us};
    size_t at = w->held_count, old = 0;

    if (w->held_count == w->held_room) {
        size_t room = w->held_room ? w->held_room * 2 : 8;
        struct held_event *held = arena_array(a, struct held_event, room);
        if (w->held_count)
            memcpy(held, w->held, w->held_count * sizeof(*held));
        w->held = held;
        w->held_room = room;
    }
    for (; at && (w->held[at - 1].occurred_us > new.occurred_us ||
                  (w->held[at - 1].occurred_us ==
                   new.occurred_us &&memcmp(w->held[at - 1].id.bytes, new.id.bytes, 16) > 0));
         at--)
        w->held[at] = w->held[at - 1];
    w->held[at] = new;
    w->held_count++;
    w->held_changed = true;
    int64_t horizon =
        w->held[w->held_count - 1].occurred_us - (within > HOLD_US ? within : HOLD_US);
    while (old < w->held_count && w->held[old].occurred_us < horizon)
        old++;
    remove_held(w, 0, old);
    trim_slot(w, new.occurred_us);
}

/* ---- buckets ---- */

static void open_bucket(struct window *w, int64_t start_us, int64_t end_us, int64_t count,
                        struct raw last_event)
{
    w->open = w->changed = true;
    w->start_us = start_us;
    w->end_us = end_us;
    w->count = count + (trigger_holds(w->trigger) ? held_between(w, start_us, end_us) : 0);
    w->last_event = last_event;
}

static void close_bucket(struct window *w)
{
    w->open = false;
    w->changed = true;
}

static bool meets_threshold(const struct window *w)
{
    bool enough = w->count >= w->trigger->threshold;
    return w->trigger->posture == POSTURE_REACTIVE ? enough : !enough;
}

/* What is evaluated: an event, or only time. */
struct moment {
    int64_t now_us;
    const struct seen_event *event;
    struct raw json;
    struct raw previous; /* the last event of the bucket before this one */
};

/* The event that a restarted window keeps: one that was only expected and is not older. */
static struct raw kept_event(struct arena *a, const struct window *w, const struct moment *m)
{
    struct seen_event last;
    struct err ignored = {0};

    if (m->previous.text && !seen_event_read(a, m->previous, &last, &ignored) &&
        trigger_expects(w->trigger, &last) && !trigger_starts_after(w->trigger, &last) &&
        last.occurred_us >= m->event->occurred_us)
        return m->previous;
    return m->json;
}

/* An event that both starts and counts begins a new window while the old one still runs. */
static void restart(struct arena *a, struct window *w, const struct moment *m)
{
    const struct trigger *t = w->trigger;

    if (m->event && t->posture == POSTURE_PROACTIVE && !meets_threshold(w) &&
        trigger_starts_after(t, m->event) && trigger_expects(t, m->event))
        open_bucket(w, m->event->occurred_us, m->event->occurred_us + t->within_us, 0,
                    kept_event(a, w, m));
}

/* One look at an open bucket.  *again: the event belongs to the bucket that was just opened. */
static bool look(struct arena *a, struct window *w, const struct moment *m, bool *again,
                 struct raw *out_event)
{
    const struct trigger *t = w->trigger;
    bool counts = m->event, fires;

    *again = false;
    if (m->now_us < w->start_us)
        return false; /* too late to change anything */
    if (counts && (trigger_is_immediate(t) || m->now_us < w->end_us)) {
        w->count++;
        w->last_event = m->json;
        w->changed = true;
        counts = false;
    }
    fires = (t->posture == POSTURE_REACTIVE || w->end_us <= m->now_us) && meets_threshold(w);
    if (fires) {
        *out_event = m->event ? m->json : w->last_event;
        close_bucket(w);
    } else if (m->now_us < w->end_us) {
        restart(a, w, m);
        return false;
    }
    int64_t start_us = w->end_us > m->now_us ? w->end_us : m->now_us;
    if (t->after.count) {
        close_bucket(w);
    } else if (t->within_us) {
        *again = t->posture == POSTURE_REACTIVE && counts;
        open_bucket(w, start_us, start_us + t->within_us, counts && !*again, (struct raw){0});
    }
    return fires;
}

static bool evaluate(struct arena *a, struct window *w, struct moment m, struct raw *out_event)
{
    bool again, fires;

    m.previous = w->last_event;
    fires = look(a, w, &m, &again, out_event);
    if (again)
        fires |= look(a, w, &m, &again, out_event);
    return fires;
}

bool window_on_event(struct arena *a, struct window *w, const struct seen_event *event,
                     struct raw event_json, struct raw *out_event)
{
    const struct trigger *t = w->trigger;
    int64_t at_us = event->occurred_us;
    bool expects = trigger_expects(t, event), starts = trigger_starts_after(t, event);
    bool opens = t->after.count ? starts : expects;

    /* An event that both starts and counts leaves its own bucket at 0. */
    if (opens && !w->open)
        open_bucket(w, at_us - (t->after.count ? 0 : LOOKBACK_US), at_us + t->within_us,
                    t->after.count && expects ? -1 : 0, event_json);
    if (!expects)
        return false;
    if (!opens && trigger_holds(t)) {
        if (is_held(w, event->id))
            return false;
        hold(a, w, event);
    }
    return w->open && evaluate(a, w, (struct moment){at_us, event, event_json, {0}}, out_event);
}

bool window_on_time(struct arena *a, struct window *w, int64_t now_us, struct raw *out_event)
{
    return w->open && evaluate(a, w, (struct moment){.now_us = now_us}, out_event);
}

void window_ensure(struct window *w, int64_t start_us)
{
    if (!w->open)
        open_bucket(w, start_us, start_us + w->trigger->within_us, 0, (struct raw){0});
}
