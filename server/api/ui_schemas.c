#include "server/api/ui.h"
#include "server/http/reply.h"
#include "server/model/hydrate.h"
#include "server/model/ui.h"
#include "server/store/variables.h"
#include "shared/json/schema.h"
#include "shared/json/write.h"

enum { HYDRATED_MAX_BYTES = 8 << 20 };

static enum err_code no_schema(struct work *w, const struct schema_error *error)
{
    if (error->problem == SCHEMA_CIRCULAR)
        return err_set(&w->err, INVALID,
                       "Invalid schema: Unable to validate schema with circular references.");
    return err_set(&w->err, INVALID, "Invalid schema: %.300s", error->message);
}

static enum err_code hydrate_values(struct work *w, struct val values, struct doc *out)
{
    struct hydration h = {.arena = &w->arena, .lenient = true};
    struct buf b = {.max_bytes = HYDRATED_MAX_BYTES};
    struct doc_error bad;
    enum err_code rc = variables_for_hydration(w, values, &h);

    if (rc)
        return rc;
    bool good = hydrate(&h, values, &b);
    const char *text = arena_strndup(&w->arena, b.len ? b.bytes : "", b.len);
    size_t len = b.len;
    good = good && !b.full && doc_parse(&w->arena, text, len, out, &bad);
    buf_free(&b);
    return good ? ERR_OK : err_set(&w->err, INVALID, "the values are larger than the limit");
}

enum err_code ui_schemas_validate(struct request *rq)
{
    const struct schema_rules rules = {.prefect = true, .say = hydration_hole};
    struct val root = doc_root(&rq->doc), schema = val_get(root, "schema");
    struct work *w = &rq->work;
    struct buf *b = &rq->reply.body;
    struct schema_error error;
    struct doc values;

    if (!schema_valid_as(&w->arena, schema, &rules, &error))
        return no_schema(w, &error);
    enum err_code rc = hydrate_values(w, val_get(root, "values"), &values);
    if (rc)
        return rc;
    write_object(b);
    write_key(b, "errors");
    size_t before = b->len;
    if (!schema_errors_write(&w->arena, schema, &rules, doc_root(&values), b, &error)) {
        b->len = 0;
        return no_schema(w, &error);
    }
    bool valid = b->len - before == sizeof("[]") - 1;
    write_key(b, "valid");
    write_bool(b, valid);
    write_end_object(b);
    return reply_status(rq, 200);
}
