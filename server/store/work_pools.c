#include "server/store/work_pools.h"

#include <string.h>

#include "server/db/filter.h"
#include "server/db/params.h"
#include "server/db/update.h"
#include "server/store/event_emit.h"

static enum err_code no_pool(struct work *w, const char *name)
{
    return err_set(&w->err, NOT_FOUND, "Work pool \"%s\" not found.", name);
}

/* A pool and its default queue are there. */
static enum err_code tell_made(struct work *w, struct uuid pool, struct uuid queue)
{
    struct rows status;
    enum err_code rc = event_emit(w, SUBJECT_WORK_QUEUE, "created", queue);

    if (!rc)
        rc = event_emit(w, SUBJECT_WORK_POOL, "created", pool);
    if (!rc)
        rc = db_query_text(w, "SELECT id, status FROM work_pool WHERE id = $1", 1,
                           PARAMS(param_uuid(w, pool)), &status);
    return rc ? rc : event_emit_statuses(w, SUBJECT_WORK_POOL, &status);
}

static enum err_code no_queue(struct work *w, const char *pool, const char *name)
{
    return err_set(&w->err, NOT_FOUND, "Work pool queue '%s/%s' not found.", pool, name);
}

/* SELECT of all columns of a resource. */
static enum err_code select_by_names(struct work *w, const struct resource *r, const char *alias,
                                     const char *from, const char *const names[2], struct rows *out)
{
    struct sql s;

    sql_begin(&s, w);
    sql_add(&s, "SELECT ");
    columns_list(&s.text, r, alias);
    sql_add(&s, from);
    sql_param(&s, names[0]);
    if (names[1]) {
        sql_add(&s, " AND wq.name = ");
        sql_param(&s, names[1]);
    }
    return sql_run(&s, out);
}

static const char *encoded(struct work *w, const struct resource *r, const void *object)
{
    struct buf b = {.max_bytes = 1 << 20};

    json_encode(&b, r, object);
    const char *text = arena_strndup(&w->arena, b.bytes, b.len);
    buf_free(&b);
    return text;
}

enum err_code work_pool_create(struct work *w, const struct work_pool_create *in)
{
    struct rows none;

    if (work_pool_is_reserved(in->name))
        return err_set(&w->err, FORBIDDEN,
                       "Work pools starting with 'Prefect' are reserved for internal use.");
    struct uuid pool = uuid_v4(), queue = uuid_v4();
    bool own;
    enum err_code rc = event_begin(w, &own);
    if (rc)
        return rc;
    rc = db_query(w, Q_work_pool_insert,
                  PARAMS(param_uuid(w, pool), in->name, in->description, in->type,
                         in->base_job_template.text, param_bool(in->is_paused),
                         param_int(w, in->concurrency_limit),
                         encoded(w, &storage_configuration_resource, in->storage_configuration),
                         param_uuid(w, queue)),
                  &none);
    if (!rc)
        rc = tell_made(w, pool, queue);
    rc = event_end(w, own, rc);
    if (rc == ERR_CONFLICT)
        return err_set(&w->err, CONFLICT, "A work pool with this name already exists.");
    return rc;
}

enum err_code work_pool_get_as(struct work *w, const struct resource *shape, const char *name,
                               struct rows *out)
{
    const char *const names[2] = {name, NULL};
    enum err_code rc =
        select_by_names(w, shape, "wp", " FROM work_pool wp WHERE wp.name = ", names, out);
    return rc ? rc : out->count ? ERR_OK : no_pool(w, name);
}

enum err_code work_pool_get(struct work *w, const char *name, struct rows *out)
{
    return work_pool_get_as(w, &work_pool_resource, name, out);
}

enum err_code work_pool_find(struct work *w, const char *name, const char **out_id)
{
    struct rows rows;
    enum err_code rc = db_query(w, Q_work_pool_id, PARAMS(name), &rows);
    if (rc)
        return rc;
    if (!rows.count)
        return no_pool(w, name);
    *out_id = rows_text(&rows, 0, 0);
    return ERR_OK;
}

static enum err_code refresh_status(struct work *w, const char *name)
{
    struct rows changed;
    enum err_code rc = db_query(w, Q_work_pool_refresh_status, PARAMS(name), &changed);
    return rc ? rc : event_emit_statuses(w, SUBJECT_WORK_POOL, &changed);
}

enum err_code work_pool_update(struct work *w, const char *name, const struct work_pool_update *in)
{
    struct event_before before;
    struct uuid id;
    struct rows rows;
    bool own;
    struct sql s;

    if (work_pool_is_reserved(name) && (given(in, description) || given(in, base_job_template) ||
                                        given(in, storage_configuration)))
        return err_set(&w->err, FORBIDDEN,
                       "Work pools starting with 'Prefect' are reserved for internal use and can "
                       "only be updated to set "
                       "concurrency limits or pause.");
    enum err_code rc = event_begin(w, &own);
    if (!rc)
        rc = event_find(w, SUBJECT_WORK_POOL, name, &id);
    if (!rc)
        rc = uuid_is_nil(id) ? no_pool(w, name)
                             : event_before_update(w, SUBJECT_WORK_POOL, id, &before);
    if (!rc) {
        sql_begin(&s, w);
        sql_update(&s, "work_pool", &work_pool_update_resource, in);
        sql_add(&s, " WHERE id = ");
        sql_param(&s, param_uuid(w, id));
        rc = sql_run(&s, &rows);
    }
    if (!rc && given(in, is_paused))
        rc = refresh_status(w, name);
    if (!rc)
        rc = event_emit_updated(w, &before);
    return event_end(w, own, rc);
}

enum err_code work_pool_delete(struct work *w, const char *name)
{
    struct rows rows;
    struct uuid id;
    bool own;

    if (work_pool_is_reserved(name))
        return err_set(&w->err, FORBIDDEN,
                       "Work pools starting with 'Prefect' are reserved for internal use and "
                       "can not be deleted.");
    enum err_code rc = event_begin(w, &own);
    if (!rc)
        rc = db_query_text(w,
                           "SELECT q.id FROM work_queue q JOIN work_pool p ON p.id = "
                           "q.work_pool_id WHERE p.name = $1 ORDER BY q.id",
                           1, PARAMS(name), &rows);
    if (!rc)
        rc = event_emit_rows(w, SUBJECT_WORK_QUEUE, "deleted", &rows);
    if (!rc)
        rc = event_find(w, SUBJECT_WORK_POOL, name, &id);
    if (!rc)
        rc = uuid_is_nil(id) ? no_pool(w, name) : event_emit(w, SUBJECT_WORK_POOL, "deleted", id);
    if (!rc)
        rc = db_query(w, Q_work_pool_delete, PARAMS(name), &rows);
    return event_end(w, own, rc);
}

/* ---- queues ---- */

enum err_code work_queue_create(struct work *w, const char *pool, const struct work_queue_write *in)
{
    struct uuid id = uuid_v4();
    struct rows none;
    const char *pool_id;
    enum err_code rc = work_pool_find(w, pool, &pool_id);
    const char *priority = param_int(w, given(in, priority) ? in->priority : INT_NONE);
    const char *filter = in->filter ? encoded(w, &queue_filter_resource, in->filter) : NULL;

    if (!rc)
        rc = db_begin(w);
    if (!rc)
        rc =
            db_query(w, Q_work_queue_insert,
                     PARAMS(param_uuid(w, id), in->name, in->description, param_bool(in->is_paused),
                            param_int(w, in->concurrency_limit), priority, pool_id, filter),
                     &none);
    if (!rc && priority)
        rc = db_query(w, Q_work_queue_move, PARAMS(pool_id, param_uuid(w, id), priority), &none);
    if (!rc)
        rc = event_emit(w, SUBJECT_WORK_QUEUE, "created", id);
    if (!rc)
        return db_commit(w);
    db_rollback(w);
    if (rc == ERR_CONFLICT)
        return err_set(
            &w->err, CONFLICT,
            "A work queue with this name already exists in work pool {work_pool_name!r}.");
    return rc;
}

enum err_code work_queue_get(struct work *w, const char *pool, const char *name, struct rows *out)
{
    const char *const names[2] = {pool, name};
    enum err_code rc = select_by_names(
        w, &work_queue_resource, "wq",
        " FROM work_queue wq JOIN work_pool wp ON wp.id = wq.work_pool_id WHERE wp.name = ", names,
        out);
    return rc ? rc : out->count ? ERR_OK : no_queue(w, pool, name);
}

enum err_code work_queue_get_by_id(struct work *w, struct uuid id, struct rows *out)
{
    struct sql s;

    sql_begin(&s, w);
    sql_add(&s, "SELECT ");
    columns_list(&s.text, &work_queue_resource, "wq");
    sql_add(&s, " FROM work_queue wq JOIN work_pool wp ON wp.id = wq.work_pool_id WHERE wq.id = ");
    sql_param(&s, param_uuid(w, id));
    enum err_code rc = sql_run(&s, out);
    return rc || out->count ? rc : err_set(&w->err, NOT_FOUND, "work queue not found");
}

static enum err_code move(struct work *w, const struct rows *found, int64_t priority)
{
    struct rows none;
    return db_query(w, Q_work_queue_move,
                    PARAMS(rows_text(found, 0, 1), rows_text(found, 0, 0), param_i64(w, priority)),
                    &none);
}

static enum err_code queue_status(struct work *w, const char *id, struct rows *out)
{
    return db_query_text(w, "SELECT id, status FROM work_queue WHERE id = $1 FOR UPDATE", 1,
                         PARAMS(id), out);
}

static enum err_code change_queue(struct work *w, const struct rows *found,
                                  const struct work_queue_write *in)
{
    struct rows none;
    struct sql s;

    sql_begin(&s, w);
    sql_update(&s, "work_queue", &work_queue_update_resource, in);
    if (given(in, is_paused))
        sql_add(&s, in->is_paused ? ", status = 'PAUSED'"
                                  : ", status = CASE WHEN last_polled > now() - interval '60 "
                                    "seconds' THEN 'READY' ELSE 'NOT_READY' END");
    sql_add(&s, " WHERE id = ");
    sql_param(&s, rows_text(found, 0, 0));
    enum err_code rc = sql_run(&s, &none);
    if (!rc && given(in, priority) && in->priority != INT_NONE)
        rc = move(w, found, in->priority);
    return rc;
}

/* Its new status, if it has one, and what else changed. */
static enum err_code change_and_tell(struct work *w, const struct rows *found,
                                     const struct work_queue_write *in)
{
    struct uuid id = {{0}};
    struct event_before before;
    struct rows old, new;

    if (!uuid_parse(rows_text(found, 0, 0), rows_len(found, 0, 0), &id))
        return err_set(&w->err, INTERNAL, "a work queue has no id");
    enum err_code rc = queue_status(w, rows_text(found, 0, 0), &old);
    if (!rc)
        rc = event_before_update(w, SUBJECT_WORK_QUEUE, id, &before);
    if (!rc)
        rc = change_queue(w, found, in);
    if (!rc)
        rc = queue_status(w, rows_text(found, 0, 0), &new);
    if (!rc && new.count && old.count &&strcmp(rows_text(&old, 0, 1), rows_text(&new, 0, 1)) != 0)
        rc = event_emit_statuses(w, SUBJECT_WORK_QUEUE, &new);
    return rc ? rc : event_emit_updated(w, &before);
}

static enum err_code find_queue(struct work *w, const char *pool, const char *name,
                                struct rows *out)
{
    const char *pool_id;
    enum err_code rc = work_pool_find(w, pool, &pool_id);

    if (!rc)
        rc = db_query(w, Q_work_queue_find, PARAMS(pool, name), out);
    return rc || out->count ? rc : no_queue(w, pool, name);
}

enum err_code work_queue_update(struct work *w, const char *pool, const char *name,
                                const struct work_queue_write *in)
{
    struct rows found;
    enum err_code rc = find_queue(w, pool, name, &found);

    if (!rc)
        rc = db_begin(w);
    if (!rc)
        rc = change_and_tell(w, &found, in);
    return db_end(w, rc);
}

enum err_code work_queue_delete(struct work *w, const char *pool, const char *name)
{
    struct rows found, none;
    bool own;
    enum err_code rc = find_queue(w, pool, name, &found);

    if (rc)
        return rc;
    if (rows_bool(&found, 0, 2))
        return err_set(&w->err, CONFLICT, "The default queue of a work pool cannot be deleted.");
    rc = event_begin(w, &own);
    if (!rc)
        rc = event_emit_rows(w, SUBJECT_WORK_QUEUE, "deleted", &found);
    if (!rc)
        rc = db_query(w, Q_work_queue_delete, PARAMS(rows_text(&found, 0, 0)), &none);
    return event_end(w, own, rc);
}

static enum err_code ensure_named(struct work *w, const char *pool_id, const char *name)
{
    struct rows made;
    bool own;
    enum err_code rc = event_begin(w, &own);

    if (!rc)
        rc = db_query(w, Q_work_queue_ensure, PARAMS(param_uuid(w, uuid_v4()), pool_id, name),
                      &made);
    if (!rc)
        rc = event_emit_rows(w, SUBJECT_WORK_QUEUE, "created", &made);
    return event_end(w, own, rc);
}

enum err_code work_queue_ensure(struct work *w, const char *pool, const char *name,
                                const char **out_id)
{
    struct rows rows;
    const char *pool_id;
    enum err_code rc = work_pool_find(w, pool, &pool_id);

    if (!rc && name)
        rc = ensure_named(w, pool_id, name);
    if (!rc)
        rc = name ? db_query(w, Q_work_queue_find, PARAMS(pool, name), &rows)
                  : db_query_text(w, "SELECT default_queue_id FROM work_pool WHERE id = $1", 1,
                                  PARAMS(pool_id), &rows);
    if (!rc)
        *out_id = rows_text(&rows, 0, 0);
    return rc;
}

/* ---- workers ---- */

enum err_code worker_heartbeat(struct work *w, const char *pool, const struct worker_heartbeat *in)
{
    struct rows rows;
    bool own;
    enum err_code rc = event_begin(w, &own);

    if (!rc)
        rc = db_query(w, Q_worker_heartbeat,
                      PARAMS(param_uuid(w, uuid_v4()), pool, in->name,
                             param_int(w, in->heartbeat_interval_seconds)),
                      &rows);
    if (!rc && !rows.count)
        rc = no_pool(w, pool);
    if (!rc)
        rc = event_emit_statuses(w, SUBJECT_WORK_POOL, &rows);
    return event_end(w, own, rc);
}

enum err_code worker_delete(struct work *w, const char *pool, const char *name)
{
    struct rows rows;
    const char *id;
    enum err_code rc = work_pool_find(w, pool, &id);

    if (!rc)
        rc = db_query(w, Q_worker_delete, PARAMS(pool, name), &rows);
    return rc ? rc : rows.count ? ERR_OK : err_set(&w->err, NOT_FOUND, "Worker not found.");
}

static enum err_code check_queues(struct work *w, const char *pool, struct strings queues)
{
    struct rows rows;

    for (size_t i = 0; i < queues.count; i++) {
        enum err_code rc = db_query(w, Q_work_queue_find, PARAMS(pool, queues.items[i]), &rows);
        if (rc)
            return rc;
        if (!rows.count)
            return no_queue(w, pool, queues.items[i]);
    }
    return ERR_OK;
}

/* Who asks for work serves queues and deployments: those that had nobody tell it. */
static enum err_code mark_polled(struct work *w, const char *pool_id, const char *queues)
{
    struct rows news;
    bool own;
    enum err_code rc = event_begin(w, &own);

    if (!rc)
        rc = db_query(w, Q_work_polled, PARAMS(pool_id, queues), &news);
    for (int i = 0; !rc && i < news.count; i++) {
        struct uuid id = {{0}};
        bool ready = strcmp(rows_text(&news, i, 1), "READY") == 0;
        if (uuid_parse(rows_text(&news, i, 0), rows_len(&news, i, 0), &id))
            rc = event_emit(w, rows_bool(&news, i, 2) ? SUBJECT_DEPLOYMENT : SUBJECT_WORK_QUEUE,
                            ready ? "ready" : "paused", id);
    }
    return event_end(w, own, rc);
}

enum err_code work_scheduled(struct work *w, const char *pool, const struct work_wanted *wanted,
                             struct rows *out)
{
    const char *id;
    const char *queues = wanted->queues.count ? param_text_array(w, wanted->queues) : NULL;
    enum err_code rc = work_pool_find(w, pool, &id);

    if (!rc)
        rc = check_queues(w, pool, wanted->queues);
    if (!rc)
        rc = mark_polled(w, id, queues);
    if (rc)
        return rc;
    return db_query(w, Q_work_scheduled,
                    PARAMS(id, queues, param_time(w, wanted->before_us),
                           param_time(w, wanted->after_us), param_int(w, wanted->limit)),
                    out);
}
