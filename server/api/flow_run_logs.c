#include "server/api/flow_run_logs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "server/db/params.h"
#include "server/http/reply.h"
#include "server/server.h"
#include "shared/base/clock.h"

enum { PAGE_LINES = 5000, PAGE_MAX_BYTES = 512 << 20 };

static void put_field(struct buf *b, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        buf_add(b, text, strlen(text));
        return;
    }
    buf_lit(b, "\"");
    for (const char *quote; (quote = strchr(text, '"')); text = quote + 1) {
        buf_add(b, text, (size_t)(quote - text) + 1);
        buf_lit(b, "\"");
    }
    buf_add(b, text, strlen(text));
    buf_lit(b, "\"");
}

/* As Python prints it: `2024-01-01 00:00:00.500000+00:00`. */
static void put_time(struct buf *b, int64_t time_us)
{
    char text[TIME_TEXT_BYTES];
    size_t len = time_format(time_us, text);

    text[10] = ' ';
    buf_add(b, text, len - 1);
    buf_lit(b, "+00:00");
}

static void put_line(struct buf *b, const struct rows *r, int row)
{
    put_time(b, rows_time(r, row, 0));
    for (int column = 1; column <= 4; column++) {
        const char *text = rows_text(r, row, column);
        buf_lit(b, ",");
        put_field(b, text ? text : "");
    }
    buf_lit(b, "\r\n");
}

static enum err_code write_all(struct request *rq, int fd, const struct buf *b)
{
    for (size_t done = 0; done < b->len;) {
        ssize_t n = write(fd, b->bytes + done, b->len - done);
        if (n < 0 && errno != EINTR)
            return err_set(&rq->work.err, IO, "spool: %s", strerror(errno));
        done += n > 0 ? (size_t)n : 0;
    }
    rq->reply.file_bytes += b->len;
    return ERR_OK;
}

/* Where the next page begins. */
struct cursor {
    char time[64], id[UUID_TEXT_BYTES];
};

static enum err_code read_page(struct work *w, struct uuid run, struct cursor *at, struct buf *out,
                               bool *out_more)
{
    bool first = !*at->id;
    struct rows rows;
    enum err_code rc = db_query(w, Q_flow_run_logs_page,
                                PARAMS(param_uuid(w, run), first ? NULL : at->time,
                                       first ? NULL : at->id, param_i64(w, PAGE_LINES)),
                                &rows);

    if (rc)
        return rc;
    for (int i = 0; i < rows.count; i++)
        put_line(out, &rows, i);
    *out_more = rows.count == PAGE_LINES;
    if (rows.count) {
        stpncpy(at->time, rows_text(&rows, rows.count - 1, 0), sizeof(at->time) - 1);
        stpncpy(at->id, rows_text(&rows, rows.count - 1, 5), sizeof(at->id) - 1);
    }
    return out->full ? err_set(&w->err, INTERNAL, "a page of logs is larger than %d bytes",
                               PAGE_MAX_BYTES)
                     : ERR_OK;
}

/* Each page has an arena of its own, so that memory does not grow with the log. */
static enum err_code write_pages(struct request *rq, int fd)
{
    struct buf b = {.max_bytes = PAGE_MAX_BYTES};
    struct cursor at = {0};
    enum err_code rc = ERR_OK;

    buf_lit(&b, "timestamp,level,flow_run_id,task_run_id,message\r\n");
    for (bool more = true; more && !rc;) {
        struct work page = {
            .server = rq->work.server, .db = rq->work.db, .now_us = rq->work.now_us};
        rc = read_page(&page, rq->ids[0], &at, &b, &more);
        if (rc)
            rq->work.err = page.err;
        else
            rc = write_all(rq, fd, &b);
        b.len = 0;
        arena_reset(&page.arena);
    }
    buf_free(&b);
    return rc;
}

/* The run's name, percent-encoded. */
static const char *disposition(struct arena *a, const char *name)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    static const char hex[] = "0123456789ABCDEF";
    char *encoded = arena_array(a, char, 3 * strlen(name) + 1), *p = encoded;

    for (; *name; name++) {
        unsigned char c = (unsigned char)*name;
        if (strchr(plain, c)) {
            *p++ = (char)c;
            continue;
        }
        *p++ = '%';
        *p++ = hex[c >> 4];
        *p++ = hex[c & 15];
    }
    *p = '\0';
    return arena_printf(
        a, "attachment; filename=\"flow-run-logs.csv\"; filename*=UTF-8''%s-logs.csv", encoded);
}

enum err_code flow_runs_logs_download(struct request *rq)
{
    const char *folder = rq->work.server->config.spool;
    struct rows run;
    enum err_code rc =
        db_query(&rq->work, Q_flow_run_name, PARAMS(param_uuid(&rq->work, rq->ids[0])), &run);

    if (!rc && !run.count)
        rc = err_set(&rq->work.err, NOT_FOUND, "Flow run not found");
    if (rc)
        return rc;
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set(&rq->work.err, IO, "%s: %s", folder, strerror(errno));
    rc = write_pages(rq, fd);
    if (rc) {
        close(fd);
        rq->reply.file_bytes = 0;
        return rc;
    }
    rq->reply.file_fd = fd;
    rq->reply.content_type = "text/csv; charset=utf-8";
    reply_header(rq, "Content-Disposition", disposition(&rq->work.arena, rows_text(&run, 0, 0)));
    return reply_status(rq, 200);
}
