#include "server/store/event_emit.h"

#include <string.h>

#include "server/db/columns.h"
#include "server/db/params.h"
#include "server/store/events.h"
#include "shared/json/write.h"

enum { PAYLOAD_MAX_BYTES = 4 << 20 };

/* Columns of event_about_*. */
enum { C_RESOURCE_ID, C_RESOURCE, C_RELATED, C_PAYLOAD, C_FOLLOWS, C_POOL };

static const struct subject {
    const char *name;
    enum query about;
    int fields;       /* query, -1: none */
    const char *find; /* the row of that name */
} subjects[SUBJECTS] = {
    [SUBJECT_FLOW] = {"flow", Q_event_about_flow, -1},
    [SUBJECT_DEPLOYMENT] = {"deployment", Q_event_about_deployment, Q_event_fields_deployment},
    [SUBJECT_WORK_POOL] = {"work-pool", Q_event_about_work_pool, Q_event_fields_work_pool,
                           "SELECT id FROM work_pool WHERE name = $1"},
    [SUBJECT_WORK_QUEUE] = {"work-queue", Q_event_about_work_queue, Q_event_fields_work_queue},
    [SUBJECT_VARIABLE] = {"variable", Q_event_about_variable, -1,
                          "SELECT id FROM variable WHERE name = $1"},
    [SUBJECT_CONCURRENCY_LIMIT] = {"concurrency-limit", Q_event_about_concurrency_limit, -1,
                                   "SELECT id FROM concurrency_limit WHERE name = $1"},
    [SUBJECT_BLOCK_TYPE] = {"block-type", Q_event_about_block_type, -1},
    [SUBJECT_BLOCK_DOCUMENT] = {"block-document", Q_event_about_block_document, -1},
    [SUBJECT_ARTIFACT_COLLECTION] = {"artifact-collection", Q_event_about_artifact_collection, -1},
};

static bool is_status(const char *what)
{
    static const char *const statuses[] = {"ready", "not-ready", "paused"};

    for (size_t i = 0; i < COUNT(statuses); i++)
        if (strcmp(what, statuses[i]) == 0)
            return true;
    return false;
}

static struct raw column(const struct rows *r, int row, int at)
{
    return (struct raw){rows_text(r, row, at), rows_len(r, row, at)};
}

static struct uuid uuid_column(const struct rows *r, int row, int at)
{
    struct uuid id = {{0}};
    const char *text = rows_text(r, row, at);

    if (text && !uuid_parse(text, rows_len(r, row, at), &id))
        return (struct uuid){{0}};
    return id;
}

/* The next status event of a pool follows this one. */
static enum err_code keep_status_events(struct work *w, const struct rows *about,
                                        const struct event *const *events)
{
    struct array columns[2] = {0};
    const char *parameters[2];
    struct rows none;

    for (int i = 0; i < about->count; i++) {
        array_uuid(&columns[0], uuid_column(about, i, C_POOL));
        array_uuid(&columns[1], events[i]->id);
    }
    enum err_code rc = arrays_finish(w, columns, COUNT(columns), parameters);
    if (!rc)
        rc = db_query(w, Q_event_status_of_pools, parameters, &none);
    arrays_free(columns, COUNT(columns));
    return rc;
}

/* `payload` stands in for that of the resource unless it is empty. */
static enum err_code emit(struct work *w, enum event_subject subject, const char *what,
                          struct uuids ids, struct raw payload)
{
    bool status = is_status(what);
    struct rows about;
    enum err_code rc = db_query(w, subjects[subject].about,
                                PARAMS(param_uuid_array(w, ids), param_bool(status)), &about);

    if (rc || !about.count)
        return rc;
    size_t count = (size_t)about.count;
    struct event *events = arena_array(&w->arena, struct event, count);
    const struct event **list = arena_array(&w->arena, const struct event *, count);
    for (int i = 0; i < about.count; i++) {
        events[i] = (struct event){
            .id = uuid_v7(),
            .occurred_us = w->now_us,
            .event = arena_printf(&w->arena, "prefect.%s.%s", subjects[subject].name, what),
            .resource = column(&about, i, C_RESOURCE),
            .related = column(&about, i, C_RELATED),
            .payload = payload.text ? payload : column(&about, i, C_PAYLOAD),
            .follows = uuid_column(&about, i, C_FOLLOWS),
        };
        list[i] = &events[i];
    }
    rc = events_store(w, list, count);
    if (!rc && status && subject == SUBJECT_WORK_POOL)
        rc = keep_status_events(w, &about, list);
    return rc;
}

enum err_code event_emit_all(struct work *w, enum event_subject subject, const char *what,
                             struct uuids ids)
{
    return ids.count ? emit(w, subject, what, ids, (struct raw){0}) : ERR_OK;
}

enum err_code event_emit(struct work *w, enum event_subject subject, const char *what,
                         struct uuid id)
{
    return emit(w, subject, what, (struct uuids){&id, 1}, (struct raw){0});
}

enum err_code event_emit_payload(struct work *w, enum event_subject subject, const char *what,
                                 struct uuid id, struct raw payload)
{
    return emit(w, subject, what, (struct uuids){&id, 1}, payload);
}

enum err_code event_emit_statuses(struct work *w, enum event_subject subject,
                                  const struct rows *rows)
{
    static const struct {
        const char *status, *what;
    } names[] = {{"READY", "ready"}, {"NOT_READY", "not-ready"}, {"PAUSED", "paused"}};
    enum err_code rc = ERR_OK;

    for (int i = 0; i < rows->count && !rc; i++)
        for (size_t k = 0; k < COUNT(names); k++)
            if (!rc && rows_text(rows, i, 1) && !strcmp(rows_text(rows, i, 1), names[k].status))
                rc = event_emit(w, subject, names[k].what, uuid_column(rows, i, 0));
    return rc;
}

/* ---- with the change ---- */

enum err_code event_begin(struct work *w, bool *out_own)
{
    *out_own = !db_in_transaction(w);
    return *out_own ? db_begin(w) : ERR_OK;
}

enum err_code event_end(struct work *w, bool own, enum err_code rc)
{
    if (!own)
        return rc;
    return db_end(w, rc);
}

enum err_code event_find(struct work *w, enum event_subject subject, const char *name,
                         struct uuid *out)
{
    struct rows rows;
    enum err_code rc = db_query_text(w, subjects[subject].find, 1, PARAMS(name), &rows);

    if (!rc)
        *out = rows.count ? uuid_column(&rows, 0, 0) : (struct uuid){{0}};
    return rc;
}

/* ---- what changed ---- */

static enum err_code read_fields(struct work *w, enum event_subject subject, struct uuid id,
                                 struct raw *out)
{
    struct rows rows;
    enum err_code rc =
        db_query(w, (enum query)subjects[subject].fields, PARAMS(param_uuid(w, id)), &rows);

    if (!rc)
        *out = rows.count ? column(&rows, 0, 0) : (struct raw){0};
    return rc;
}

enum err_code event_emit_rows(struct work *w, enum event_subject subject, const char *what,
                              const struct rows *rows)
{
    struct uuids ids = {arena_array(&w->arena, struct uuid, (size_t)rows->count + 1), 0};

    for (int i = 0; i < rows->count; i++) {
        ids.items[ids.count] = uuid_column(rows, i, 0);
        ids.count += !uuid_is_nil(ids.items[ids.count]);
    }
    return ids.count ? event_emit_all(w, subject, what, ids) : ERR_OK;
}

enum err_code event_before_update(struct work *w, enum event_subject subject, struct uuid id,
                                  struct event_before *out)
{
    *out = (struct event_before){.subject = subject, .id = id};
    return read_fields(w, subject, id, &out->fields);
}

static bool same(struct val a, struct val b)
{
    struct raw x = val_raw(a), y = val_raw(b);
    return x.len == y.len && memcmp(x.text, y.text, x.len) == 0;
}

/* {"updated_fields": [...], "updates": {field: {"from": ..., "to": ...}}}; false: nothing changed.
 */
static bool write_changes(struct work *w, struct buf *b, struct val from, struct val to)
{
    struct buf updates = {.max_bytes = PAYLOAD_MAX_BYTES};
    bool changed = false;

    write_object(b);
    write_key(b, "updated_fields");
    write_array(b);
    write_object(&updates);
    for (struct val_iter it = val_each(to); val_next(&it);) {
        const char *key = val_string(&w->arena, it.key, NULL);
        struct val old = val_get(from, key);
        if (same(old, it.value))
            continue;
        changed = true;
        write_string(b, key);
        write_key(&updates, key);
        write_object(&updates);
        write_key(&updates, "from");
        write_raw(&updates, val_raw(old));
        write_key(&updates, "to");
        write_raw(&updates, val_raw(it.value));
        write_end_object(&updates);
    }
    write_end_array(b);
    write_end_object(&updates);
    write_key(b, "updates");
    write_raw(b, (struct raw){updates.bytes, updates.len});
    write_end_object(b);
    buf_free(&updates);
    return changed;
}

enum err_code event_emit_updated(struct work *w, const struct event_before *before)
{
    struct uuid id = before->id;
    struct doc from, to;
    struct doc_error bad;
    struct raw now;
    struct buf payload = {.max_bytes = PAYLOAD_MAX_BYTES};
    enum err_code rc = read_fields(w, before->subject, id, &now);

    if (rc || !now.text || !before->fields.text ||
        !doc_parse(&w->arena, before->fields.text, before->fields.len, &from, &bad) ||
        !doc_parse(&w->arena, now.text, now.len, &to, &bad))
        return rc;
    if (write_changes(w, &payload, doc_root(&from), doc_root(&to)) && !payload.full) {
        struct raw text = {arena_strndup(&w->arena, payload.bytes, payload.len), payload.len};
        rc = emit(w, before->subject, "updated", (struct uuids){&id, 1}, text);
    }
    buf_free(&payload);
    return rc;
}
