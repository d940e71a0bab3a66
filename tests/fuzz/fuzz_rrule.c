/* Properties: a refusal has a reason; dates of what is accepted ascend, lie in the range and end.
 */
#include <stdlib.h>
#include <string.h>

#include "server/model/rrule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { FROM_S = 1700000000, TO_S = FROM_S + 100 * 86400 };
    struct arena arena = {0};
    struct rrule_set *set = NULL;
    struct err e = {0};
    const char *text = arena_strndup(&arena, (const char *)data, size);
    if (rrule_parse(&arena, text, &set, &e)) {
        if (e.code != ERR_INVALID || !e.detail[0])
            abort();
    } else {
        int64_t before = FROM_S - 1, at;
        struct rrule_walk *w = rrule_walk_new(&arena, set, FROM_S, TO_S);
        for (int i = 0; i < 20 && rrule_walk_next(w, &at); i++, before = at)
            if (at <= before || at > TO_S)
                abort();
    }
    arena_reset(&arena);
    return 0;
}
