#include "server/model/limits.h"

/* Prefect's defaults. */
static struct limits current = {
    .parameters_bytes = 512 << 10, .cache_key_chars = 2000, .scheduled_runs = 50, .tag_wait_s = 10};

const struct limits *limits(void)
{
    return &current;
}

void limits_set(const struct limits *values)
{
    current = *values;
}
