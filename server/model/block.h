/* Blocks: a type is a kind of configuration, a schema its fields in one version, a document one
 * saved configuration.  Pure data; see block_schema.h and block_data.h for the rules. */
#pragma once
#include "shared/json/field.h"

struct block_type {
    struct given given;
    struct uuid id;
    int64_t created_us, updated_us;
    const char *name, *slug;
    const char *logo_url, *documentation_url, *description, *code_example;
    bool is_protected;
};

struct block_schema {
    struct given given;
    struct uuid id;
    int64_t created_us, updated_us;
    const char *checksum;
    struct raw fields;
    struct uuid block_type_id;
    struct block_type *block_type;
    struct strings capabilities;
    const char *version;
};

struct block_document {
    struct given given;
    struct uuid id;
    int64_t created_us, updated_us;
    const char *name;
    struct raw data;
    struct uuid block_schema_id;
    struct block_schema *block_schema;
    struct uuid block_type_id;
    const char *block_type_name;
    struct block_type *block_type;
    struct raw block_document_references;
    bool is_anonymous;
};

struct block_document_update {
    struct given given;
    struct uuid block_schema_id;
    struct raw data;
    bool merge_existing_data;
};

extern const struct resource block_type_resource, block_type_create_resource,
    block_type_update_resource;
extern const struct resource block_schema_resource, block_schema_create_resource;
extern const struct resource block_document_resource, block_document_create_resource,
    block_document_update_resource;

/* The rows of these members are computed; the positions are in the resource. */
enum { BLOCK_SCHEMA_FIELDS = 4, BLOCK_SCHEMA_TYPE = 6 };
enum {
    BLOCK_DOCUMENT_DATA = 4,
    BLOCK_DOCUMENT_SCHEMA = 6,
    BLOCK_DOCUMENT_TYPE_NAME = 8,
    BLOCK_DOCUMENT_TYPE = 9,
    BLOCK_DOCUMENT_REFERENCES = 10,
};

/* `<`, `>` and `&` as HTML entities, as Prefect stores descriptions; NULL for NULL. */
/* Logos of types of the system are files of this server, stored as paths; clients get them with the
 * server's `origin` before it (NULL: as stored). */
const char *block_logo(struct arena *a, const char *origin, const char *stored);
const char *block_escape_html(struct arena *a, const char *text);
