#include "server/store/access.h"

#include "server/db/params.h"

enum err_code api_key_insert(struct work *w, const struct api_key *in,
                             const char hash_hex[static SHA256_TEXT_BYTES], struct rows *out)
{
    enum err_code rc = db_query(
        w, Q_api_key_insert,
        PARAMS(param_uuid(w, uuid_v4()), in->name, hash_hex, param_time(w, in->expires_us)), out);
    if (rc == ERR_CONFLICT)
        return err_set(&w->err, CONFLICT, "An API key named \"%.200s\" exists.", in->name);
    return rc;
}

static enum err_code one(struct work *w, enum err_code rc, const struct rows *rows)
{
    return rc || rows->count ? rc : err_set(&w->err, NOT_FOUND, "API key not found");
}

enum err_code api_key_get(struct work *w, const char *name, struct rows *out)
{
    return one(w, db_query(w, Q_api_key_by_name, PARAMS(name), out), out);
}

enum err_code api_key_delete(struct work *w, const char *name)
{
    struct rows rows;
    return one(w, db_query(w, Q_api_key_delete, PARAMS(name), &rows), &rows);
}

enum err_code api_key_hashes(struct work *w, struct rows *out)
{
    return db_query(w, Q_api_key_hashes, NULL, out);
}

enum err_code csrf_token_put(struct work *w, const char *client, const char *token,
                             int64_t expiration_us, struct rows *out)
{
    return db_query(w, Q_csrf_token_put,
                    PARAMS(param_uuid(w, uuid_v4()), client, token, param_time(w, expiration_us)),
                    out);
}

enum err_code csrf_key_get(struct work *w, const char **out)
{
    struct rows rows;
    enum err_code rc = db_query(w, Q_csrf_key, NULL, &rows);

    if (!rc)
        *out = rows_text(&rows, 0, 0);
    return rc;
}

enum err_code csrf_token_list(struct work *w, struct rows *out)
{
    return db_query(w, Q_csrf_token_list, NULL, out);
}
