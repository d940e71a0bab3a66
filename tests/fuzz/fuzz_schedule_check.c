/* Properties: a refusal tells why; what is accepted can be read by the scheduler, its dates ascend
 * within the range, and what is stored of it is accepted and has the same dates. */
#include <stdlib.h>
#include <string.h>

#include "server/model/deployment.h"
#include "server/model/schedule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 2048, DATES_MAX = 8 };
#define NOW_US   INT64_C(1704067200000000)
#define RANGE_US (INT64_C(100) * 86400 * 1000000)

static void require(bool ok)
{
    if (!ok)
        abort();
}

static bool accepts(struct arena *a, const char *text, size_t len, struct val *out)
{
    const char *body = arena_printf(a, "{\"schedule\":%.*s}", (int)len, text);
    struct invalid bad = {.arena = a};
    struct deployment_schedule s;
    struct doc_error error;
    struct doc *doc = arena_new(a, struct doc);

    if (!doc_parse(a, body, strlen(body), doc, &error))
        return false;
    *out = val_get(doc_root(doc), "schedule");
    if (json_decode(&deployment_schedule_create_resource, doc_root(doc), &loc_body, &s, &bad) ==
        ERR_OK)
        return true;
    require(bad.count && bad.first[0]);
    return false;
}

static struct schedule_dates dates_of(struct arena *a, struct zones *zones, struct val v,
                                      struct buf *stored)
{
    struct schedule schedule;
    struct schedule_dates dates;
    struct err e = {0};

    require(schedule_read(a, zones, v, NOW_US, &schedule, &e) == ERR_OK);
    schedule_dates(a, &schedule, NOW_US, NOW_US + RANGE_US, DATES_MAX, &dates);
    require(dates.count <= DATES_MAX);
    for (size_t i = 0; i < dates.count; i++)
        require(dates.items[i] >= (i ? dates.items[i - 1] + 1 : NOW_US) &&
                dates.items[i] <= NOW_US + RANGE_US);
    schedule_write(stored, &schedule);
    require(!stored->full);
    return dates;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a = {0};
    struct zones *zones = zones_new(NULL);
    struct buf once = {.max_bytes = 1 << 20}, twice = {.max_bytes = 1 << 20};
    const char *text = arena_strndup(&a, (const char *)data, size);
    struct val v;

    if (size <= INPUT_MAX && !memchr(text, 0, size) && accepts(&a, text, size, &v)) {
        struct schedule_dates first = dates_of(&a, zones, v, &once);
        require(accepts(&a, once.bytes, once.len, &v));
        struct schedule_dates again = dates_of(&a, zones, v, &twice);
        require(first.count == again.count);
        require(!first.count ||
                !memcmp(first.items, again.items, first.count * sizeof(*first.items)));
    }
    buf_free(&once);
    buf_free(&twice);
    zones_free(zones);
    arena_reset(&a);
    return 0;
}
