#include "server/store/work_queues.h"

#include <string.h>

#include "server/db/filter.h"
#include "server/db/params.h"
#include "server/store/deployments.h"
#include "server/store/work_pools.h"

enum err_code work_queue_create_default(struct work *w, const struct work_queue_write *in,
                                        struct rows *out)
{
    enum err_code rc = default_pool_ensure(w);

    if (!rc)
        rc = work_queue_create(w, DEFAULT_POOL, in);
    if (rc == ERR_CONFLICT)
        return err_set(&w->err, CONFLICT, "A work queue with this name already exists.");
    return rc ? rc : work_queue_get(w, DEFAULT_POOL, in->name, out);
}

enum err_code work_queue_get_default(struct work *w, const char *name, struct rows *out)
{
    enum err_code rc = work_queue_get(w, DEFAULT_POOL, name, out);
    return rc == ERR_NOT_FOUND ? err_set(&w->err, NOT_FOUND, "work queue not found") : rc;
}

/* One row: pool, queue, whether it is the pool's default queue. */
static enum err_code names_of(struct work *w, struct uuid id, struct rows *out)
{
    return db_query(w, Q_work_queue_names, PARAMS(param_uuid(w, id)), out);
}

enum err_code work_queue_update_by_id(struct work *w, struct uuid id,
                                      const struct work_queue_write *in)
{
    struct rows names;
    enum err_code rc = names_of(w, id, &names);

    if (!rc && !names.count)
        return err_set(&w->err, NOT_FOUND, "Work Queue %s not found", param_uuid(w, id));
    return rc ? rc : work_queue_update(w, rows_text(&names, 0, 0), rows_text(&names, 0, 1), in);
}

enum err_code work_queue_delete_by_id(struct work *w, struct uuid id)
{
    struct rows names;
    enum err_code rc = names_of(w, id, &names);

    if (!rc && !names.count)
        return err_set(&w->err, NOT_FOUND, "work queue not found");
    return rc ? rc : work_queue_delete(w, rows_text(&names, 0, 0), rows_text(&names, 0, 1));
}

enum err_code deployment_queues(struct work *w, struct uuid deployment, struct rows *out)
{
    const char *id = param_uuid(w, deployment);
    struct rows found;
    struct sql s;
    enum err_code rc =
        db_query_text(w, "SELECT id FROM deployment WHERE id = $1", 1, PARAMS(id), &found);

    if (rc || !found.count)
        return rc ? rc : err_set(&w->err, NOT_FOUND, "Deployment not found");
    sql_begin(&s, w);
    sql_add(&s, "SELECT ");
    columns_list(&s.text, &legacy_queue_resource, "wq");
    sql_add(&s, " FROM work_queue wq, deployment d, "
                "LATERAL (SELECT (wq.filter->'tags')::jsonb AS tags, "
                "(wq.filter->'deployment_ids')::jsonb AS ids) f "
                "WHERE (f.tags IN ('[]', 'null') OR d.tags @> f.tags) "
                "AND (f.ids IN ('[]', 'null') OR f.ids ? d.id::text) AND d.id = ");
    sql_param(&s, id);
    sql_add(&s, " ORDER BY wq.id");
    return sql_run(&s, out);
}

enum err_code work_queue_due(struct work *w, struct uuid id, const struct queue_wanted *wanted,
                             struct rows *out)
{
    const char *text = param_uuid(w, id);
    struct rows names, none;
    enum err_code rc = names_of(w, id, &names);

    if (!rc && !names.count)
        return err_set_object(&w->err, NOT_FOUND, "Work queue with id %s not found.", text);
    if (!rc && !wanted->silent)
        rc = db_query(w, Q_work_queue_seen, PARAMS(text), &none);
    return rc ? rc
              : db_query(
                    w, Q_work_queue_due,
                    PARAMS(text, param_time(w, wanted->before_us), param_i64(w, wanted->limit)),
                    out);
}

enum err_code work_queue_health(struct work *w, struct uuid id, struct rows *out)
{
    const char *text = param_uuid(w, id);
    enum err_code rc = db_query(w, Q_work_queue_health, PARAMS(text), out);

    if (!rc && !out->count)
        return err_set_object(&w->err, NOT_FOUND, "Work queue with id %s not found", text);
    return rc;
}

enum err_code work_queue_slots(struct work *w, struct uuid id, struct rows *out)
{
    enum err_code rc = db_query(w, Q_work_queue_slots, PARAMS(param_uuid(w, id)), out);
    return rc || out->count ? rc : err_set(&w->err, NOT_FOUND, "Work queue not found.");
}

enum err_code work_queue_slot_runs(struct work *w, struct uuid id, int64_t limit, int64_t offset,
                                   struct rows *out)
{
    return db_query(w, Q_work_queue_slot_runs,
                    PARAMS(param_uuid(w, id), param_i64(w, limit), param_i64(w, offset)), out);
}

enum err_code work_pool_slots(struct work *w, const char *name, struct rows *out)
{
    enum err_code rc = db_query(w, Q_work_pool_slots, PARAMS(name), out);
    return rc || out->count ? rc
                            : err_set(&w->err, NOT_FOUND, "Work pool '%.200s' not found.", name);
}

enum err_code work_pool_queue_slots(struct work *w, const char *pool_id, int64_t limit,
                                    int64_t offset, struct rows *out)
{
    return db_query(w, Q_work_pool_queue_slots,
                    PARAMS(pool_id, param_i64(w, limit), param_i64(w, offset)), out);
}

enum err_code work_pool_slot_runs(struct work *w, const struct rows *queues, int64_t each,
                                  struct rows *out)
{
    const char **ids = arena_array(&w->arena, const char *, (size_t)queues->count + 1);

    for (int i = 0; i < queues->count; i++)
        ids[i] = rows_text(queues, i, 0);
    return db_query(w, Q_work_pool_slot_runs,
                    PARAMS(param_array(w, ids, (size_t)queues->count), param_i64(w, each)), out);
}
