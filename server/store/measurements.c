#include "server/store/measurements.h"

enum err_code measurements_compare(struct work *w, const char *before, const char *after,
                                   struct rows *out)
{
    enum err_code rc = db_query(w, Q_measurements_compare, PARAMS(before, after), out);
    if (rc || (rows_i64(out, 0, 1) && rows_i64(out, 0, 2)))
        return rc;
    return err_set(&w->err, NOT_FOUND, "the campaign %.80s has no measurements",
                   rows_i64(out, 0, 1) ? after : before);
}
