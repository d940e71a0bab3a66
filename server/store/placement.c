#include "server/store/placement.h"

#include "server/db/params.h"
#include "server/store/devices.h"

/* The columns of placement_devices. */
enum {
    D_AGENT,
    D_NAME,
    D_TYPE,
    D_TARGET,
    D_BENCH,
    D_LABELS,
    D_CAPS,
    D_CAPACITY,
    D_USED,
    D_OBSTACLE,
    D_PROBATION,
    D_AGENT_NAME,
    D_AGENT_FULL
};

static struct val parse(struct work *w, const struct rows *r, int row, int column)
{
    struct doc *doc = arena_new(&w->arena, struct doc);
    struct doc_error bad;
    const char *text = rows_text(r, row, column);

    return text && doc_parse(&w->arena, text, rows_len(r, row, column), doc, &bad)
               ? doc_root(doc)
               : (struct val){0};
}

enum err_code placement_read(struct work *w, const char *agent, const char *pool,
                             struct placement *out)
{
    struct rows r;
    enum err_code rc =
        db_query(w, Q_placement_devices, PARAMS(agent, pool, param_i64(w, AGENT_OFFLINE_S)), &r);

    if (rc)
        return rc;
    out->devices = arena_array(&w->arena, struct placed_device, (size_t)r.count + 1);
    out->count = (size_t)r.count;
    for (int i = 0; i < r.count; i++)
        out->devices[i] = (struct placed_device){
            .agent = rows_text(&r, i, D_AGENT),
            .name = rows_text(&r, i, D_NAME),
            .type = rows_text(&r, i, D_TYPE),
            .target = rows_text(&r, i, D_TARGET),
            .bench = rows_text(&r, i, D_BENCH),
            .labels = parse(w, &r, i, D_LABELS),
            .capabilities = parse(w, &r, i, D_CAPS),
            .capacity = rows_i64(&r, i, D_CAPACITY),
            .used = rows_i64(&r, i, D_USED),
            .obstacle = rows_text(&r, i, D_OBSTACLE),
            .probation = rows_bool(&r, i, D_PROBATION),
            .agent_name = rows_text(&r, i, D_AGENT_NAME),
            .agent_full = rows_bool(&r, i, D_AGENT_FULL),
        };
    return ERR_OK;
}
