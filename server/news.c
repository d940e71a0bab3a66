#include "server/news.h"

#include "server/agenda.h"
#include "server/api/access.h"
#include "server/api/catch_up.h"
#include "server/api/task_workers.h"
#include "server/api/worker_channel.h"
#include "server/db/notify.h"
#include "server/http/parking.h"
#include "server/reset.h"

static const struct notify_row rows[] = {
    {"due", agenda_heard},        /* something is due earlier */
    {"ring", parking_heard},      /* long polls on a topic */
    {"task", task_workers_heard}, /* a background task run was queued */
    {"access", access_heard},     /* API keys changed */
    {"csrf", csrf_heard},         /* a client got another token */
    {"reset", reset_heard},       /* the database was emptied */
    {"events", events_heard},     /* some were stored */
    {"logs", logs_heard},         {"pool", worker_channels_heard}, /* a work pool changed */
};

void news_start(struct server *s)
{
    s->notify = notify_start(s, rows, COUNT(rows));
}

void news_stop(struct server *s)
{
    notify_stop(s->notify);
    s->notify = NULL;
}
