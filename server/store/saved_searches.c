#include "server/store/saved_searches.h"

#include "server/db/params.h"
#include "shared/json/codec.h"
#include "shared/json/write.h"

enum { FILTERS_MAX_BYTES = 1 << 20 };

static enum err_code one(struct work *w, enum err_code rc, const struct rows *rows)
{
    return rc ? rc : rows->count ? ERR_OK : err_set(&w->err, NOT_FOUND, "Saved search not found");
}

static const char *filters_text(struct work *w, const struct saved_search *in)
{
    struct buf b = {.max_bytes = FILTERS_MAX_BYTES};

    write_array(&b);
    for (size_t i = 0; i < in->filters_count; i++)
        json_encode(&b, &saved_search_filter_resource, &in->filters[i]);
    write_end_array(&b);
    const char *text = b.full ? NULL : arena_strndup(&w->arena, b.bytes, b.len);
    buf_free(&b);
    return text;
}

enum err_code saved_search_put(struct work *w, const struct saved_search *in, struct rows *out,
                               bool *out_created)
{
    const char *id = param_uuid(w, uuid_v4()), *filters = filters_text(w, in);

    if (!filters)
        return err_set(&w->err, TOO_LARGE, "filters: at most %d bytes", FILTERS_MAX_BYTES);
    enum err_code rc = db_query(w, Q_saved_search_put, PARAMS(id, in->name, filters), out);
    if (!rc)
        *out_created = rows_bool(out, 0, 5);
    return rc;
}

enum err_code saved_search_get(struct work *w, struct uuid id, struct rows *out)
{
    return one(w, db_query(w, Q_saved_search_by_id, PARAMS(param_uuid(w, id)), out), out);
}

enum err_code saved_search_delete(struct work *w, struct uuid id)
{
    struct rows rows;
    return one(w, db_query(w, Q_saved_search_delete, PARAMS(param_uuid(w, id)), &rows), &rows);
}
