/* What a firmware build says about flash and RAM, read line by line from its output.
 *
 * Understands `arm-none-eabi-size -B`, Mbed's memap table, and the linker's refusal.
 * Source: GNU ld ("region `FLASH' overflowed by N bytes"), binutils size(1), mbed-os tools/memap.
 */
#pragma once
#include "shared/base/base.h"

struct firmware_size {
    int64_t flash_bytes;    /* text + data; -1: not known */
    int64_t ram_bytes;      /* data + bss, without heap and stack; -1: not known */
    int64_t overflow_bytes; /* of the region that overflows most; 0: it fits */
    char region[32];        /* its name, "" when it fits */
    bool table;             /* the next line is a row of size(1) */
};

#define FIRMWARE_SIZE_UNKNOWN                                                                      \
    {                                                                                              \
        .flash_bytes = -1, .ram_bytes = -1                                                         \
    }

void firmware_size_line(struct firmware_size *size, const char *line);
