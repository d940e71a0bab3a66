#include "server/model/artifact.h"

#include <string.h>

#include "shared/json/doc.h"
#include "shared/json/write.h"

enum { METADATA_MAX_CHARS = 500 };

static const char *check_key(struct arena *a, const void *value)
{
    const char *key = *(const char *const *)value;

    (void)a;
    if (key[strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789-")])
        return "Artifact key must only contain lowercase letters, numbers, and dashes.";
    return NULL;
}

/* Bytes of the first `chars` characters. */
static size_t cut(const char *text, size_t len, size_t chars)
{
    size_t i = 0;

    while (i < len && chars--)
        for (i++; i < len && ((unsigned char)text[i] & 0xc0) == 0x80;)
            i++;
    return i;
}

struct raw artifact_metadata(struct arena *a, struct raw metadata)
{
    struct buf b = {.max_bytes = metadata.len * 6 + 64};
    struct doc doc;
    struct doc_error error;
    size_t len;

    if (metadata.len <= METADATA_MAX_CHARS ||
        !doc_parse(a, metadata.text, metadata.len, &doc, &error))
        return metadata;
    write_object(&b);
    for (struct val_iter it = val_each(doc_root(&doc)); val_next(&it);) {
        write_key(&b, val_string(a, it.key, NULL));
        const char *text = val_string(a, it.value, &len);
        size_t kept = cut(text, len, METADATA_MAX_CHARS);
        write_string(&b, kept < len ? arena_printf(a, "%.*s...", (int)kept, text) : text);
    }
    write_end_object(&b);
    struct raw out = {arena_strndup(a, b.bytes, b.len), b.len};
    buf_free(&b);
    return out;
}

/* clang-format off */
#define KEY  F_STR(struct artifact, key, F_NULLABLE, .check = check_key, .doc = "Common to all versions.")
#define ARTIFACT_ROWS                                                                                            \
    F_STR(struct artifact, type, F_NULLABLE, .doc = "Shape of the data: result, table, markdown, ..."),             \
    F_STR(struct artifact, description, F_NULLABLE, .doc = "Markdown."),                                            \
    F_JSON(struct artifact, data, F_NULLABLE, .doc = "Any JSON."),                                                  \
    F_TEXTS(struct artifact, metadata_, F_NULLABLE, .doc = "Texts by name; values longer than 500 characters are cut."), \
    F_UUID(struct artifact, flow_run_id, F_NULLABLE, .doc = "The flow run that made it."),                          \
    F_UUID(struct artifact, task_run_id, F_NULLABLE, .doc = "The task run that made it.")

static const struct field artifact_fields[] = {
    F_UUID(struct artifact, id, .doc = "Assigned by the server."),
    F_TIME(struct artifact, created, F_NULLABLE, .doc = "When the artifact was made."),
    F_TIME(struct artifact, updated, F_NULLABLE, .doc = "When the artifact was last changed."),
    KEY,
    ARTIFACT_ROWS,
};
const struct resource artifact_resource = RESOURCE_NAMED("Artifact", artifact, artifact_fields);

static const struct field artifact_collection_fields[] = {
    F_UUID(struct artifact, id, .column = "ac.id", .doc = "Assigned by the server."),
    F_TIME(struct artifact, created, F_NULLABLE, .column = "ac.created", .doc = "When the first version was made."),
    F_TIME(struct artifact, updated, F_NULLABLE, .column = "ac.updated", .doc = "When the latest version was made."),
    F_STR(struct artifact, key, .column = "ac.key", .doc = "Common to all versions."),
    F_UUID(struct artifact, latest_id, .column = "ac.latest_id", .doc = "The latest version."),
    ARTIFACT_ROWS,
};
const struct resource artifact_collection_resource = RESOURCE_NAMED("ArtifactCollection", artifact, artifact_collection_fields);

static const struct field artifact_create_fields[] = {KEY, ARTIFACT_ROWS};
const struct resource artifact_create_resource = RESOURCE_NAMED("ArtifactCreate", artifact, artifact_create_fields);

static const struct field artifact_update_fields[] = {
    F_JSON(struct artifact_update, data, F_NULLABLE, .doc = "Any JSON."),
    F_STR(struct artifact_update, description, F_NULLABLE, .doc = "Markdown."),
    F_TEXTS(struct artifact_update, metadata_, F_NULLABLE, .doc = "Texts by name."),
};
const struct resource artifact_update_resource = RESOURCE_NAMED("ArtifactUpdate", artifact_update, artifact_update_fields);
/* clang-format on */
