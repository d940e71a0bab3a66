#include "server/model/work_pool_status.h"

enum { US_PER_S = 1000000, HEARTBEAT_DEFAULT_S = 30, HEARTBEATS_MISSED = 3, POLLED_WITHIN_S = 60 };

const char *work_status_name(enum work_status status)
{
    static const char *const names[] = {"NOT_READY", "READY", "PAUSED"};
    return names[status];
}

bool worker_is_online(int64_t last_heartbeat_us, int64_t interval_s, int64_t now_us)
{
    if (last_heartbeat_us == TIME_NONE)
        return false;
    if (interval_s <= 0)
        interval_s = HEARTBEAT_DEFAULT_S;
    return now_us - last_heartbeat_us <= HEARTBEATS_MISSED * interval_s * US_PER_S;
}

enum work_status work_pool_status(bool paused, int64_t online_workers)
{
    return paused ? WORK_PAUSED : online_workers > 0 ? WORK_READY : WORK_NOT_READY;
}

static bool polled_lately(int64_t last_polled_us, int64_t now_us)
{
    return last_polled_us != TIME_NONE && now_us - last_polled_us <= POLLED_WITHIN_S * US_PER_S;
}

enum work_status work_queue_status(bool paused, int64_t last_polled_us, int64_t now_us)
{
    if (paused)
        return WORK_PAUSED;
    return polled_lately(last_polled_us, now_us) ? WORK_READY : WORK_NOT_READY;
}

enum work_status deployment_status(int64_t last_polled_us, int64_t now_us)
{
    return polled_lately(last_polled_us, now_us) ? WORK_READY : WORK_NOT_READY;
}
