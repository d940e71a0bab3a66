#include "server/store/variables.h"

#include <string.h>

#include "server/db/params.h"
#include "server/store/event_emit.h"

static enum err_code one(struct work *w, enum err_code rc, const struct rows *rows)
{
    return rc ? rc : rows->count ? ERR_OK : err_set(&w->err, NOT_FOUND, "Variable not found.");
}

enum err_code variable_create(struct work *w, const struct variable_create *in, struct rows *out)
{
    bool own;
    enum err_code rc = event_begin(w, &own);

    if (!rc)
        rc = db_query(
            w, Q_variable_insert,
            PARAMS(param_uuid(w, uuid_v4()), in->name, in->value.text, param_strings(w, in->tags)),
            out);
    if (!rc)
        rc = event_emit_rows(w, SUBJECT_VARIABLE, "created", out);
    rc = event_end(w, own, rc);
    if (rc || out->count)
        return rc;
    const char *quote = strchr(in->name, '\'') ? "\"" : "'";
    return err_set(&w->err, CONFLICT, "A variable with the name %s%s%s already exists.", quote,
                   in->name, quote);
}

enum err_code variable_get(struct work *w, struct uuid id, struct rows *out)
{
    return one(w, db_query(w, Q_variable_by_id, PARAMS(param_uuid(w, id)), out), out);
}

enum err_code variable_get_by_name(struct work *w, const char *name, struct rows *out)
{
    return one(w, db_query(w, Q_variable_by_name, PARAMS(name), out), out);
}

static enum err_code update(struct work *w, enum query q, const char *which,
                            const struct variable_update *in)
{
    struct rows rows;
    const char *const parameters[] = {
        which,
        param_bool(given(in, name)),
        in->name,
        param_bool(given(in, value)),
        in->value.text,
        param_bool(given(in, tags)),
        param_strings(w, in->tags),
    };
    bool own;
    enum err_code rc = event_begin(w, &own);

    if (!rc)
        rc = one(w, db_query(w, q, parameters, &rows), &rows);
    if (!rc)
        rc = event_emit_rows(w, SUBJECT_VARIABLE, "updated", &rows);
    return event_end(w, own, rc);
}

enum err_code variable_update(struct work *w, struct uuid id, const struct variable_update *in)
{
    return update(w, Q_variable_update, param_uuid(w, id), in);
}

enum err_code variable_update_by_name(struct work *w, const char *name,
                                      const struct variable_update *in)
{
    return update(w, Q_variable_update_by_name, name, in);
}

enum err_code variable_delete(struct work *w, struct uuid id)
{
    struct rows rows;
    bool own;
    enum err_code rc = event_begin(w, &own);

    if (!rc)
        rc = event_emit(w, SUBJECT_VARIABLE, "deleted", id);
    if (!rc)
        rc = one(w, db_query(w, Q_variable_delete, PARAMS(param_uuid(w, id)), &rows), &rows);
    return event_end(w, own, rc);
}

enum err_code variable_delete_by_name(struct work *w, const char *name)
{
    struct uuid id;
    enum err_code rc = event_find(w, SUBJECT_VARIABLE, name, &id);

    return rc ? rc : variable_delete(w, id);
}

enum err_code variables_for_hydration(struct work *w, struct val parameters, struct hydration *h)
{
    struct strings names = {0};
    struct rows r;

    hydration_needs(&w->arena, parameters, &names);
    if (!names.count)
        return ERR_OK;
    enum err_code rc = db_query(w, Q_variables_by_names, PARAMS(param_text_array(w, names)), &r);
    if (rc)
        return rc;
    struct hydration_variable *found =
        arena_array(&w->arena, struct hydration_variable, (size_t)r.count + 1);
    for (int i = 0; i < r.count; i++)
        found[i] = (struct hydration_variable){rows_text(&r, i, 0),
                                               {rows_text(&r, i, 1), rows_len(&r, i, 1)}};
    h->variables = found;
    h->variable_count = (size_t)r.count;
    return ERR_OK;
}
