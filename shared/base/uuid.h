/* UUIDs as 16 bytes and as text.
 * Source: RFC 9562 (version 7: 48 bits of Unix milliseconds, then random bits).
 * Thread: any; ids of one process grow strictly within a millisecond. */
#pragma once
#include <string.h>

#include "shared/base/base.h"

enum { UUID_TEXT_BYTES = 37 }; /* 36 characters and the final zero */

struct uuid {
    uint8_t bytes[16];
};

struct uuid uuid_v7(void);
struct uuid uuid_v4(void);

/* Lower case, with hyphens. */
void uuid_format(struct uuid id, char out_text[static UUID_TEXT_BYTES]);

/* Accepts what Prefect's routes accept: hyphenated or 32 digits, either case. */
MUST_CHECK bool uuid_parse(const char *text, size_t len, struct uuid *out);

/* The nil UUID stands for "not set". */
static inline bool uuid_is_nil(struct uuid id)
{
    return !memcmp(id.bytes, (struct uuid){0}.bytes, sizeof(id.bytes));
}

static inline bool uuid_equal(struct uuid a, struct uuid b)
{
    return !memcmp(a.bytes, b.bytes, sizeof(a.bytes));
}
