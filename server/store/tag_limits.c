#include "server/store/tag_limits.h"

#include "server/db/filter.h"
#include "server/db/params.h"
#include "server/store/concurrency_limits.h"
#include "server/store/event_emit.h"

enum { C_ID, C_TAG, C_LIMIT, C_IN_USE };

static enum err_code one(struct work *w, enum err_code rc, const struct rows *rows)
{
    return rc || rows->count ? rc : err_set(&w->err, NOT_FOUND, "Concurrency limit not found");
}

enum err_code tag_limit_put(struct work *w, const struct tag_limit *in, struct uuid *out_id,
                            bool *out_created)
{
    struct rows rows;
    enum err_code rc = db_begin(w);

    if (!rc)
        rc = db_query(
            w, Q_tag_limit_put,
            PARAMS(param_uuid(w, uuid_v4()), in->tag, param_i64(w, in->concurrency_limit)), &rows);
    if (!rc)
        rc = event_emit_rows(w, SUBJECT_CONCURRENCY_LIMIT,
                             rows_bool(&rows, 0, 1) ? "created" : "updated", &rows);
    rc = db_end(w, rc);
    if (rc)
        return rc;
    *out_created = rows_bool(&rows, 0, 1);
    return uuid_parse(rows_text(&rows, 0, 0), rows_len(&rows, 0, 0), out_id)
               ? ERR_OK
               : err_set(&w->err, INTERNAL, "a limit without an id");
}

enum err_code tag_limit_get(struct work *w, struct uuid id, const char *tag, struct rows *out)
{
    struct sql s;

    sql_begin(&s, w);
    sql_add(&s, "SELECT ");
    columns_list(&s.text, &tag_limit_resource, "cl");
    sql_add(&s, " FROM concurrency_limit cl WHERE cl.name LIKE 'tag:%' AND ");
    sql_add(&s, tag ? "cl.name = 'tag:' || " : "cl.id = ");
    sql_param(&s, tag ? tag : param_uuid(w, id));
    return one(w, sql_run(&s, out), out);
}

enum err_code tag_limit_delete(struct work *w, struct uuid id, const char *tag)
{
    struct rows rows;
    const char *key = tag ? NULL : param_uuid(w, id);
    enum err_code rc = db_begin(w);

    if (!rc)
        rc = one(w, db_query(w, Q_tag_limit_lock, PARAMS(key, tag), &rows), &rows);
    if (!rc)
        rc = event_emit_rows(w, SUBJECT_CONCURRENCY_LIMIT, "deleted", &rows);
    if (!rc)
        rc = one(w, db_query(w, Q_tag_limit_delete, PARAMS(key, tag), &rows), &rows);
    return db_end(w, rc);
}

enum err_code tag_limit_reset(struct work *w, const char *tag, struct uuids holders)
{
    struct rows rows, none;
    enum err_code rc = db_begin(w);

    if (!rc)
        rc = db_query(w, Q_tag_limit_clear, PARAMS(tag), &rows);
    if (!rc)
        rc = one(w, ERR_OK, &rows);
    if (!rc && holders.count)
        rc = db_query(w, Q_tag_limit_hold,
                      PARAMS(rows_text(&rows, 0, 0), param_uuid_array(w, holders)), &none);
    return db_end(w, rc);
}

static enum err_code check_free(struct work *w, const struct rows *limits, bool *out_never)
{
    for (int i = 0; i < limits->count; i++) {
        const char *tag = rows_text(limits, i, C_TAG);
        if (rows_i64(limits, i, C_LIMIT) <= 0) {
            *out_never = true;
            return err_set(&w->err, LOCKED,
                           "The concurrency limit on tag \"%.200s\" is 0 and will deadlock if the "
                           "task tries to run again.",
                           tag);
        }
        if (rows_i64(limits, i, C_IN_USE) >= rows_i64(limits, i, C_LIMIT))
            return err_set(&w->err, LOCKED, "Concurrency limit for the %.200s tag has been reached",
                           tag);
    }
    return ERR_OK;
}

const char *tag_limit_names(struct work *w, const struct strings *tags)
{
    const char **names = arena_array(&w->arena, const char *, tags->count + 1);

    for (size_t i = 0; i < tags->count; i++)
        names[i] = arena_printf(&w->arena, "tag:%s", tags->items[i]);
    return param_array(w, names, tags->count);
}

enum err_code tag_slots_take(struct work *w, const struct tag_slots *in, struct rows *out,
                             bool *out_never)
{
    struct rows none;
    struct uuids ids;
    const char *names = tag_limit_names(w, &in->names);
    enum err_code rc = db_begin(w);

    *out_never = false;
    if (!rc)
        rc = limits_lock(w, names, NULL);
    if (!rc)
        rc = db_query(w, Q_tag_limits_read, PARAMS(names), out);
    if (!rc)
        rc = check_free(w, out, out_never);
    if (!rc) {
        ids = (struct uuids){arena_array(&w->arena, struct uuid, (size_t)out->count + 1), 0};
        for (int i = 0; i < out->count; i++)
            ids.count +=
                uuid_parse(rows_text(out, i, C_ID), rows_len(out, i, C_ID), &ids.items[ids.count]);
        rc = db_query(w, Q_tag_limits_take,
                      PARAMS(param_uuid_array(w, ids), param_uuid(w, in->task_run_id)), &none);
    }
    return db_end(w, rc);
}

enum err_code tag_slots_give_back(struct work *w, const struct tag_slots *in, struct rows *out)
{
    return db_query(w, Q_tag_limits_give_back,
                    PARAMS(param_text_array(w, in->names), param_uuid(w, in->task_run_id)), out);
}
