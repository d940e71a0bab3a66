#include "server/store/task_queue.h"

#include "server/db/params.h"

enum err_code task_queue_put(struct work *w, struct uuid task_run, bool again)
{
    struct rows none;
    return db_query(w, Q_task_queue_put, PARAMS(param_uuid(w, task_run), param_bool(again)), &none);
}

enum err_code task_queue_take(struct work *w, struct strings keys, struct task_hold *out)
{
    struct rows rows;
    enum err_code rc = db_query(
        w, Q_task_queue_take, PARAMS(param_text_array(w, keys), param_i64(w, TASK_HOLD_S)), &rows);

    *out = (struct task_hold){.until = NULL};
    if (!rc && rows.count &&
        uuid_parse(rows_text(&rows, 0, 0), rows_len(&rows, 0, 0), &out->task_run_id))
        out->until = rows_text(&rows, 0, 1);
    return rc;
}

static enum err_code end_hold(struct work *w, enum query q, const struct task_hold *hold)
{
    struct rows none;
    return db_query(w, q, PARAMS(param_uuid(w, hold->task_run_id), hold->until), &none);
}

enum err_code task_queue_acknowledge(struct work *w, const struct task_hold *hold)
{
    return end_hold(w, Q_task_queue_acknowledge, hold);
}

enum err_code task_queue_release(struct work *w, const struct task_hold *hold)
{
    return end_hold(w, Q_task_queue_release, hold);
}

enum err_code task_queue_sweep(struct work *w)
{
    struct rows none;
    return db_query(w, Q_task_queue_sweep, NULL, &none);
}
