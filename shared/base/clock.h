/* Points in time are microseconds since 1970-01-01T00:00:00Z in int64_t, named *_us.
 * TIME_NONE stands for "not set".  Thread: any. */
#pragma once
#include "shared/base/base.h"

#define TIME_NONE INT64_MIN
enum { TIME_TEXT_BYTES = 32 };

int64_t clock_now_us(void);
/* For deadlines and durations: never steps. */
int64_t clock_monotonic_us(void);

/* Prefect's form: `2024-01-01T00:00:00Z`, with exactly 6 digits of fraction when not zero.
 * Returns the length. */
size_t time_format(int64_t time_us, char out_text[static TIME_TEXT_BYTES]);

/* ISO 8601 date-time: 'T', 't', '_' or a blank between date and time, any offset, `Z`, or none
 * (UTC); a date alone is midnight UTC; fractions beyond microseconds are cut. */
MUST_CHECK bool time_parse(const char *text, size_t len, int64_t *out_us);
