#include "server/api/files.h"

#include <string.h>

#include "server/http/reply.h"
#include "server/model/agent.h"
#include "server/store/files.h"
#include "server/store/traces.h"
#include "shared/json/write.h"

#define FILE_MAX_BYTES (UINT64_C(256) << 20)

enum { NAME_MAX_BYTES = 200 };

static enum err_code check_hash(struct request *rq)
{
    const char *hash = rq->params[0];

    if (strlen(hash) == 64 && strspn(hash, "0123456789abcdef") == 64)
        return ERR_OK;
    return err_set(&rq->work.err, INVALID,
                   "a file is named by its SHA-256, 64 lower-case hexadecimal digits, not `%.80s`",
                   hash);
}

static enum err_code check_name(struct request *rq, const char *name)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t len = strlen(name);

    if (len && len <= NAME_MAX_BYTES && strspn(name, allowed) == len)
        return ERR_OK;
    return err_set(&rq->work.err, INVALID,
                   "a file name has 1 to %d of A-Z a-z 0-9 . _ -, not `%.80s`", NAME_MAX_BYTES,
                   name);
}

enum err_code files_put(struct request *rq)
{
    struct buf *b = &rq->reply.body;
    bool created;

    enum err_code rc = check_hash(rq);
    if (!rc && rq->body_bytes > FILE_MAX_BYTES)
        rc = err_set(&rq->work.err, TOO_LARGE, "the file has %llu bytes, the limit is %llu",
                     (unsigned long long)rq->body_bytes, (unsigned long long)FILE_MAX_BYTES);
    if (!rc)
        rc = file_put(&rq->work, rq->body_fd, rq->params[0], rq->body_bytes, &created);
    if (rc)
        return rc;
    if (created)
        trace_stored(&rq->work, rq->params[0]);
    write_object(b);
    write_key(b, "sha256");
    write_string(b, rq->params[0]);
    write_key(b, "bytes");
    write_int64(b, (int64_t)rq->body_bytes);
    write_end_object(b);
    return reply_status(rq, created ? 201 : 200);
}

/* With `?name=report.html` a browser shows the content under that name, as a document without
 * scripts and without access to anything: it may come from anyone who may store files. */
static enum err_code show_as(struct request *rq, const char *name)
{
    static const struct {
        const char *suffix, *mime;
    } types[] = {{".html", "text/html; charset=utf-8"},
                 {".svg", "image/svg+xml"},
                 {".png", "image/png"},
                 {".csv", "text/csv; charset=utf-8"},
                 {".json", "application/json"},
                 {".txt", "text/plain; charset=utf-8"}};
    const char *suffix = strrchr(name, '.');
    enum err_code rc = check_name(rq, name);

    if (rc)
        return rc;
    for (size_t i = 0; i < COUNT(types); i++)
        if (suffix && strcmp(types[i].suffix, suffix) == 0)
            rq->reply.content_type = types[i].mime;
    reply_header(rq, "Content-Disposition",
                 arena_printf(&rq->work.arena, "inline; filename=\"%s\"", name));
    reply_header(rq, "Content-Security-Policy",
                 "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:");
    return ERR_OK;
}

enum err_code files_get(struct request *rq)
{
    const char *name = request_query(rq, "name");
    enum err_code rc = check_hash(rq);

    rq->reply.content_type = "application/octet-stream";
    if (!rc && name)
        rc = show_as(rq, name);
    if (!rc)
        rc = file_open(&rq->work, rq->params[0], &rq->reply.file_fd, &rq->reply.file_bytes);
    if (rc)
        return rc;
    reply_header(rq, "X-Content-Type-Options", "nosniff");
    reply_header(rq, "Cache-Control", "public, max-age=31536000, immutable");
    return reply_status(rq, 200);
}

enum err_code file_names_put(struct request *rq)
{
    enum err_code rc = check_name(rq, rq->params[0]);
    if (!rc)
        rc = file_name_put(&rq->work, rq->params[0], request_in(rq, struct file_name)->sha256);
    return rc ? rc : file_names_get(rq);
}

enum err_code file_names_get(struct request *rq)
{
    struct rows rows;
    enum err_code rc = check_name(rq, rq->params[0]);
    if (!rc)
        rc = file_name_get(&rq->work, rq->params[0], &rows);
    return rc ? rc : reply_text(rq, 200, rows_text(&rows, 0, 0));
}
