/* Which devices a run gets: all that it asks for, or none.
 *
 * A device is known by its agent and its name.  A selector asks for one (or `count` of them) by
 * name, type, target, labels, capabilities and agent; a part of a bench only goes to one that tells
 * its name or type.  A device has `capacity` leases; a bench is leased together with its parts, and
 * a part only while its bench is not.  What is in the way of a device (held, in maintenance, down)
 * comes as a text.
 *
 * Fair: runs are placed in their order.  One that needs several devices and cannot have them yet
 * because they are leased reserves those that are idle, so that no later run of fewer devices takes
 * them for ever.
 *
 * Thread: any (pure).  Borrows: the texts of devices and selectors. */
#pragma once
#include "shared/json/doc.h"

enum { PLACEMENT_PICKS_MAX = 16 };

struct selector {
    const char *name, *type, *target; /* NULL: any */
    const char *agent;                /* its name or id; NULL: any */
    struct val labels, capabilities;
    /* In words: it asks for what does not exist, such as a target that is null; NULL: it can be met
     */
    const char *never;
    bool health; /* a check of the device: probation does not keep it away */
};

struct placed_device {
    const char *agent, *agent_name; /* id, name */
    const char *name, *type, *target, *bench;
    struct val labels, capabilities;
    int64_t capacity, used;
    const char *obstacle; /* NULL: none */
    bool probation, reserved;
    bool agent_full; /* it has no free slot */
};

struct placement {
    struct placed_device *devices; /* of one agent */
    size_t count;
    size_t steps; /* of the search that goes on */
};

/* The number of selectors; more than PLACEMENT_PICKS_MAX become one that is never met. */
size_t selectors_parse(struct arena *a, const char *json, size_t len,
                       struct selector out[static PLACEMENT_PICKS_MAX]);
bool selector_matches(const struct selector *s, const struct placed_device *d);

/* True: out_picks has the index of a device per selector, and these are taken.  False: they are
 * not; what must wait for them is reserved. */
bool placement_take(struct placement *p, const struct selector *selectors, size_t count,
                    size_t *out_picks);
/* Whether device `i` goes with the bench `bench`. */
bool placement_is_part(const struct placement *p, size_t bench, size_t i);
/* Whether one of them is a part of the other. */
bool placement_share(const struct placement *p, size_t a, size_t b);
