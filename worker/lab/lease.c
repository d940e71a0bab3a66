#include "worker/lab/lease.h"

#include <time.h>

#include "shared/base/base.h"

int64_t lease_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void lease_extend(struct lease *lease, int64_t sent_us, double seconds)
{
    atomic_store(&lease->until_us, sent_us + (int64_t)((seconds - LEASE_GUARD_S) * 1e6));
}

/* A short lease has a short margin. */
bool lease_ends(const struct lease *lease, double seconds)
{
    double margin_s = seconds / 4 < LEASE_MARGIN_S ? seconds / 4 : LEASE_MARGIN_S;
    int64_t until_us = atomic_load(&lease->until_us);
    return until_us && lease_now_us() >= until_us - (int64_t)(margin_s * 1e6);
}

int64_t lease_left_us(const struct lease *lease)
{
    int64_t until_us = atomic_load(&lease->until_us), now_us = lease_now_us();
    if (atomic_load(&lease->lost))
        return 0;
    if (!until_us)
        return INT64_MAX;
    return now_us < until_us ? until_us - now_us : 0;
}

bool lease_is_over(const struct lease *lease)
{
    return lease_left_us(lease) == 0;
}

enum err_code lease_check(const struct lease *lease, const char *device, struct err *e)
{
    if (!lease || !lease_is_over(lease))
        return ERR_OK;
    if (atomic_load(&lease->lost))
        return err_set(e, CONFLICT, "the lease of %s (token %lld) was lost: it is not driven",
                       device, (long long)lease->token);
    return err_set(e, CONFLICT,
                   "the lease of %s (token %lld) is over, the server was not heard of in time: "
                   "it is not driven",
                   device, (long long)lease->token);
}
