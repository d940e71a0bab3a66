/* The block types that Prefect's SDK and dashboard expect everywhere: Secret, Webhook,
 * LocalFileSystem.
 *
 * Their fields must be those of the SDK to the letter, since the SDK looks schemas up by their
 * checksum. Source: Prefect 3.9.1 (Apache-2.0), as its server answers them. */
#pragma once
#include "shared/base/base.h"

enum { BLOCK_SYSTEM_CAPABILITIES_MAX = 6 };

struct block_system {
    const char *type;   /* JSON of a block type */
    const char *fields; /* JSON of its schema's fields */
    const char *capabilities[BLOCK_SYSTEM_CAPABILITIES_MAX];
    const char *version;
};

extern const struct block_system block_systems[];
extern const size_t block_system_count;
