#include "server/model/block.h"

#include <string.h>

#include "server/model/flow.h"
#include "shared/json/doc.h"

#define LOGOS      "/logos/"
#define SLUG_CHARS "abcdefghijklmnopqrstuvwxyz0123456789-"

static const char *check_slug(struct arena *a, const void *value)
{
    const char *slug = *(const char *const *)value;

    (void)a;
    if (slug[strspn(slug, SLUG_CHARS)])
        return "Block type slug must only contain lowercase letters, numbers, and dashes.";
    return NULL;
}

static const char *check_document_name(struct arena *a, const void *value)
{
    const char *name = *(const char *const *)value;

    (void)a;
    if (name[strspn(name, SLUG_CHARS)])
        return "Block document name must only contain lowercase letters, numbers, and dashes.";
    return NULL;
}

static const char *check_document(struct arena *a, struct val object)
{
    (void)a;
    if (!val_is_falsy(val_get(object, "is_anonymous")) || !val_is_falsy(val_get(object, "name")))
        return NULL;
    return "Names must be provided for block documents.";
}

const char *block_escape_html(struct arena *a, const char *text)
{
    static const char special[] = "<>&";
    static const char *const entities[] = {"&lt;", "&gt;", "&amp;"};

    if (!text || !strpbrk(text, special))
        return text;
    char *out = arena_array(a, char, strlen(text) * 5 + 1), *to = out;
    for (; *text; text++) {
        const char *found = strchr(special, *text);
        if (found)
            to = stpcpy(to, entities[found - special]);
        else
            *to++ = *text;
    }
    return out;
}

const char *block_logo(struct arena *a, const char *origin, const char *stored)
{
    if (!origin || !stored || strncmp(stored, LOGOS, strlen(LOGOS)) != 0)
        return stored;
    return arena_printf(a, "%s%s", origin, stored);
}

/* clang-format off */
#define TYPE_TEXTS                                                                                        \
    F_STR(struct block_type, logo_url, F_NULLABLE, .doc = "Picture for the dashboard."),                  \
    F_STR(struct block_type, documentation_url, F_NULLABLE, .doc = "Where it is explained."),             \
    F_STR(struct block_type, description, F_NULLABLE, .doc = "One or two sentences."),                    \
    F_STR(struct block_type, code_example, F_NULLABLE, .doc = "How to use it, in Markdown.")

static const struct field block_type_fields[] = {
    F_UUID(struct block_type, id, .doc = "Assigned by the server."),
    F_TIME(struct block_type, created, F_NULLABLE, .doc = "When the type was made."),
    F_TIME(struct block_type, updated, F_NULLABLE, .doc = "When the type was last changed."),
    F_STR(struct block_type, name, .doc = "For people."),
    F_STR(struct block_type, slug, .doc = "Unique among block types."),
    TYPE_TEXTS,
    F_BOOL(struct block_type, is_protected, .doc = "Belongs to the system and cannot be deleted."),
};
const struct resource block_type_resource = RESOURCE_NAMED("BlockType", block_type, block_type_fields);

static const struct field block_type_create_fields[] = {
    F_STR(struct block_type, name, F_REQUIRED, F_PATTERN(NAME_PATTERN), .doc = "For people."),
    F_STR(struct block_type, slug, F_REQUIRED, .check = check_slug, .doc = "Unique among block types."),
    TYPE_TEXTS,
};
const struct resource block_type_create_resource = RESOURCE_NAMED("BlockTypeCreate", block_type, block_type_create_fields);

static const struct field block_type_update_fields[] = {TYPE_TEXTS};
const struct resource block_type_update_resource = RESOURCE_NAMED("BlockTypeUpdate", block_type, block_type_update_fields);

static const struct field block_schema_fields[] = {
    F_UUID(struct block_schema, id, .doc = "Assigned by the server."),
    F_TIME(struct block_schema, created, F_NULLABLE, .doc = "When the schema was made."),
    F_TIME(struct block_schema, updated, F_NULLABLE, .doc = "When the schema was last changed."),
    F_STR(struct block_schema, checksum, .doc = "Of the fields."),
    F_DICT(struct block_schema, fields, .doc = "JSON Schema of the documents."),
    F_UUID(struct block_schema, block_type_id, F_NULLABLE, .doc = "Its block type."),
    F_OBJECT(struct block_schema, block_type, block_type, F_NULLABLE, .doc = "Its block type."),
    F_STRS(struct block_schema, capabilities, .doc = "What documents can be used for."),
    F_STR(struct block_schema, version, .doc = "Of the package that brought it."),
};
const struct resource block_schema_resource = RESOURCE_NAMED("BlockSchema", block_schema, block_schema_fields);

static const struct field block_schema_create_fields[] = {
    F_DICT(struct block_schema, fields, .def = "{}", .doc = "JSON Schema of the documents."),
    F_UUID(struct block_schema, block_type_id, F_REQUIRED, .doc = "Its block type."),
    F_STRS(struct block_schema, capabilities, .def = "[]", .doc = "What documents can be used for."),
    F_STR(struct block_schema, version, .def = "\"non-versioned\"", .doc = "Of the package that brings it."),
};
const struct resource block_schema_create_resource = RESOURCE_NAMED("BlockSchemaCreate", block_schema, block_schema_create_fields);

static const struct field block_document_fields[] = {
    F_UUID(struct block_document, id, .doc = "Assigned by the server."),
    F_TIME(struct block_document, created, F_NULLABLE, .doc = "When the document was made."),
    F_TIME(struct block_document, updated, F_NULLABLE, .doc = "When the document was last changed."),
    F_STR(struct block_document, name, F_NULLABLE, .doc = "Unique among documents of the type."),
    F_DICT(struct block_document, data, .doc = "The configuration; secrets are asterisks unless they are asked for."),
    F_UUID(struct block_document, block_schema_id, .doc = "Its block schema."),
    F_OBJECT(struct block_document, block_schema, block_schema, F_NULLABLE, .doc = "Its block schema."),
    F_UUID(struct block_document, block_type_id, .doc = "Its block type."),
    F_STR(struct block_document, block_type_name, F_NULLABLE, .doc = "Its block type's name."),
    F_OBJECT(struct block_document, block_type, block_type, F_NULLABLE, .doc = "Its block type."),
    F_DICT(struct block_document, block_document_references, .doc = "Documents within the data, by member."),
    F_BOOL(struct block_document, is_anonymous, .doc = "Made by a program and not shown to people."),
};
const struct resource block_document_resource = RESOURCE_NAMED("BlockDocument", block_document, block_document_fields);

static const struct field block_document_create_fields[] = {
    F_STR(struct block_document, name, F_NULLABLE, F_PATTERN(NAME_PATTERN), .check = check_document_name, .doc = "Unique among documents of the type."),
    F_DICT(struct block_document, data, .def = "{}", .doc = "The configuration."),
    F_UUID(struct block_document, block_schema_id, F_REQUIRED, .doc = "Its block schema."),
    F_UUID(struct block_document, block_type_id, F_REQUIRED, .doc = "Its block type."),
    F_BOOL(struct block_document, is_anonymous, .def = "false", .doc = "Made by a program; gets a name by itself."),
};
const struct resource block_document_create_resource =
    RESOURCE_NAMED("BlockDocumentCreate", block_document, block_document_create_fields, .check_before = check_document);

static const struct field block_document_update_fields[] = {
    F_UUID(struct block_document_update, block_schema_id, F_NULLABLE, .doc = "Another schema of the same type."),
    F_DICT(struct block_document_update, data, .def = "{}", .doc = "The configuration, or the members that change."),
    F_BOOL(struct block_document_update, merge_existing_data, .def = "true", .doc = "Members that are not sent stay as they are."),
};
const struct resource block_document_update_resource = RESOURCE_NAMED("BlockDocumentUpdate", block_document_update, block_document_update_fields);
/* clang-format on */
