/* Why a run waits, from the code that places runs. */
#include "server/store/run_why.h"

#include <string.h>

#include "server/db/params.h"
#include "server/store/devices.h"
#include "server/store/placement.h"

/* Devices that are told one by one; runs before it that are looked at. */
enum { TOLD_MAX = 8, BEFORE_MAX = 200 };

static const char *describe(struct arena *a, const struct selector *s)
{
    const char *of = s->agent ? arena_printf(a, " of the agent %s", s->agent) : "";

    if (s->never)
        return s->never;
    if (s->target && !s->name && (!s->type || strcmp(s->type, "bench") == 0))
        return arena_printf(a, "bench for the target %s%s", s->target, of);
    return arena_printf(
        a, "%s%s%s%s%s%s%s", s->type ? s->type : "device", s->name ? " " : "",
        s->name ? s->name : "", s->target ? " for the target " : "", s->target ? s->target : "",
        val_count(s->labels) || val_count(s->capabilities) ? " with these labels and capabilities"
                                                           : "",
        of);
}

/* In words what is in the way of this device alone; NULL: nothing. */
static enum err_code own_obstacle(struct work *w, const struct placed_device *d, const char **out)
{
    struct rows rows;

    *out = d->obstacle;
    if (*out || d->used < d->capacity)
        return ERR_OK;
    enum err_code rc = db_query(w, Q_placement_leases, PARAMS(d->agent, d->name), &rows);
    if (!rc && rows_text(&rows, 0, 0))
        *out = arena_printf(&w->arena, "is leased by %s", rows_text(&rows, 0, 0));
    return rc;
}

/* The same of its bench and of its parts, which go with it. */
static enum err_code shared_obstacle(struct work *w, const struct placement *p, size_t at,
                                     const char **out)
{
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < p->count && !rc && !*out; i++) {
        if (!placement_share(p, at, i))
            continue;
        rc = own_obstacle(w, &p->devices[i], out);
        if (*out)
            *out = arena_printf(&w->arena, "goes with %s, which %s", p->devices[i].name, *out);
    }
    return rc;
}

/* `slots`: the pool has a free one, so an agent without is worth a word. */
static enum err_code obstacle(struct work *w, const struct placement *p, size_t at,
                              const struct selector *s, bool slots, const char **out)
{
    const struct placed_device *d = &p->devices[at];
    enum err_code rc = own_obstacle(w, d, out);

    if (!rc && !*out && d->probation && !s->health)
        *out = "waits for its health check";
    if (!rc && !*out)
        rc = shared_obstacle(w, p, at, out);
    if (!rc && !*out && slots && d->agent_full)
        *out = arena_printf(&w->arena, "is of the agent %s, which has no free slot", d->agent_name);
    return rc;
}

/* How many devices are like that, how many of them are free, and why not the others. */
static enum err_code survey(struct work *w, const struct placement *p, const struct selector *s,
                            struct run_placement *out)
{
    enum err_code rc = ERR_OK;
    int64_t told = 0, busy = 0;

    out->wanted = describe(&w->arena, s);
    out->benches = out->free_benches = 0;
    out->obstacles = NULL;
    for (size_t i = 0; i < p->count && !rc; i++) {
        const char *text = NULL;
        if (!selector_matches(s, &p->devices[i]))
            continue;
        rc = obstacle(w, p, i, s, out->free_slots > 0, &text);
        out->benches++;
        out->free_benches += !rc && !text;
        busy += text != NULL;
        if (!text || told == TOLD_MAX)
            continue;
        told++;
        out->obstacles = arena_printf(&w->arena, "%s%s%s %s", out->obstacles ? out->obstacles : "",
                                      out->obstacles ? "; " : "", p->devices[i].name, text);
    }
    if (busy > told)
        out->obstacles =
            arena_printf(&w->arena, "%s; and %lld more", out->obstacles, (long long)(busy - told));
    return rc;
}

/* ---- all devices together ---- */

/* What a run asks for. */
struct wish {
    struct selector wanted[PLACEMENT_PICKS_MAX];
    size_t count;
};

/* The devices of one agent from `first` on; where they end. */
static size_t agent_end(const struct placement *p, size_t first)
{
    size_t end = first;
    while (end < p->count && strcmp(p->devices[end].agent, p->devices[first].agent) == 0)
        end++;
    return end;
}

/* Places it as a claim of each agent would; whether one could. */
static bool place(struct placement *p, const struct wish *wish)
{
    size_t picks[PLACEMENT_PICKS_MAX];
    bool placed = false;

    for (size_t first = 0, end; first < p->count; first = end) {
        end = agent_end(p, first);
        struct placement one = {p->devices + first, end - first};
        placed |= placement_take(&one, wish->wanted, wish->count, picks);
    }
    return placed;
}

static bool would_fit(struct work *w, const struct placement *p, const struct wish *wish)
{
    struct placement copy = {arena_array(&w->arena, struct placed_device, p->count + 1), p->count};

    memcpy(copy.devices, p->devices, p->count * sizeof(*p->devices));
    return place(&copy, wish);
}

/* The run before it that takes what it needs, or for which that is kept. */
static enum err_code survey_before(struct work *w, const char *run, struct placement *p,
                                   const struct wish *wish, struct run_placement *out)
{
    struct rows rows;
    enum err_code rc = db_query(w, Q_run_before, PARAMS(run, param_i64(w, BEFORE_MAX)), &rows);

    for (int i = 0; !rc && i < rows.count; i++) {
        struct wish other;
        other.count =
            selectors_parse(&w->arena, rows_text(&rows, i, 1), rows_len(&rows, i, 1), other.wanted);
        (void)place(p, &other);
        if (would_fit(w, p, wish))
            continue;
        out->kept_for = rows_text(&rows, i, 0);
        break;
    }
    return rc;
}

/* The selector that cannot be had, or that they cannot be had together. */
static enum err_code survey_all(struct work *w, const char *run, const char *pool, struct raw asked,
                                struct run_placement *out)
{
    struct wish wish;
    struct placement p;
    wish.count = selectors_parse(&w->arena, asked.text, asked.len, wish.wanted);
    enum err_code rc = wish.count && pool ? placement_read(w, NULL, pool, &p) : ERR_OK;

    if (rc || !wish.count || !pool)
        return rc;
    for (size_t i = 0; i < wish.count; i++) {
        rc = survey(w, &p, &wish.wanted[i], out);
        if (rc || !out->free_benches)
            return rc;
    }
    if (would_fit(w, &p, &wish))
        return survey_before(w, run, &p, &wish, out);
    out->wanted = "set of its devices";
    out->free_benches = 0;
    out->obstacles = NULL;
    return ERR_OK;
}

/* The columns of run_why. */
enum {
    W_TYPE,
    W_NAME,
    W_DUE,
    W_EARLY,
    W_IN_PROCESS,
    W_POOL,
    W_POOL_PAUSED,
    W_POOL_LIMIT,
    W_POOL_BUSY,
    W_QUEUE,
    W_QUEUE_PAUSED,
    W_QUEUE_LIMIT,
    W_QUEUE_BUSY,
    W_WORKERS,
    W_SLOTS,
    W_DEVICES,
    W_POOL_ID,
    W_BEFORE
};

enum err_code run_placement(struct work *w, struct uuid run, struct run_placement *out)
{
    struct rows r;
    enum err_code rc =
        db_query(w, Q_run_why, PARAMS(param_uuid(w, run), param_i64(w, AGENT_OFFLINE_S)), &r);
    if (rc || !r.count)
        return rc ? rc : err_set(&w->err, NOT_FOUND, "Flow run not found");
    *out = (struct run_placement){
        .state_type = rows_text(&r, 0, W_TYPE),
        .state_name = rows_text(&r, 0, W_NAME),
        .due = rows_text(&r, 0, W_DUE),
        .early = rows_bool(&r, 0, W_EARLY),
        .in_process = rows_bool(&r, 0, W_IN_PROCESS),
        .pool = rows_text(&r, 0, W_POOL),
        .pool_paused = rows_bool(&r, 0, W_POOL_PAUSED),
        .pool_limit = rows_text(&r, 0, W_POOL_LIMIT) ? rows_i64(&r, 0, W_POOL_LIMIT) : -1,
        .pool_busy = rows_i64(&r, 0, W_POOL_BUSY),
        .queue = rows_text(&r, 0, W_QUEUE),
        .queue_paused = rows_bool(&r, 0, W_QUEUE_PAUSED),
        .queue_limit = rows_text(&r, 0, W_QUEUE_LIMIT) ? rows_i64(&r, 0, W_QUEUE_LIMIT) : -1,
        .queue_busy = rows_i64(&r, 0, W_QUEUE_BUSY),
        .workers = rows_i64(&r, 0, W_WORKERS),
        .free_slots = rows_text(&r, 0, W_SLOTS) ? rows_i64(&r, 0, W_SLOTS) : -1,
        .before = rows_i64(&r, 0, W_BEFORE),
    };
    return survey_all(w, param_uuid(w, run), rows_text(&r, 0, W_POOL_ID),
                      (struct raw){rows_text(&r, 0, W_DEVICES), rows_len(&r, 0, W_DEVICES)}, out);
}
