#include "server/model/placement.h"

#include <string.h>

#include "server/model/agent.h"

enum { STEPS_MAX = 20000 };

/* ---- selectors ---- */

static bool same(const char *wanted, const char *have)
{
    return !wanted || (have && strcmp(wanted, have) == 0);
}

static void take_text(struct arena *a, struct val object, const char *key, struct selector *s,
                      const char **out)
{
    struct val v = val_get(object, key);

    if (val_type(v) == DOC_STRING)
        *out = val_string(a, v, NULL);
    else if (val_type(v) != DOC_NONE)
        s->never = val_type(v) == DOC_NULL ? "device for a parameter that is not given"
                                           : arena_printf(a, "device whose `%s` is no text", key);
}

/* A misspelt wish must not become a weaker one. */
static void refuse_unknown(struct arena *a, struct val v, struct selector *s)
{
    static const char *const known[] = {"as",    "name",   "type",         "target", "agent",
                                        "count", "labels", "capabilities", "health"};

    for (struct val_iter it = val_each(v); val_next(&it);) {
        const char *key = val_string(a, it.key, NULL);
        bool found = false;
        for (size_t i = 0; i < COUNT(known); i++)
            found |= strcmp(known[i], key) == 0;
        if (!found)
            s->never = arena_printf(a, "device that could be told by `%.80s`", key);
    }
}

static struct selector take_selector(struct arena *a, struct val v)
{
    struct selector s = {.labels = val_get(v, "labels"),
                         .capabilities = val_get(v, "capabilities")};

    take_text(a, v, "name", &s, &s.name);
    take_text(a, v, "type", &s, &s.type);
    take_text(a, v, "target", &s, &s.target);
    take_text(a, v, "agent", &s, &s.agent);
    refuse_unknown(a, v, &s);
    s.health = val_type(val_get(v, "health")) == DOC_TRUE;
    return s;
}

size_t selectors_parse(struct arena *a, const char *json, size_t len,
                       struct selector out[static PLACEMENT_PICKS_MAX])
{
    struct doc *doc = arena_new(a, struct doc);
    struct doc_error bad;
    size_t n = 0;

    if (!json || !doc_parse(a, json, len, doc, &bad))
        return 0;
    for (struct val_iter it = val_each(doc_root(doc)); val_next(&it);) {
        int64_t count = 1;
        if (!val_int64(val_get(it.value, "count"), &count) || count < 1)
            count = 1;
        for (; count > 0; count--) {
            if (n == PLACEMENT_PICKS_MAX) {
                out[0] = (struct selector){.never = "set of so many devices"};
                return 1;
            }
            out[n++] = take_selector(a, it.value);
        }
    }
    return n;
}

static bool has_labels(struct val wanted, struct val have)
{
    for (struct val_iter it = val_each(wanted); val_next(&it);) {
        struct raw key = val_raw(it.key), value = val_raw(it.value);
        bool found = false;
        for (struct val_iter own = val_each(have); !found && val_next(&own);) {
            struct raw k = val_raw(own.key), v = val_raw(own.value);
            found = k.len == key.len && v.len == value.len && !memcmp(k.text, key.text, k.len) &&
                    !memcmp(v.text, value.text, v.len);
        }
        if (!found)
            return false;
    }
    return true;
}

static bool has_items(struct val wanted, struct val have)
{
    for (struct val_iter it = val_each(wanted); val_next(&it);) {
        struct raw text = val_raw(it.value);
        bool found = false;
        for (struct val_iter own = val_each(have); !found && val_next(&own);) {
            struct raw t = val_raw(own.value);
            found = t.len == text.len && !memcmp(t.text, text.text, t.len);
        }
        if (!found)
            return false;
    }
    return true;
}

bool selector_matches(const struct selector *s, const struct placed_device *d)
{
    bool asked = !d->bench || s->name || s->type;
    bool there = same(s->agent, d->agent) || same(s->agent, d->agent_name);
    return asked && there && !s->never && same(s->name, d->name) && same(s->type, d->type) &&
           same(s->target, d->target) && has_labels(s->labels, d->labels) &&
           has_items(s->capabilities, d->capabilities);
}

/* ---- devices ---- */

bool placement_share(const struct placement *p, size_t a, size_t b)
{
    return placement_is_part(p, a, b) || placement_is_part(p, b, a);
}

bool placement_is_part(const struct placement *p, size_t bench, size_t i)
{
    const struct placed_device *whole = &p->devices[bench], *part = &p->devices[i];
    return i != bench && part->bench && same(part->bench, whole->name) &&
           same(part->agent, whole->agent);
}

/* `d` and, of a bench, its parts: `by` leases more, or less. */
static void lease(struct placement *p, size_t d, int64_t by)
{
    p->devices[d].used += by;
    for (size_t i = 0; i < p->count; i++)
        if (placement_is_part(p, d, i))
            p->devices[i].used += by;
}

static bool is_idle(const struct placement *p, size_t d)
{
    if (p->devices[d].used >= p->devices[d].capacity || p->devices[d].reserved)
        return false;
    for (size_t i = 0; i < p->count; i++)
        if (placement_is_part(p, d, i) &&
            (p->devices[i].used >= p->devices[i].capacity || p->devices[i].reserved))
            return false;
    return true;
}

static bool is_usable(const struct placement *p, const struct selector *s, size_t d)
{
    if (p->devices[d].obstacle || (p->devices[d].probation && !s->health))
        return false;
    for (size_t i = 0; i < p->count; i++)
        if (placement_share(p, d, i) && p->devices[i].obstacle)
            return false;
    return true;
}

/* Every selector its device.  Tries all ways, but not more than STEPS_MAX devices: what is so hard
 * to place waits until more of them are idle. */
static bool assign(struct placement *p, const struct selector *selectors, size_t count, size_t at,
                   size_t *picks)
{
    if (at == count)
        return true;
    for (size_t d = 0; d < p->count && p->steps < STEPS_MAX; d++) {
        p->steps++;
        if (!selector_matches(&selectors[at], &p->devices[d]) || !is_usable(p, &selectors[at], d) ||
            !is_idle(p, d))
            continue;
        lease(p, d, 1);
        picks[at] = d;
        if (assign(p, selectors, count, at + 1, picks))
            return true;
        lease(p, d, -1);
    }
    return false;
}

static bool needs_several(const struct placement *p, const struct selector *selectors, size_t count)
{
    for (size_t d = 0; count == 1 && d < p->count; d++)
        if (selector_matches(&selectors[0], &p->devices[d]))
            for (size_t i = 0; i < p->count; i++)
                if (placement_is_part(p, d, i))
                    return true;
    return count > 1;
}

/* It would fit if nothing were leased: what it would get is kept for it. */
static void reserve(struct placement *p, const struct selector *selectors, size_t count,
                    size_t *picks)
{
    int64_t used[AGENT_DEVICES_MAX] = {0};

    if (p->count > COUNT(used) || !needs_several(p, selectors, count))
        return;
    for (size_t i = 0; i < p->count; i++) {
        used[i] = p->devices[i].used;
        p->devices[i].used = 0;
    }
    p->steps = 0;
    bool fits = assign(p, selectors, count, 0, picks);
    for (size_t i = 0; i < p->count; i++)
        p->devices[i].used = used[i];
    for (size_t k = 0; fits && k < count; k++) {
        p->devices[picks[k]].reserved = true;
        for (size_t i = 0; i < p->count; i++)
            if (placement_is_part(p, picks[k], i))
                p->devices[i].reserved = true;
    }
}

bool placement_take(struct placement *p, const struct selector *selectors, size_t count,
                    size_t *out_picks)
{
    p->steps = 0;
    if (assign(p, selectors, count, 0, out_picks))
        return true;
    reserve(p, selectors, count, out_picks);
    return false;
}
