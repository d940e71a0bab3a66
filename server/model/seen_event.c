#include "server/model/seen_event.h"

#include <string.h>

#include "shared/base/clock.h"
#include "shared/json/write.h"

static struct labels read_labels(struct arena *a, struct val object)
{
    struct labels l = {arena_array(a, struct label, val_count(object) + 1), 0};

    for (struct val_iter it = val_each(object); val_next(&it);) {
        const char *value = val_string(a, it.value, NULL);
        if (value)
            l.items[l.count++] = (struct label){val_string(a, it.key, NULL), value};
    }
    return l;
}

static struct val parse(struct arena *a, struct raw json)
{
    struct doc *d = arena_new(a, struct doc);
    struct doc_error bad;

    if (!json.text || !doc_parse(a, json.text, json.len, d, &bad))
        return (struct val){0};
    return doc_root(d);
}

static void read_related(struct arena *a, struct val list, struct seen_event *v)
{
    v->related_count = val_type(list) == DOC_ARRAY ? val_count(list) : 0;
    v->related = arena_array(a, struct labels, v->related_count + 1);
    if (v->related_count)
        for (struct val_iter it = val_each(list); val_next(&it);)
            v->related[it.index] = read_labels(a, it.value);
}

enum err_code seen_event_load(struct arena *a, struct seen_event *v, struct err *e)
{
    struct val resource = parse(a, v->resource_json);

    if (val_type(resource) != DOC_OBJECT)
        return err_set(e, INTERNAL, "a stored event has no resource");
    v->resource = read_labels(a, resource);
    read_related(a, parse(a, v->related_json), v);
    return ERR_OK;
}

static struct uuid read_id(struct arena *a, struct val v)
{
    struct uuid id = {0};
    size_t len;
    const char *text = val_string(a, v, &len);

    return text && uuid_parse(text, len, &id) ? id : (struct uuid){0};
}

static int64_t read_moment(struct arena *a, struct val v)
{
    int64_t us;
    size_t len;
    const char *text = val_string(a, v, &len);

    return text && time_parse(text, len, &us) ? us : TIME_NONE;
}

enum err_code seen_event_read(struct arena *a, struct raw json, struct seen_event *out,
                              struct err *e)
{
    struct val root = parse(a, json);

    if (val_type(root) != DOC_OBJECT)
        return err_set(e, INTERNAL, "a stored event is not an object");
    *out = (struct seen_event){
        .id = read_id(a, val_get(root, "id")),
        .follows = read_id(a, val_get(root, "follows")),
        .occurred_us = read_moment(a, val_get(root, "occurred")),
        .received_us = read_moment(a, val_get(root, "received")),
        .name = val_string(a, val_get(root, "event"), NULL),
        .resource_json = val_raw(val_get(root, "resource")),
        .related_json = val_raw(val_get(root, "related")),
        .payload_json = val_raw(val_get(root, "payload")),
        .resource = read_labels(a, val_get(root, "resource")),
    };
    read_related(a, val_get(root, "related"), out);
    if (!out->name)
        return err_set(e, INTERNAL, "a stored event has no name");
    return ERR_OK;
}

void seen_event_write(struct buf *b, const struct seen_event *v)
{
    write_object(b);
    write_key(b, "occurred");
    write_time(b, v->occurred_us);
    write_key(b, "event");
    write_string(b, v->name);
    write_key(b, "resource");
    write_raw(b, v->resource_json);
    write_key(b, "related");
    write_raw(b, v->related_json);
    write_key(b, "payload");
    write_raw(b, v->payload_json);
    write_key(b, "id");
    write_uuid(b, v->id);
    write_key(b, "follows");
    if (uuid_is_nil(v->follows))
        write_null(b);
    else
        write_uuid(b, v->follows);
    write_key(b, "received");
    write_time(b, v->received_us);
    write_end_object(b);
}

const char *labels_get(const struct labels *l, const char *name)
{
    for (size_t i = 0; i < l->count; i++)
        if (!strcmp(l->items[i].name, name))
            return l->items[i].value;
    return NULL;
}

const char *seen_event_label(const struct seen_event *v, const char *label)
{
    static const char related[] = "related:";
    const char *name = strrchr(label, ':');
    const char *role = label + sizeof(related) - 1;

    if (!name || name < role || strncmp(label, related, sizeof(related) - 1) != 0)
        return labels_get(&v->resource, label);
    for (size_t i = 0; i < v->related_count; i++) {
        const char *its = labels_get(&v->related[i], "prefect.resource.role");
        if (its && strlen(its) == (size_t)(name - role) && !memcmp(its, role, strlen(its)))
            return labels_get(&v->related[i], name + 1);
    }
    return labels_get(&v->resource, label);
}

static bool is_of_kind(const char *resource_id, const char *kind)
{
    const char *dot = resource_id ? strrchr(resource_id, '.') : NULL;
    return dot && (size_t)(dot - resource_id) == strlen(kind) &&
           !memcmp(resource_id, kind, strlen(kind));
}

bool resource_id_parse(const char *resource_id, const char *kind, struct uuid *out)
{
    size_t n = strlen(kind) + 1;
    return is_of_kind(resource_id, kind) &&
           uuid_parse(resource_id + n, strlen(resource_id + n), out);
}

const struct labels *seen_event_first(const struct seen_event *v, const char *kind)
{
    if (is_of_kind(labels_get(&v->resource, "prefect.resource.id"), kind))
        return &v->resource;
    for (size_t i = 0; i < v->related_count; i++)
        if (is_of_kind(labels_get(&v->related[i], "prefect.resource.id"), kind))
            return &v->related[i];
    return NULL;
}

bool seen_event_id_of(const struct seen_event *v, const char *kind, struct uuid *out)
{
    const struct labels *l = seen_event_first(v, kind);
    return l && resource_id_parse(labels_get(l, "prefect.resource.id"), kind, out);
}
