#include "server/model/flow_run_event.h"

#include <stdio.h>
#include <stdlib.h>

#include "shared/json/write.h"

enum {
    MESSAGE_MAX_CHARS = 100000,
    MESSAGE_MAX_BYTES = 1600000,
    ID_TEXT_BYTES = 80,
    TIGHT_US = 300 * 1000000
};

const char *flow_run_event_name(struct arena *a, const struct flow_run_event *e)
{
    return arena_printf(a, "prefect.flow-run.%s", e->state->name);
}

struct uuid flow_run_event_follows(const struct flow_run_event *e)
{
    if (e->initial->type == STATE_NONE ||
        llabs(e->state->timestamp_us - e->initial->timestamp_us) >= TIGHT_US)
        return (struct uuid){0};
    return e->initial->id;
}

static void write_member(struct buf *b, const char *key, const char *value)
{
    write_key(b, key);
    write_string(b, value);
}

static const char *resource_id(char out[static ID_TEXT_BYTES], const char *kind, struct uuid id)
{
    char text[UUID_TEXT_BYTES];

    uuid_format(id, text);
    snprintf(out, ID_TEXT_BYTES, "prefect.%s.%s", kind, text);
    return out;
}

/* ---- messages that are too long keep both ends ---- */

static const char *skip_chars(const char *at, size_t chars)
{
    for (; *at && chars; at++)
        if ((at[1] & 0xc0) != 0x80)
            chars--;
    return at;
}

static size_t count_chars(const char *at)
{
    size_t n = 0;
    for (; *at; at++)
        n += (*at & 0xc0) != 0x80;
    return n;
}

static void write_message(struct buf *b, const char *message)
{
    size_t chars = message ? count_chars(message) : 0;

    if (chars <= MESSAGE_MAX_CHARS + 40) { /* what is cut must be longer than what says so */
        write_string(b, message ? message : "");
        return;
    }
    const char *head_end = skip_chars(message, MESSAGE_MAX_CHARS / 2);
    const char *tail = skip_chars(head_end, chars - MESSAGE_MAX_CHARS);
    struct buf text = {.max_bytes = MESSAGE_MAX_BYTES};
    char between[64];
    int len = snprintf(between, sizeof(between), "...%zu additional characters...",
                       chars - MESSAGE_MAX_CHARS);
    buf_add(&text, message, (size_t)(head_end - message));
    buf_add(&text, between, (size_t)len);
    buf_add(&text, tail, strlen(tail));
    write_string_n(b, text.bytes, text.len);
    buf_free(&text);
}

/* ---- resource ---- */

/* As Python prints it: `+00:00` instead of `Z`. */
static void write_python_time(struct buf *b, int64_t time_us)
{
    char text[TIME_TEXT_BYTES + 8];
    size_t len = time_format(time_us, text);

    memcpy(text + len - 1, "+00:00", sizeof("+00:00"));
    write_string(b, text);
}

void flow_run_event_resource(struct buf *b, const struct flow_run_event *e)
{
    char id[ID_TEXT_BYTES], count[24];

    snprintf(count, sizeof(count), "%lld", (long long)e->run_count);
    write_object(b);
    write_member(b, "prefect.resource.id", resource_id(id, "flow-run", e->flow_run_id));
    write_member(b, "prefect.resource.name", e->flow_run_name);
    write_member(b, "prefect.run-count", count);
    write_key(b, "prefect.state-message");
    write_message(b, e->state->message);
    write_member(b, "prefect.state-name", e->state->name);
    write_key(b, "prefect.state-timestamp");
    write_python_time(b, e->state->timestamp_us);
    write_member(b, "prefect.state-type", state_type_name(e->state->type));
    write_end_object(b);
}

/* ---- related ---- */

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* All tags, sorted, each once. */
static struct strings tag_set(struct arena *a, const struct flow_run_event *e)
{
    struct strings all = {0};
    size_t total = 0, kept = 0;

    for (size_t i = 0; i < COUNT(e->tags); i++)
        total += e->tags[i].count;
    all.items = arena_array(a, const char *, total + 1);
    for (size_t i = 0; i < COUNT(e->tags); i++)
        for (size_t k = 0; k < e->tags[i].count; k++)
            all.items[all.count++] = e->tags[i].items[k];
    qsort(all.items, all.count, sizeof(*all.items), compare_texts);
    for (size_t i = 0; i < all.count; i++)
        if (!i || strcmp(all.items[i], all.items[kept - 1]) != 0)
            all.items[kept++] = all.items[i];
    all.count = kept;
    return all;
}

struct related_row {
    const char *kind, *role;
    const struct related *what;
};
enum { RELATED_ROWS = 6 };

static const char *creator_kind(const struct flow_run_event *e)
{
    if (!e->creator_type)
        return NULL;
    if (!strcmp(e->creator_type, "DEPLOYMENT"))
        return "deployment";
    return strcmp(e->creator_type, "AUTOMATION") ? NULL : "automation";
}

/* In Prefect's order; the creator comes after the tags. */
static void related_rows(const struct flow_run_event *e, struct related_row out[RELATED_ROWS])
{
    const struct related_row rows[RELATED_ROWS] = {
        {"flow", "flow", &e->flow},
        {"deployment", "deployment", &e->deployment},
        {"work-queue", "work-queue", &e->work_queue},
        {"work-pool", "work-pool", &e->work_pool},
        {"task-run", "task-run", &e->parent_task_run},
        {creator_kind(e), "creator", &e->creator},
    };
    memcpy(out, rows, sizeof(rows));
}

static void write_related(struct buf *b, const struct flow_run_event *e,
                          const struct related_row *row)
{
    char id[ID_TEXT_BYTES];

    if (uuid_is_nil(row->what->id) || !row->kind)
        return;
    write_object(b);
    write_member(b, "prefect.resource.id", resource_id(id, row->kind, row->what->id));
    write_member(b, "prefect.resource.role", row->role);
    if (row->what->name)
        write_member(b, "prefect.resource.name", row->what->name);
    if (row->what == &e->work_pool && e->work_pool_type)
        write_member(b, "prefect.work-pool.type", e->work_pool_type);
    write_end_object(b);
}

void flow_run_event_related(struct arena *a, struct buf *b, const struct flow_run_event *e)
{
    struct related_row rows[RELATED_ROWS];
    struct strings tags = tag_set(a, e);

    related_rows(e, rows);
    write_array(b);
    for (size_t i = 0; i < RELATED_ROWS - 1; i++)
        write_related(b, e, &rows[i]);
    for (size_t i = 0; i < tags.count; i++) {
        write_object(b);
        write_member(b, "prefect.resource.id", arena_printf(a, "prefect.tag.%s", tags.items[i]));
        write_member(b, "prefect.resource.role", "tag");
        write_end_object(b);
    }
    write_related(b, e, &rows[RELATED_ROWS - 1]);
    write_end_array(b);
}

struct strings flow_run_event_related_ids(struct arena *a, const struct flow_run_event *e)
{
    struct related_row rows[RELATED_ROWS];
    struct strings tags = tag_set(a, e);
    struct strings ids = {arena_array(a, const char *, RELATED_ROWS + tags.count), 0};
    char id[ID_TEXT_BYTES];

    related_rows(e, rows);
    for (size_t i = 0; i < RELATED_ROWS; i++)
        if (!uuid_is_nil(rows[i].what->id) && rows[i].kind)
            ids.items[ids.count++] =
                arena_printf(a, "%s", resource_id(id, rows[i].kind, rows[i].what->id));
    for (size_t i = 0; i < tags.count; i++)
        ids.items[ids.count++] = arena_printf(a, "prefect.tag.%s", tags.items[i]);
    return ids;
}

/* ---- payload ---- */

static void write_type(struct buf *b, const char *key, const struct state *s)
{
    write_key(b, key);
    write_string(b, s->type == STATE_NONE ? NULL : state_type_name(s->type));
}

static void write_state(struct buf *b, const char *key, const struct state *s)
{
    write_key(b, key);
    if (s->type == STATE_NONE) {
        write_null(b);
        return;
    }
    write_object(b);
    write_member(b, "type", state_type_name(s->type));
    if (s->name && *s->name)
        write_member(b, "name", s->name);
    if (s->message && *s->message) {
        write_key(b, "message");
        write_message(b, s->message);
    }
    if (s->type == STATE_PAUSED)
        write_member(b, "pause_reschedule", s->details.pause_reschedule ? "true" : "false");
    write_end_object(b);
}

void flow_run_event_payload(struct buf *b, const struct flow_run_event *e)
{
    write_object(b);
    write_key(b, "intended");
    write_object(b);
    write_type(b, "from", e->initial);
    write_type(b, "to", e->state);
    write_end_object(b);
    write_state(b, "initial_state", e->initial);
    write_state(b, "validated_state", e->state);
    write_end_object(b);
}
