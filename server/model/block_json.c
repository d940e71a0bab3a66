#include "server/model/block_json.h"

#include <string.h>

#include "server/model/block_data.h"
#include "shared/json/write.h"

enum { PART_MAX_BYTES = 32 << 20, BLOCK_DEFINITIONS_MAX = 500 };

const struct block_row *block_find(const struct block_set *set, const char *id)
{
    for (size_t i = 0; i < set->count; i++)
        if (strcmp(set->rows[i].id, id) == 0)
            return &set->rows[i];
    return NULL;
}

static struct column take(struct arena *a, struct buf *b)
{
    struct column c = {arena_strndup(a, b->bytes, b->len), b->len};
    buf_free(b);
    return c;
}

static void put_member(struct buf *b, struct val key, struct val value)
{
    write_raw(b, val_raw(key));
    buf_lit(b, ":");
    write_raw(b, val_raw(value));
}

/* --- schemas
 * --------------------------------------------------------------------------------------- */

static void put_reference(struct buf *b, const struct block_row *nested)
{
    write_object(b);
    write_key(b, "block_schema_checksum");
    write_string(b, nested->columns[3].text);
    write_key(b, "block_type_slug");
    write_string(b, nested->type[4].text);
    write_end_object(b);
}

static size_t count_edges(const struct block_set *set, const struct block_edge *like)
{
    size_t count = 0;

    for (size_t i = 0; i < set->edge_count; i++)
        count += strcmp(set->edges[i].parent, like->parent) == 0 &&
                 strcmp(set->edges[i].name, like->name) == 0;
    return count;
}

static bool is_first(const struct block_set *set, const struct block_edge *edge)
{
    for (const struct block_edge *e = set->edges; e < edge; e++)
        if (strcmp(e->parent, edge->parent) == 0 && strcmp(e->name, edge->name) == 0)
            return false;
    return true;
}

/* {"member": {...}}, or a list where a member may be one of several. */
static void put_references(struct buf *b, const struct block_set *set, const struct block_row *row)
{
    write_key(b, "block_schema_references");
    write_object(b);
    for (size_t i = 0; i < set->edge_count; i++) {
        const struct block_edge *edge = &set->edges[i];
        if (strcmp(edge->parent, row->id) != 0 || !is_first(set, edge))
            continue;
        bool several = count_edges(set, edge) > 1;
        write_key(b, edge->name);
        if (several)
            write_array(b);
        for (size_t j = i; j < set->edge_count; j++) {
            const struct block_row *nested = block_find(set, set->edges[j].child);
            if (nested && strcmp(set->edges[j].parent, row->id) == 0 &&
                strcmp(set->edges[j].name, edge->name) == 0)
                put_reference(b, nested);
        }
        if (several)
            write_end_array(b);
    }
    write_end_object(b);
}

static void put_plain_fields(struct buf *b, const struct block_set *set,
                             const struct block_row *row)
{
    for (struct val_iter it = val_each(row->json); val_next(&it);)
        if (!val_equals(it.key, "definitions", 11))
            put_member(b, it.key, it.value);
    put_references(b, set, row);
}

static bool has_definitions(const struct block_set *set, const struct block_row *row)
{
    for (size_t i = 0; i < set->edge_count; i++)
        if (strcmp(set->edges[i].parent, row->id) == 0)
            return true;
    return val_count(val_get(row->json, "definitions")) > 0;
}

/* Definitions that are written already; different schemas may bring the same. */
struct written {
    const char *names[BLOCK_DEFINITIONS_MAX];
    size_t count;
};

static bool is_new(struct written *w, const char *name)
{
    for (size_t i = 0; i < w->count; i++)
        if (strcmp(w->names[i], name) == 0)
            return false;
    if (w->count == BLOCK_DEFINITIONS_MAX)
        return false;
    w->names[w->count++] = name;
    return true;
}

/* The definitions of a schema and, flat, those of the schemas nested in it. */
static void put_definitions(struct arena *a, struct buf *b, const struct block_set *set,
                            const struct block_row *row, struct written *done)
{
    for (struct val_iter it = val_each(val_get(row->json, "definitions")); val_next(&it);)
        if (is_new(done, val_string(a, it.key, NULL)))
            put_member(b, it.key, it.value);
    for (size_t i = 0; i < set->edge_count; i++) {
        const struct block_row *nested = strcmp(set->edges[i].parent, row->id) == 0
                                             ? block_find(set, set->edges[i].child)
                                             : NULL;
        const char *title = nested ? val_string(a, val_get(nested->json, "title"), NULL) : NULL;
        if (!title || !is_new(done, title))
            continue;
        write_key(b, title);
        write_object(b);
        put_plain_fields(b, set, nested);
        write_end_object(b);
        put_definitions(a, b, set, nested, done);
    }
}

static struct column schema_fields(struct arena *a, const struct block_set *set,
                                   const struct block_row *row)
{
    struct buf b = {.max_bytes = PART_MAX_BYTES};

    write_object(&b);
    put_plain_fields(&b, set, row);
    if (has_definitions(set, row)) {
        struct written done = {.count = 0};
        write_key(&b, "definitions");
        write_object(&b);
        put_definitions(a, &b, set, row, &done);
        write_end_object(&b);
    }
    write_end_object(&b);
    return take(a, &b);
}

static struct column type_json(struct arena *a, const struct block_row *row)
{
    struct buf b = {.max_bytes = PART_MAX_BYTES};

    json_encode_columns(&b, &block_type_resource, row->type);
    return take(a, &b);
}

void block_schema_write(struct arena *a, struct buf *b, const struct block_set *schemas,
                        const struct block_row *schema)
{
    const struct column *c = schema->columns;
    const struct column columns[] = {
        c[0], c[1], c[2], c[3], schema_fields(a, schemas, schema), c[5], type_json(a, schema),
        c[6], c[7],
    };
    json_encode_columns(b, &block_schema_resource, columns);
}

/* --- documents
 * ------------------------------------------------------------------------------------- */

struct writing {
    struct arena *arena;
    const struct block_set *documents, *schemas;
    bool include_secrets;
};

/* The data of a document with the data of nested documents in their places. */
static void put_data(const struct writing *w, struct buf *b, const struct block_row *row, int depth)
{
    const struct block_row *schema = block_find(w->schemas, row->columns[5].text);
    struct val secrets = schema ? val_get(schema->json, "secret_fields") : (struct val){0};
    struct val data = row->json;

    if (!w->include_secrets) {
        struct raw shown = block_data_obfuscate(w->arena, data, secrets);
        struct doc *d = arena_new(w->arena, struct doc);
        struct doc_error error;
        if (doc_parse(w->arena, shown.text, shown.len, d, &error))
            data = doc_root(d);
    }
    write_object(b);
    for (struct val_iter it = val_each(data); val_next(&it);)
        put_member(b, it.key, it.value);
    for (size_t i = 0; i < w->documents->edge_count && depth < BLOCK_NESTING_MAX; i++) {
        const struct block_edge *edge = &w->documents->edges[i];
        const struct block_row *nested =
            strcmp(edge->parent, row->id) == 0 ? block_find(w->documents, edge->child) : NULL;
        if (!nested)
            continue;
        write_key(b, edge->name);
        put_data(w, b, nested, depth + 1);
    }
    write_end_object(b);
}

static void put_nested(const struct writing *w, struct buf *b, const struct block_row *row,
                       int depth);

static void put_nested_document(const struct writing *w, struct buf *b,
                                const struct block_row *nested, int depth)
{
    struct column type = type_json(w->arena, nested);

    write_object(b);
    write_key(b, "block_document");
    write_object(b);
    write_key(b, "id");
    write_string(b, nested->id);
    write_key(b, "name");
    write_string(b, nested->columns[3].text);
    write_key(b, "block_type");
    write_raw(b, (struct raw){type.text, type.len});
    write_key(b, "is_anonymous");
    write_bool(b, nested->columns[8].text[0] == 't');
    write_key(b, "block_document_references");
    put_nested(w, b, nested, depth + 1);
    write_end_object(b);
    write_end_object(b);
}

static void put_nested(const struct writing *w, struct buf *b, const struct block_row *row,
                       int depth)
{
    write_object(b);
    for (size_t i = 0; i < w->documents->edge_count && depth < BLOCK_NESTING_MAX; i++) {
        const struct block_edge *edge = &w->documents->edges[i];
        const struct block_row *nested =
            strcmp(edge->parent, row->id) == 0 ? block_find(w->documents, edge->child) : NULL;
        if (!nested)
            continue;
        write_key(b, edge->name);
        put_nested_document(w, b, nested, depth);
    }
    write_end_object(b);
}

void block_document_write(struct arena *a, struct buf *b, const struct block_set *documents,
                          const struct block_set *schemas, const struct block_row *document,
                          bool include_secrets)
{
    const struct writing w = {a, documents, schemas, include_secrets};
    const struct block_row *schema = block_find(schemas, document->columns[5].text);
    struct buf data = {.max_bytes = PART_MAX_BYTES}, nested = {.max_bytes = PART_MAX_BYTES},
               fields = {.max_bytes = PART_MAX_BYTES};
    const struct column *c = document->columns;

    put_data(&w, &data, document, 0);
    put_nested(&w, &nested, document, 0);
    if (schema)
        block_schema_write(a, &fields, schemas, schema);
    else
        write_null(&fields);
    const struct column columns[] = {
        c[0],
        c[1],
        c[2],
        c[3],
        take(a, &data),
        c[5],
        take(a, &fields),
        c[6],
        c[7],
        type_json(a, document),
        take(a, &nested),
        c[8],
    };
    json_encode_columns(b, &block_document_resource, columns);
}
