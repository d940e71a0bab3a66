#include "worker/trim.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { LINE_BYTES = 4352 };

struct mapping {
    uintptr_t start, end;
    bool droppable; /* of a file, not writable */
};

static bool read_head(const char *line, struct mapping *out)
{
    char flags[5], file[2] = "";
    unsigned long start, end;

    if (sscanf(line, "%lx-%lx %4s %*s %*s %*s %1s", &start, &end, flags, file) < 3)
        return false;
    *out = (struct mapping){start, end, file[0] == '/' && flags[1] == '-' && flags[3] == 'p'};
    return true;
}

void trim_memory(void)
{
    char line[LINE_BYTES];
    struct mapping m = {0};
    unsigned long dirty_kb;
    FILE *f = fopen("/proc/self/smaps", "re");

    malloc_trim(0);
    while (f && fgets(line, sizeof(line), f)) {
        if (read_head(line, &m))
            continue;
        if (sscanf(line, "Private_Dirty: %lu", &dirty_kb) == 1 && !dirty_kb && m.droppable)
            madvise((void *)m.start, m.end - m.start, MADV_DONTNEED);
    }
    if (f)
        fclose(f);
}
