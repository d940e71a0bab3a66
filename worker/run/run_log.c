#include "worker/run/run_log.h"

#include <string.h>

#include "shared/base/clock.h"
#include "shared/json/write.h"

/* A line of 16 KB may grow sixfold when it is escaped. */
enum { FLUSH_BYTES = 64 << 10, RECORD_MAX_BYTES = 1 << 20 };

static void open_record(struct run_log *log)
{
    struct buf *b = &log->record;

    b->max_bytes = RECORD_MAX_BYTES;
    write_object(b);
    write_key(b, "flow_run_id");
    write_string(b, log->flow_run_id);
    write_key(b, "token");
    write_int64(b, log->token);
    write_key(b, "logs");
    write_array(b);
}

bool run_log_add(struct run_log *log, const char *logger, int level, const char *task_run_id,
                 const char *text, size_t len)
{
    struct buf *b = &log->record;

    if (!b->len)
        open_record(log);
    write_object(b);
    write_key(b, "name");
    write_string(b, logger);
    write_key(b, "level");
    write_int64(b, level);
    write_key(b, "message");
    write_string_n(b, text, len);
    write_key(b, "timestamp");
    write_time(b, clock_now_us());
    write_key(b, "flow_run_id");
    write_string(b, log->flow_run_id);
    if (task_run_id) {
        write_key(b, "task_run_id");
        write_string(b, task_run_id);
    }
    write_end_object(b);
    if (b->len >= FLUSH_BYTES)
        run_log_flush(log);
    return log->record.len > 0;
}

void run_log_flush(struct run_log *log)
{
    struct buf *b = &log->record;

    if (!b->len)
        return;
    write_end_array(b);
    write_end_object(b);
    (void)journal_add(log->journal, "logs", b->bytes, b->len, NULL, NULL);
    b->len = 0;
}

void run_log_free(struct run_log *log)
{
    buf_free(&log->record);
}
