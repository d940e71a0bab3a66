#include "server/store/automation_events.h"

#include "server/model/automation.h"
#include "server/store/events.h"
#include "shared/json/write.h"

enum { EVENT_JSON_MAX_BYTES = 32 << 20, COLUMNS_MAX = 16 };

static struct raw take(struct work *w, struct buf *b)
{
    struct raw raw = {arena_strndup(&w->arena, b->len ? b->bytes : "", b->len), b->len};
    buf_free(b);
    return raw;
}

enum err_code automation_event(struct work *w, const char *what, const struct rows *automation)
{
    struct buf payload = {.max_bytes = EVENT_JSON_MAX_BYTES}, resource = {.max_bytes = 1 << 20};
    struct column columns[COLUMNS_MAX];

    for (int i = 0; i < automation->columns && i < COLUMNS_MAX; i++)
        columns[i] = (struct column){rows_text(automation, 0, i), rows_len(automation, 0, i)};
    json_encode_columns(&payload, &automation_resource, columns);
    write_object(&resource);
    write_key(&resource, "prefect.resource.id");
    write_string(&resource, arena_printf(&w->arena, "prefect.automation.%s", columns[8].text));
    write_key(&resource, "prefect.resource.name");
    write_string(&resource, columns[0].text);
    write_end_object(&resource);
    const struct event event = {
        .id = uuid_v7(),
        .occurred_us = w->now_us,
        .event = arena_printf(&w->arena, "prefect.automation.%s", what),
        .resource = take(w, &resource),
        .related = RAW("[]"),
        .payload = take(w, &payload),
    };
    const struct event *one = &event;
    return events_store(w, &one, 1);
}
