#include "server/model/retry_policy.h"

#include <stdlib.h>

/* Reads the numbers of `12`, `1.5` or `[1, 10, 100]`, whose form was checked when it came in. */
double retry_policy_delay_s(const struct retry_policy *p, int64_t run_count)
{
    const char *at = p->retry_delay.text;
    int64_t attempt = run_count > 1 ? run_count : 1;
    double delay_s = 0;

    if (!at)
        return p->retry_delay_s == INT_NONE ? 0 : (double)p->retry_delay_s;
    for (int64_t i = 0; i < attempt && *at; i++) {
        at += strspn(at, "[, \t\r\n");
        if (!*at || *at == ']')
            break;
        char *end;
        delay_s = strtod(at, &end);
        if (end == at)
            break;
        at = end;
    }
    return delay_s;
}
