/* Properties: a refusal has a reason; dates of what is accepted ascend and end. */
#include <stdlib.h>
#include <string.h>

#include "server/model/cron.h"
#include "shared/base/arena.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct cron c;
    struct err e = {0};
    const char *text = arena_strndup(&arena, (const char *)data, size);
    if (cron_parse(text, &c, &e)) {
        if (e.code != ERR_INVALID || !e.detail[0])
            abort();
    } else {
        int64_t at = 1700000000, next;
        for (int i = 0; i < 5 && cron_next(&c, at, &next); i++, at = next)
            if (next <= at)
                abort();
    }
    arena_reset(&arena);
    return 0;
}
