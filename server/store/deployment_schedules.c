#include "server/store/deployment_schedules.h"

#include <string.h>

#include "server/agenda.h"
#include "server/db/filter.h"
#include "server/db/params.h"
#include "server/model/schedule.h"
#include "server/server.h"

enum { SCHEDULE_MAX_BYTES = 64 << 10 };

static enum err_code check_exists(struct work *w, struct uuid deployment)
{
    struct rows rows;
    enum err_code rc = db_query_text(w, "SELECT 1 FROM deployment WHERE id = $1", 1,
                                     PARAMS(param_uuid(w, deployment)), &rows);
    return rc ? rc : rows.count ? ERR_OK : err_set(&w->err, NOT_FOUND, "Deployment not found.");
}

static enum err_code no_schedule(struct work *w)
{
    return err_set(&w->err, NOT_FOUND, "Schedule not found.");
}

static enum err_code select_where(struct work *w, const char *where, const char *value,
                                  struct rows *out)
{
    struct sql s;

    sql_begin(&s, w);
    sql_add(&s, "SELECT ");
    columns_list(&s.text, &deployment_schedule_resource, "ds");
    sql_add(&s, " FROM deployment_schedule ds WHERE ");
    sql_add(&s, where);
    sql_add(&s, " ORDER BY ds.updated DESC, ds.id");
    s.parameters[s.count++] = value;
    return sql_run(&s, out);
}

enum err_code schedules_of(struct work *w, struct uuid deployment, struct rows *out)
{
    enum err_code rc = check_exists(w, deployment);
    return rc ? rc : select_where(w, "ds.deployment_id = $1::uuid", param_uuid(w, deployment), out);
}

/* ---- writing ---- */

/* As it is stored: with its defaults. */
static enum err_code normalised(struct work *w, struct raw in, const char **out)
{
    struct buf b = {.max_bytes = SCHEDULE_MAX_BYTES};
    struct doc doc;
    struct doc_error bad;
    struct schedule s;

    *out = NULL;
    if (!in.text)
        return ERR_OK;
    if (!doc_parse(&w->arena, in.text, in.len, &doc, &bad))
        return err_set(&w->err, INVALID, "schedule: not JSON");
    enum err_code rc =
        schedule_read(&w->arena, w->server->zones, doc_root(&doc), w->now_us, &s, &w->err);
    if (rc)
        return rc;
    schedule_write(&b, &s);
    *out = arena_strndup(&w->arena, b.bytes, b.len);
    bool full = b.full;
    buf_free(&b);
    return full ? err_set(&w->err, INVALID, "schedule: longer than %d bytes", SCHEDULE_MAX_BYTES)
                : ERR_OK;
}

static const char *tri_text(enum tri value)
{
    return value == TRI_NONE ? NULL : param_bool(value == TRI_TRUE);
}

static enum err_code insert(struct work *w, const char *deployment, struct uuid id,
                            const struct deployment_schedule *in, const char *inherited_misfire)
{
    const char *schedule;
    struct rows none;
    enum err_code rc = normalised(w, in->schedule, &schedule);
    const char *misfire =
        given(in, switchyard_misfire) ? in->switchyard_misfire.text : inherited_misfire;

    return rc ? rc
              : db_query(w, Q_schedule_insert,
                         PARAMS(param_uuid(w, id), deployment, schedule, tri_text(in->active),
                                param_int(w, in->max_scheduled_runs), in->parameters.text, in->slug,
                                misfire, param_time(w, w->now_us)),
                         &none);
}

static enum err_code change(struct work *w, const char *deployment, const char *id,
                            const struct deployment_schedule *in, struct rows *out)
{
    const char *schedule;
    enum err_code rc = normalised(w, in->schedule, &schedule);

    return rc ? rc
              : db_query(w, Q_schedule_change,
                         PARAMS(deployment, id, schedule, tri_text(in->active),
                                param_int(w, in->max_scheduled_runs), in->parameters.text, in->slug,
                                param_bool(given(in, switchyard_misfire)),
                                in->switchyard_misfire.text),
                         out);
}

enum err_code schedules_drop_runs(struct work *w, const char *deployment)
{
    struct rows none;
    const char *now = param_time(w, w->now_us);
    enum err_code rc = db_query(w, Q_schedules_reset, PARAMS(deployment, now), &none);
    return rc ? rc : db_query(w, Q_schedules_drop_runs, PARAMS(deployment, now), &none);
}

void schedules_announce(struct work *w)
{
    agenda_due(w->server->agenda, AGENDA_SCHEDULES, w->now_us);
}

static const char *misfire_of(const struct rows *old, const char *slug)
{
    for (int i = 0; i < old->count && slug; i++)
        if (rows_text(old, i, 0) && !strcmp(rows_text(old, i, 0), slug))
            return rows_text(old, i, 1);
    return NULL;
}

enum err_code schedules_replace(struct work *w, const char *deployment,
                                const struct deployment_schedule *items, size_t count)
{
    struct rows old;
    enum err_code rc = db_query(w, Q_schedules_delete, PARAMS(deployment), &old);

    for (size_t i = 0; i < count && !rc; i++)
        if (items[i].schedule.text)
            rc = insert(w, deployment, uuid_v4(), &items[i], misfire_of(&old, items[i].slug));
    return rc;
}

/* ---- PATCH by slug ---- */

/* The id of the schedule with that slug. */
static const char *find(const struct rows *existing, const char *slug)
{
    for (int i = 0; i < existing->count && slug; i++)
        if (!strcmp(rows_text(existing, i, 1), slug))
            return rows_text(existing, i, 0);
    return NULL;
}

static enum err_code check_items(struct work *w, const struct deployment_schedule *items,
                                 size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!items[i].slug)
            return err_set(&w->err, INVALID,
                           "Please provide a slug for each schedule in your request to ensure "
                           "schedules are updated correctly.");
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i && items[i].replaces; k++)
            if (items[k].replaces && !strcmp(items[i].replaces, items[k].replaces))
                return err_set(&w->err, INVALID,
                               "Multiple schedules have 'replaces' targeting the same slug: %.200s",
                               items[i].replaces);
    return ERR_OK;
}

static enum err_code upsert_item(struct work *w, const char *deployment,
                                 const struct deployment_schedule *in)
{
    struct rows existing, done;
    enum err_code rc = db_query(w, Q_schedules_slugs, PARAMS(deployment), &existing);

    if (rc)
        return rc;
    const char *renamed = find(&existing, in->replaces), *same = find(&existing, in->slug);
    if (in->replaces && same && strcmp(in->replaces, in->slug) != 0)
        return err_set(&w->err, INVALID,
                       "Cannot rename schedule from '%.100s' to '%.100s': a schedule with slug "
                       "'%.100s' already exists.",
                       in->replaces, in->slug, in->slug);
    if (renamed || same)
        return change(w, deployment, renamed ? renamed : same, in, &done);
    if (!in->schedule.text)
        return err_set(
            &w->err, INVALID,
            "Unable to create new deployment schedules without a schedule configuration.");
    return insert(w, deployment, uuid_v4(), in, NULL);
}

enum err_code schedules_change(struct work *w, const char *deployment,
                               const struct deployment_schedule *items, size_t count)
{
    struct rows existing;
    bool by_slug = true;
    enum err_code rc = db_query(w, Q_schedules_slugs, PARAMS(deployment), &existing);

    for (int i = 0; !rc && i < existing.count; i++)
        by_slug = by_slug && rows_text(&existing, i, 1);
    if (!rc && (!existing.count || !by_slug))
        return schedules_replace(w, deployment, items, count);
    if (!rc)
        rc = check_items(w, items, count);
    for (size_t i = 0; i < count && !rc; i++)
        rc = upsert_item(w, deployment, &items[i]);
    return rc;
}

/* ---- one by one ---- */

enum err_code schedules_end(struct work *w, enum err_code rc)
{
    rc = db_end(w, rc);
    if (!rc)
        schedules_announce(w);
    return rc;
}

enum err_code schedules_add(struct work *w, struct uuid deployment,
                            const struct deployment_schedule *items, size_t count, struct rows *out)
{
    struct uuids ids = {arena_array(&w->arena, struct uuid, count + 1), count};
    enum err_code rc = check_exists(w, deployment);

    if (!rc)
        rc = db_begin(w);
    for (size_t i = 0; i < count && !rc; i++) {
        ids.items[i] = uuid_v4();
        rc = insert(w, param_uuid(w, deployment), ids.items[i], &items[i], NULL);
    }
    if (rc == ERR_CONFLICT)
        rc = err_set(&w->err, CONFLICT, "Schedule slugs must be unique within a deployment.");
    rc = schedules_end(w, rc);
    return rc ? rc : select_where(w, "ds.id = ANY($1::uuid[])", param_uuid_array(w, ids), out);
}

enum err_code schedule_update(struct work *w, struct uuid deployment, struct uuid id,
                              const struct deployment_schedule *in)
{
    const char *of = param_uuid(w, deployment);
    struct rows rows;
    enum err_code rc = check_exists(w, deployment);

    if (!rc)
        rc = db_begin(w);
    if (!rc)
        rc = schedules_drop_runs(w, of);
    if (!rc)
        rc = change(w, of, param_uuid(w, id), in, &rows);
    if (!rc && !rows.count)
        rc = no_schedule(w);
    return schedules_end(w, rc);
}

enum err_code schedule_delete(struct work *w, struct uuid deployment, struct uuid id)
{
    const char *of = param_uuid(w, deployment);
    struct rows rows;
    enum err_code rc = check_exists(w, deployment);

    if (!rc)
        rc = db_begin(w);
    if (!rc)
        rc = schedules_drop_runs(w, of);
    if (!rc)
        rc = db_query(w, Q_schedule_delete, PARAMS(of, param_uuid(w, id)), &rows);
    if (!rc && !rows.count)
        rc = no_schedule(w);
    return schedules_end(w, rc);
}
