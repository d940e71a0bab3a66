#include "server/store/concurrency_limits.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "server/db/params.h"
#include "server/db/update.h"
#include "server/server.h"
#include "server/store/event_emit.h"

/* Columns of limits_read. */
enum { C_ID, C_NAME, C_LIMIT, C_IN_USE, C_DECAY, C_OCCUPANCY, C_DENIED, C_ACTIVE };

static void where_named(struct sql *s, const char *id_or_name)
{
    struct uuid id;

    sql_add(s, uuid_parse(id_or_name, strlen(id_or_name), &id) ? " WHERE id = " : " WHERE name = ");
    sql_param(s, id_or_name);
}

static enum err_code found(struct work *w, enum err_code rc, const struct rows *rows)
{
    return rc            ? rc
           : rows->count ? ERR_OK
                         : err_set(&w->err, NOT_FOUND, "Concurrency Limit not found");
}

enum err_code limit_get(struct work *w, const char *id_or_name, const struct resource *r,
                        struct rows *out)
{
    struct sql s;

    sql_begin(&s, w);
    sql_add(&s, "SELECT ");
    columns_list(&s.text, r, "cl");
    sql_add(&s, " FROM concurrency_limit cl");
    where_named(&s, id_or_name);
    return found(w, sql_run(&s, out), out);
}

enum err_code limit_create(struct work *w, const struct concurrency_limit *in)
{
    struct uuid id = uuid_v4();
    const struct extra_column extra[] = {{"id", param_uuid(w, id)}};
    struct rows none;
    struct sql s;
    bool own;
    enum err_code rc = event_begin(w, &own);

    if (rc)
        return rc;
    sql_begin(&s, w);
    sql_insert(&s, "concurrency_limit", &concurrency_limit_create_resource, in, extra,
               COUNT(extra));
    rc = sql_run(&s, &none);
    if (!rc)
        rc = event_emit(w, SUBJECT_CONCURRENCY_LIMIT, "created", id);
    return event_end(w, own, rc);
}

enum err_code limit_update(struct work *w, const char *id_or_name,
                           const struct concurrency_limit *in)
{
    struct rows rows;
    struct sql s;
    bool own;
    enum err_code rc = event_begin(w, &own);

    if (rc)
        return rc;
    sql_begin(&s, w);
    sql_update(&s, "concurrency_limit", &concurrency_limit_update_resource, in);
    where_named(&s, id_or_name);
    sql_add(&s, " RETURNING id");
    rc = found(w, sql_run(&s, &rows), &rows);
    if (!rc)
        rc = event_emit_rows(w, SUBJECT_CONCURRENCY_LIMIT, "updated", &rows);
    return event_end(w, own, rc);
}

enum err_code limit_delete(struct work *w, const char *id_or_name)
{
    struct rows rows;
    struct uuid id;
    bool own;
    enum err_code rc = event_begin(w, &own);

    if (!rc && !uuid_parse(id_or_name, strlen(id_or_name), &id))
        rc = event_find(w, SUBJECT_CONCURRENCY_LIMIT, id_or_name, &id);
    if (!rc)
        rc = event_emit(w, SUBJECT_CONCURRENCY_LIMIT, "deleted", id);
    if (!rc)
        rc = found(w,
                   db_query_text(w, "DELETE FROM concurrency_limit WHERE id = $1 RETURNING id", 1,
                                 PARAMS(param_uuid(w, id)), &rows),
                   &rows);
    return event_end(w, own, rc);
}

/* ---- slots ---- */

enum err_code limits_lock(struct work *w, const char *names, const char *ids)
{
    struct rows none;
    return db_query(w, Q_limits_lock, PARAMS(names, ids), &none);
}

static enum err_code check_possible(struct work *w, const struct slots_wanted *in,
                                    const struct rows *limits)
{
    const char *without = NULL;

    for (int i = 0; i < limits->count; i++) {
        if (!rows_bool(limits, i, C_ACTIVE))
            continue;
        if (in->slots > rows_i64(limits, i, C_LIMIT))
            return err_set(&w->err, INVALID, "Slots requested is greater than the limit");
        if (in->mode == SLOTS_RATE_LIMIT && rows_f64(limits, i, C_DECAY) <= 0)
            without = arena_printf(&w->arena, "%s%s'%s'", without ? without : "",
                                   without ? ", " : "", rows_text(limits, i, C_NAME));
    }
    if (without)
        return err_set(&w->err, INVALID,
                       "Only concurrency limits with slot decay can be used for rate limiting. The "
                       "following limits do not have a "
                       "decay configured: %s",
                       without);
    return ERR_OK;
}

/* The limit that is in the way, -1: none. */
static int blocking(const struct slots_wanted *in, const struct rows *limits)
{
    for (int i = 0; i < limits->count; i++)
        if (rows_bool(limits, i, C_ACTIVE) &&
            rows_i64(limits, i, C_IN_USE) + in->slots > rows_i64(limits, i, C_LIMIT))
            return i;
    return -1;
}

/* Around the time in which the slots asked for so far become free, spread so that waiters do not
 * come all at once. */
static double retry_after(const struct work *w, const struct slots_wanted *in,
                          const struct rows *limits, int i)
{
    bool tag = strncmp(rows_text(limits, i, C_NAME), "tag:", 4) == 0;
    uint32_t random = 0;
    double limit = fmax(1, (double)rows_i64(limits, i, C_LIMIT)),
           decay = rows_f64(limits, i, C_DECAY);
    double occupancy = decay > 0 ? 1 / decay : rows_f64(limits, i, C_OCCUPANCY);
    double expected =
        occupancy * ((double)rows_i64(limits, i, C_DENIED) + (double)in->slots) / limit;
    int64_t most_us =
        settings_us(&w->server->config.settings,
                    tag ? SETTING_SERVER_TASKS_TAG_CONCURRENCY_SLOT_WAIT_SECONDS
                        : SETTING_SERVER_CONCURRENCY_MAXIMUM_CONCURRENCY_SLOT_WAIT_SECONDS);

    if (getrandom(&random, sizeof(random), 0) != sizeof(random))
        random = 0;
    return fmin((double)most_us / 1e6, expected * (0.5 + random / 4294967296.0));
}

static struct uuids ids_of(struct work *w, const struct rows *limits)
{
    struct uuids ids = {arena_array(&w->arena, struct uuid, (size_t)limits->count + 1), 0};

    for (int i = 0; i < limits->count; i++)
        if (rows_bool(limits, i, C_ACTIVE) &&
            uuid_parse(rows_text(limits, i, C_ID), rows_len(limits, i, C_ID),
                       &ids.items[ids.count]))
            ids.count++;
    return ids;
}

static enum err_code take(struct work *w, const struct slots_wanted *in, bool with_lease,
                          struct slots_taken *out)
{
    struct rows none;
    const char *ids = param_uuid_array(w, ids_of(w, &out->limits)),
               *slots = param_i64(w, in->slots);

    if (!with_lease)
        return db_query(w, Q_limits_take, PARAMS(ids, slots), &none);
    out->lease = uuid_v4();
    const char *type = in->holder ? lease_holder_types[in->holder->type].name : NULL;
    const char *holder = in->holder ? param_uuid(w, in->holder->id) : NULL;
    return db_query(w, Q_limits_lease,
                    PARAMS(param_uuid(w, out->lease), ids, slots, param_f64(w, in->lease_duration),
                           type, holder),
                    &none);
}

static enum err_code take_or_deny(struct work *w, const struct slots_wanted *in, bool with_lease,
                                  struct slots_taken *out)
{
    struct rows none;
    const char *names = param_text_array(w, in->names);
    enum err_code rc = limits_lock(w, names, NULL);

    if (!rc)
        rc = db_query(w, Q_limits_read, PARAMS(names), &out->limits);
    if (!rc)
        rc = check_possible(w, in, &out->limits);
    if (rc)
        return rc;
    int at = blocking(in, &out->limits);
    if (at < 0)
        return take(w, in, with_lease, out);
    out->retry_after_s = retry_after(w, in, &out->limits, at);
    rc = db_query(w, Q_limits_deny,
                  PARAMS(param_uuid_array(w, ids_of(w, &out->limits)), param_i64(w, in->slots)),
                  &none);
    return rc ? rc : err_set(&w->err, LOCKED, "Locked");
}

/* Somebody who was turned away is counted, so a denial is committed as well. */
enum err_code slots_take(struct work *w, const struct slots_wanted *in, bool with_lease,
                         struct slots_taken *out)
{
    *out = (struct slots_taken){.retry_after_s = 0};
    enum err_code rc = db_begin(w);
    if (!rc)
        rc = take_or_deny(w, in, with_lease, out);
    if (rc && rc != ERR_LOCKED) {
        db_rollback(w);
        return rc;
    }
    struct err told = w->err;
    enum err_code committed = db_commit(w);
    if (committed) {
        db_rollback(w);
        return committed;
    }
    w->err = told;
    return rc;
}

enum err_code slots_give_back(struct work *w, const struct slots_wanted *in, struct rows *out)
{
    const char *held = given(in, occupancy_seconds) && !isnan(in->occupancy_seconds)
                           ? param_f64(w, in->occupancy_seconds)
                           : NULL;
    return db_query(w, Q_limits_give_back,
                    PARAMS(param_text_array(w, in->names), param_i64(w, in->slots), held), out);
}

enum err_code lease_end(struct work *w, struct uuid lease)
{
    struct rows none;
    return db_query(w, Q_lease_end, PARAMS(param_uuid(w, lease)), &none);
}

enum err_code lease_renew(struct work *w, struct uuid lease, double seconds)
{
    struct rows rows;
    enum err_code rc =
        db_query(w, Q_lease_renew, PARAMS(param_uuid(w, lease), param_f64(w, seconds)), &rows);
    return rc ? rc
           : rows.count
               ? ERR_OK
               : err_set(&w->err, GONE, "Lease not found - it may have expired or been revoked");
}
