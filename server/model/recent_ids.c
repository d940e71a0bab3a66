#include "server/model/recent_ids.h"

#include <stdlib.h>
#include <string.h>

enum { SLOTS = 2 * RECENT_MAX }; /* a power of two */

struct recent_ids {
    size_t added;
    struct uuid ring[RECENT_MAX];
    uint16_t slots[SLOTS]; /* 1 + place in the ring; 0: empty */
};

struct recent_ids *recent_ids_new(void)
{
    struct recent_ids *r = calloc(1, sizeof(*r));
    if (!r)
        abort();
    return r;
}

void recent_ids_free(struct recent_ids *r)
{
    free(r);
}

static size_t home_of(struct uuid id)
{
    uint64_t a, b;

    memcpy(&a, id.bytes, sizeof(a));
    memcpy(&b, id.bytes + 8, sizeof(b));
    return (size_t)((a ^ b * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xbf58476d1ce4e5b9) >> 40) %
           SLOTS;
}

/* The slot that has the id, or the empty one where it belongs. */
static size_t find(const struct recent_ids *r, struct uuid id)
{
    size_t at = home_of(id);

    while (r->slots[at] && memcmp(&r->ring[r->slots[at] - 1], &id, sizeof(id)) != 0)
        at = (at + 1) % SLOTS;
    return at;
}

/* Empties a slot and moves up those that had to go past it. */
static void take_out(struct recent_ids *r, size_t hole)
{
    for (size_t at = (hole + 1) % SLOTS; r->slots[at]; at = (at + 1) % SLOTS) {
        size_t home = home_of(r->ring[r->slots[at] - 1]);
        if ((at - home) % SLOTS < (at - hole) % SLOTS)
            continue;
        r->slots[hole] = r->slots[at];
        hole = at;
    }
    r->slots[hole] = 0;
}

bool recent_ids_add(struct recent_ids *r, struct uuid id)
{
    size_t place = r->added % RECENT_MAX;

    if (r->slots[find(r, id)])
        return false;
    if (r->added >= RECENT_MAX)
        take_out(r, find(r, r->ring[place]));
    r->ring[place] = id;
    r->slots[find(r, id)] = (uint16_t)(place + 1);
    r->added++;
    return true;
}
