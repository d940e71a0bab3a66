/* UUIDs as 16 bytes and as text.
 * Source: RFC 9562 (version 7: 48 bits of Unix milliseconds, then random bits).
 * Thread: any; ids of one process grow strictly within a millisecond. */
#pragma once
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
