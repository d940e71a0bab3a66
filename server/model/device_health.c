#include "server/model/device_health.h"

#include <math.h>
#include <string.h>

/* Mean and standard deviation of what passed before. */
static void control_limits(const struct health_facts *f, struct health_verdict *v)
{
    double mean = 0, squares = 0;

    for (size_t i = 0; i < f->past_count; i++)
        mean += f->past_j[i] / (double)f->past_count;
    for (size_t i = 0; i < f->past_count; i++)
        squares += (f->past_j[i] - mean) * (f->past_j[i] - mean);
    double sigma = fmax(sqrt(squares / (double)(f->past_count - 1)), HEALTH_SIGMA_REL_MIN * mean);
    v->low_j = mean - f->sigmas * sigma;
    v->high_j = mean + f->sigmas * sigma;
}

static const char *range(struct arena *a, const struct health_verdict *v)
{
    if (isnan(v->low_j))
        return arena_printf(a, "at most %.6g J", v->high_j);
    if (isnan(v->high_j))
        return arena_printf(a, "at least %.6g J", v->low_j);
    return arena_printf(a, "%.6g to %.6g J", v->low_j, v->high_j);
}

static struct health_verdict hold(struct arena *a, const struct health_facts *f,
                                  struct health_verdict v)
{
    bool inside = !(f->value_j < v.low_j) && !(f->value_j > v.high_j);

    v.result = inside ? HEALTH_PASSED : HEALTH_FAILED;
    v.reason = arena_printf(a, "health check: %.6g J per inference, %s %s", f->value_j,
                            inside ? "within" : "outside of", range(a, &v));
    return v;
}

struct health_verdict health_judge(struct arena *a, const struct health_facts *f)
{
    struct health_verdict v = {HEALTH_FAILED, f->low_j, f->high_j, NULL};
    bool declared = !isnan(f->low_j) || !isnan(f->high_j);
    bool stopped = strcmp(f->state, "CANCELLED") == 0 || strcmp(f->state, "CRASHED") == 0;

    if (stopped) { /* by people, or with its agent */
        v.result = HEALTH_UNDECIDED;
        v.reason = arena_printf(a, "health check was not finished: %.300s", f->message);
    } else if (strcmp(f->state, "COMPLETED") != 0) {
        v.reason = arena_printf(a, "health check failed: %.300s", f->message);
    } else if (!f->measured) {
        v.result = declared ? HEALTH_FAILED : HEALTH_PASSED;
        v.reason = declared ? "health check: no measurement" : "health check completed";
    } else if (!f->valid) {
        v.reason = arena_printf(a, "health check: not a result: %.200s", f->failed_gates);
    } else if (declared || f->past_count >= HEALTH_PAST_MIN) {
        if (!declared)
            control_limits(f, &v);
        return hold(a, f, v);
    } else {
        v.result = HEALTH_PASSED;
        v.reason =
            arena_printf(a, "health check: %.6g J per inference, %zu of %d before limits hold",
                         f->value_j, f->past_count, HEALTH_PAST_MIN);
    }
    return v;
}
