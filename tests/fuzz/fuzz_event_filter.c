/* The input is a filter of events, and after a line end the event that it is held against.
 * Properties: a refusal has a reason; a filter takes an event or not, always the same way; what
 * restricts less takes it too. */
#include <stdlib.h>
#include <string.h>

#include "server/model/event_filter.h"
#include "server/model/log_filter.h"
#include "shared/base/clock.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 4096 };
#define NOW_US INT64_C(1795391999000000)
static const struct loc at = {NULL, "filter", 0};

static void require(bool ok)
{
    if (!ok)
        abort();
}

static bool read_event(struct arena *a, const char *text, size_t len, struct event *out)
{
    static const char plain[] = "{\"id\":\"01920000-0000-7000-8000-000000000001\",\"occurred\":0,"
                                "\"event\":\"a.b\",\"resource\":{\"prefect.resource.id\":\"x\"}}";
    struct invalid bad = {.arena = a};
    struct err e;

    if (json_decode_text(a, &event_resource, text, len, out, &e) != ERR_OK)
        return json_decode_text(a, &event_resource, plain, sizeof(plain) - 1, out, &e) == ERR_OK;
    if (event_check(&event_limits_default, out, &at, &bad) != ERR_OK)
        require(bad.count && bad.first[0]);
    return true;
}

static void hold(struct arena *a, struct val filter, const struct event *e)
{
    struct invalid bad = {.arena = a};
    struct event_filter f;
    struct event_view view = event_view(a, e);

    if (event_filter_decode(filter, &at, NOW_US, &f, &bad) != ERR_OK) {
        require(bad.count && bad.first[0]);
        return;
    }
    bool taken = event_filter_match(a, &f, &view);
    require(taken == event_filter_match(a, &f, &view));
    f.since_us = INT64_MIN;
    f.until_us = INT64_MAX;
    f.prefix = f.exclude_prefix = f.name = f.exclude_name = (struct strings){0};
    f.related = f.any_resource = (struct resource_specs){0};
    f.query = NULL;
    require(!taken || event_filter_match(a, &f, &view));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct doc_error syntax;
    struct doc doc;
    struct event e;
    struct log_filter logs;
    struct log line = {.name = "n", .message = "m", .timestamp_us = NOW_US};
    const char *text = arena_strndup(&arena, (const char *)data, size), *end = strchr(text, '\n');
    size_t len = end ? (size_t)(end - text) : strlen(text);

    if (size <= INPUT_MAX && doc_parse(&arena, text, len, &doc, &syntax)) {
        struct invalid bad = {.arena = &arena};
        const char *rest = end ? end + 1 : "";
        require(read_event(&arena, rest, strlen(rest), &e));
        hold(&arena, doc_root(&doc), &e);
        if (log_filter_decode(doc_root(&doc), &at, &logs, &bad) == ERR_OK)
            (void)log_filter_match(&arena, &logs, &line);
        else
            require(bad.count && bad.first[0]);
    }
    arena_reset(&arena);
    return 0;
}
