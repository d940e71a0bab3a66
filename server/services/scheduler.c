#include "server/services/scheduler.h"

#include "server/store/schedule_runs.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"

enum { MISFIRES_BATCH = 400 };

enum err_code scheduler_run(struct pass *p)
{
    const struct settings *s = &p->w->server->config.settings;
    const struct schedule_rules rules = {
        .min_runs = settings_int(s, SETTING_SERVER_SERVICES_SCHEDULER_MIN_RUNS),
        .max_runs = settings_int(s, SETTING_SERVER_SERVICES_SCHEDULER_MAX_RUNS),
        .min_time_us = settings_us(s, SETTING_SERVER_SERVICES_SCHEDULER_MIN_SCHEDULED_TIME),
        .max_time_us = settings_us(s, SETTING_SERVER_SERVICES_SCHEDULER_MAX_SCHEDULED_TIME),
        .batch = settings_int(s, SETTING_SERVER_SERVICES_SCHEDULER_DEPLOYMENT_BATCH_SIZE),
    };
    int64_t next_us = TIME_NONE;
    enum err_code rc = schedule_runs_make_due(p->w, &rules, &next_us);

    if (next_us != TIME_NONE)
        p->next_us = next_us;
    return rc;
}

enum err_code misfires_run(struct pass *p)
{
    const struct settings *s = &p->w->server->config.settings;
    int64_t next_us = TIME_NONE;
    size_t count = 0;
    enum err_code rc =
        misfires_cancel(p->w, settings_us(s, SETTING_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS),
                        MISFIRES_BATCH, &count, &next_us);

    if (count)
        log_info("runs_skipped", KV_I("runs", (int64_t)count));
    if (next_us != TIME_NONE)
        p->next_us = next_us;
    return rc;
}
