#include "server/store/claim_jobs.h"

#include <string.h>

#include "server/db/params.h"
#include "server/model/job_values.h"
#include "server/store/block_documents.h"
#include "server/store/variables.h"
#include "shared/json/write.h"

enum { FOUND_MAX_BYTES = 8 << 20 };

static enum err_code parse(struct work *w, const char *text, size_t len, struct val *out)
{
    struct doc *doc = arena_new(&w->arena, struct doc);
    struct doc_error bad;

    if (!doc_parse(&w->arena, text, len, doc, &bad))
        return err_set(&w->err, INTERNAL, "what is stored is not JSON: %s", bad.reason);
    *out = doc_root(doc);
    return ERR_OK;
}

/* What is not there is no error here. */
static enum err_code unless_gone(struct work *w, enum err_code rc)
{
    if (rc != ERR_NOT_FOUND)
        return rc;
    w->err = (struct err){0};
    return ERR_OK;
}

static enum err_code block_data(struct work *w, struct uuid id, struct val *out)
{
    struct block_set documents = {0}, schemas = {0};
    struct buf b = {.max_bytes = FOUND_MAX_BYTES};
    char text[UUID_TEXT_BYTES];

    enum err_code rc = block_documents_load(w, (struct uuids){&id, 1}, &documents, &schemas);
    if (rc)
        return rc;
    uuid_format(id, text);
    const struct block_row *row = block_find(&documents, text);
    if (!row)
        return ERR_OK;
    block_document_write(&w->arena, &b, &documents, &schemas, row);
    struct val document = {0};
    if (b.full)
        rc = err_set(&w->err, TOO_LARGE, "block %s is larger than the limit", text);
    else
        rc = parse(w, arena_strndup(&w->arena, b.bytes, b.len), b.len, &document);
    buf_free(&b);
    *out = val_get(document, "data");
    return rc;
}

static enum err_code variable_value(struct work *w, const char *name, struct val *out)
{
    struct rows rows;
    struct strings names = {&name, 1};

    enum err_code rc = db_query(w, Q_variables_by_names, PARAMS(param_text_array(w, names)), &rows);
    if (rc || !rows.count)
        return rc;
    return parse(w, rows_text(&rows, 0, 1), rows_len(&rows, 0, 1), out);
}

static enum err_code find(void *ctx, const struct job_reference *what, struct val *out)
{
    struct work *w = ctx;
    struct uuid id;

    *out = (struct val){0};
    if (!what->block_type && !what->block_id)
        return variable_value(w, what->name, out);
    if (what->block_id) {
        if (!uuid_parse(what->block_id, strlen(what->block_id), &id))
            return ERR_OK;
        return block_data(w, id, out);
    }
    enum err_code rc = block_document_find(w, what->block_type, what->name, &id);
    return rc ? unless_gone(w, rc) : block_data(w, id, out);
}

enum err_code claim_job_write(struct work *w, struct raw claim, struct buf *out)
{
    struct job_values j = {.arena = &w->arena, .find = find, .ctx = w};
    struct buf job = {.max_bytes = FOUND_MAX_BYTES};
    struct val v;

    enum err_code rc = parse(w, claim.text, claim.len, &v);
    if (!rc)
        rc = job_fill(&j, val_get(v, "template"), val_get(v, "job"), &job);
    bool failed = rc && j.reason;
    if (!rc || failed) {
        write_object(out);
        for (struct val_iter it = val_each(v); val_next(&it);) {
            if (val_equals(it.key, "template", 8) || val_equals(it.key, "job", 3))
                continue;
            write_key(out, val_string(&w->arena, it.key, NULL));
            write_raw(out, val_raw(it.value));
        }
        write_key(out, "job");
        write_raw(out, failed ? RAW("{}") : (struct raw){job.bytes, job.len});
        if (failed) {
            write_key(out, "problem");
            write_string(out, j.reason);
        }
        write_end_object(out);
    }
    buf_free(&job);
    return failed ? ERR_OK : rc;
}
