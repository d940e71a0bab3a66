#include "server/store/logs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "shared/base/buf.h"
#include "shared/base/clock.h"

enum { COPY_MAX_BYTES = 512 << 20 };

/* PostgreSQL's text format of COPY. */
static void put_text(struct buf *b, const char *text)
{
    static const char specials[] = "\\\t\n\r";
    const char *run = text;

    for (;; run = text) {
        text += strcspn(text, specials);
        buf_add(b, run, (size_t)(text - run));
        if (!*text)
            return;
        const char escaped[2] = {'\\', "\\tnr"[strchr(specials, *text) - specials]};
        buf_add(b, escaped, sizeof(escaped));
        text++;
    }
}

static void put_uuid(struct buf *b, struct uuid id)
{
    static const struct uuid nil;
    char text[UUID_TEXT_BYTES];

    if (memcmp(&id, &nil, sizeof(id)) == 0) {
        buf_lit(b, "\\N");
        return;
    }
    uuid_format(id, text);
    buf_add(b, text, UUID_TEXT_BYTES - 1);
}

static void put_log(struct buf *b, const struct log *l)
{
    char number[24], time[TIME_TEXT_BYTES];

    put_uuid(b, uuid_v7());
    buf_lit(b, "\t");
    put_text(b, l->name);
    buf_lit(b, "\t");
    buf_add(b, number, (size_t)snprintf(number, sizeof(number), "%" PRId64, l->level));
    buf_lit(b, "\t");
    put_uuid(b, l->flow_run_id);
    buf_lit(b, "\t");
    put_uuid(b, l->task_run_id);
    buf_lit(b, "\t");
    put_text(b, l->message);
    buf_lit(b, "\t");
    buf_add(b, time, time_format(l->timestamp_us, time));
    buf_lit(b, "\n");
}

enum err_code logs_store(struct work *w, const struct log_batch *batches, size_t count)
{
    struct buf text = {.max_bytes = COPY_MAX_BYTES};
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < batches[i].count; k++)
            put_log(&text, &batches[i].logs[k]);
    if (text.full)
        rc = err_set(&w->err, TOO_LARGE, "a batch of logs has more than %d bytes", COPY_MAX_BYTES);
    else if (text.len)
        rc = db_copy_in(w,
                        "COPY log (id, name, level, flow_run_id, task_run_id, message, "
                        "\"timestamp\") FROM STDIN",
                        text.bytes, text.len);
    buf_free(&text);
    return rc;
}
