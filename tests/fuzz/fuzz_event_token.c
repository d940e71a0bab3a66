/* The input is a page token.  Property: a text that is one is written again as the same values. */
#include <stdlib.h>
#include <string.h>

#include "server/model/event_token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct event_token token, again;

    if (size <= 4096 &&
        event_token_read(&arena, arena_strndup(&arena, (const char *)data, size), &token)) {
        require(token.page_size <= EVENT_PAGE_MAX);
        require(event_token_read(&arena, event_token_write(&arena, &token), &again));
        require(again.since_us == token.since_us && again.until_us == token.until_us &&
                again.total == token.total && again.seen == token.seen &&
                again.after_us == token.after_us &&
                memcmp(&again.after, &token.after, sizeof(token.after)) == 0);
    }
    arena_reset(&arena);
    return 0;
}
