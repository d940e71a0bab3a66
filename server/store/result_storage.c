#include "server/store/result_storage.h"

#include "server/db/params.h"

enum err_code result_storage_get(struct work *w, struct rows *out)
{
    return db_query(w, Q_result_storage_get, PARAMS(NULL), out);
}

enum err_code result_storage_set(struct work *w, struct uuid document)
{
    char id[UUID_TEXT_BYTES];
    struct rows rows;

    uuid_format(document, id);
    enum err_code rc = db_query(w, Q_result_storage_fits, PARAMS(id), &rows);
    if (rc)
        return rc;
    if (!rows.count)
        return err_set(&w->err, NOT_FOUND, "Block document %s not found.", id);
    if (!rows_bool(&rows, 0, 0))
        return err_set(&w->err, INVALID, "Block document %s cannot be used for result storage.",
                       id);
    return db_query(w, Q_result_storage_set, PARAMS(id), &rows);
}

enum err_code result_storage_clear(struct work *w)
{
    struct rows rows;
    return db_query(w, Q_result_storage_clear, PARAMS(NULL), &rows);
}
