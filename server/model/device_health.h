/* Whether a health check tells that a device is well: pure.
 *
 * The golden model's energy must lie within declared limits, or within the mean of the device's
 * earlier checks +- `sigmas` standard deviations once there are HEALTH_PAST_MIN of them; a standard
 * deviation is taken as HEALTH_SIGMA_REL_MIN of the mean at least, as figures can agree by chance.
 * Before that any valid measurement passes.  A flow that measures nothing passes by completing,
 * unless limits are declared.
 *
 * Units: joules per inference.  Thread: any. */
#pragma once
#include "shared/base/arena.h"

enum { HEALTH_PAST_MIN = 5, HEALTH_PAST_MAX = 20 };
#define HEALTH_SIGMAS        3.0
#define HEALTH_SIGMA_REL_MIN 0.005

struct health_facts {
    const char *state, *message; /* of the run that is over */
    bool measured, valid;
    double value_j;
    const char *failed_gates;
    double low_j, high_j; /* declared; NAN: not */
    double sigmas;
    double past_j[HEALTH_PAST_MAX];
    size_t past_count;
};

enum health_result { HEALTH_UNDECIDED, HEALTH_FAILED, HEALTH_PASSED };

struct health_verdict {
    enum health_result result;
    double low_j, high_j; /* NAN: none */
    const char *reason;
};

struct health_verdict health_judge(struct arena *a, const struct health_facts *f);
