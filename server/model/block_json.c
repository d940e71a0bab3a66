#include "server/model/block_json.h"

#include <string.h>

#include "server/model/block_data.h"
#include "shared/json/write.h"

enum { PART_MAX_BYTES = 8 << 20, BLOCK_EXPANSIONS_MAX = 5000, BLOCK_DEFINITIONS_MAX = 500 };

const struct block_row *block_find(const struct block_set *set, const char *id)
{
    for (size_t i = 0; i < set->count; i++)
        if (strcmp(set->rows[i].id, id) == 0)
            return &set->rows[i];
    return NULL;
}

static struct column text_of(const struct buf *b)
{
    return (struct column){b->bytes, b->len};
}

static void put_member(struct buf *b, struct val key, struct val value)
{
    write_raw(b, val_raw(key));
    buf_lit(b, ":");
    write_raw(b, val_raw(value));
}

/* ---- schemas ---- */

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

static void put_fields(struct arena *a, struct buf *b, const struct block_set *set,
                       const struct block_row *row)
{
    struct written done = {.count = 0};

    write_object(b);
    put_plain_fields(b, set, row);
    if (has_definitions(set, row)) {
        write_key(b, "definitions");
        write_object(b);
        put_definitions(a, b, set, row, &done);
        write_end_object(b);
    }
    write_end_object(b);
}

void block_schema_write(struct arena *a, struct buf *b, const struct block_set *schemas,
                        const struct block_row *schema)
{
    struct buf fields = {.max_bytes = PART_MAX_BYTES}, type = {.max_bytes = PART_MAX_BYTES};
    const struct column *c = schema->columns;

    put_fields(a, &fields, schemas, schema);
    json_encode_columns(&type, &block_type_resource, schema->type);
    const struct column columns[] = {
        c[0], c[1], c[2], c[3], text_of(&fields), c[5], text_of(&type), c[6], c[7],
    };
    json_encode_columns(b, &block_schema_resource, columns);
    b->full |= fields.full | type.full;
    buf_free(&fields);
    buf_free(&type);
}

/* ---- documents ---- */

void block_documents_hide(struct arena *a, struct block_set *documents,
                          const struct block_set *schemas)
{
    for (size_t i = 0; i < documents->count; i++) {
        struct block_row *row = &documents->rows[i];
        const struct block_row *schema = block_find(schemas, row->columns[5].text);
        struct raw shown = block_data_obfuscate(
            a, row->json, schema ? val_get(schema->json, "secret_fields") : (struct val){0});
        struct doc *d = arena_new(a, struct doc);
        struct doc_error error;
        bool parsed = doc_parse(a, shown.text, shown.len, d, &error);
        row->json = parsed ? doc_root(d) : (struct val){0}; /* rather nothing than a secret */
    }
}

/* A document that many others have within them is written many times: there is an end to it. */
struct writing {
    const struct block_set *documents;
    size_t left;
};

static const struct block_row *nested_at(struct writing *w, const struct block_row *row, size_t i,
                                         int depth)
{
    const struct block_edge *edge = &w->documents->edges[i];

    if (strcmp(edge->parent, row->id) != 0 || depth >= BLOCK_NESTING_MAX || !w->left)
        return NULL;
    w->left--;
    return block_find(w->documents, edge->child);
}

/* The data of a document with the data of nested documents in their places. */
static void put_data(struct writing *w, struct buf *b, const struct block_row *row, int depth)
{
    write_object(b);
    for (struct val_iter it = val_each(row->json); val_next(&it);)
        put_member(b, it.key, it.value);
    for (size_t i = 0; i < w->documents->edge_count && !b->full; i++) {
        const struct block_row *nested = nested_at(w, row, i, depth);
        if (!nested)
            continue;
        write_key(b, w->documents->edges[i].name);
        put_data(w, b, nested, depth + 1);
    }
    write_end_object(b);
}

static void put_nested(struct writing *w, struct buf *b, const struct block_row *row, int depth);

static void put_nested_document(struct writing *w, struct buf *b, const struct block_row *nested,
                                int depth)
{
    write_object(b);
    write_key(b, "block_document");
    write_object(b);
    write_key(b, "id");
    write_string(b, nested->id);
    write_key(b, "name");
    write_string(b, nested->columns[3].text);
    write_key(b, "block_type");
    json_encode_columns(b, &block_type_resource, nested->type);
    write_key(b, "is_anonymous");
    write_bool(b, nested->columns[8].text[0] == 't');
    write_key(b, "block_document_references");
    put_nested(w, b, nested, depth + 1);
    write_end_object(b);
    write_end_object(b);
}

static void put_nested(struct writing *w, struct buf *b, const struct block_row *row, int depth)
{
    write_object(b);
    for (size_t i = 0; i < w->documents->edge_count && !b->full; i++) {
        const struct block_row *nested = nested_at(w, row, i, depth);
        if (!nested)
            continue;
        write_key(b, w->documents->edges[i].name);
        put_nested_document(w, b, nested, depth);
    }
    write_end_object(b);
}

void block_document_write(struct arena *a, struct buf *b, const struct block_set *documents,
                          const struct block_set *schemas, const struct block_row *document)
{
    struct writing data_w = {documents, BLOCK_EXPANSIONS_MAX},
                   nested_w = {documents, BLOCK_EXPANSIONS_MAX};
    struct buf data = {.max_bytes = PART_MAX_BYTES}, nested = data, whole = data, type = data;
    const struct block_row *schema = block_find(schemas, document->columns[5].text);
    const struct column *c = document->columns;

    put_data(&data_w, &data, document, 0);
    put_nested(&nested_w, &nested, document, 0);
    json_encode_columns(&type, &block_type_resource, document->type);
    if (schema)
        block_schema_write(a, &whole, schemas, schema);
    else
        write_null(&whole);
    const struct column columns[] = {
        c[0],
        c[1],
        c[2],
        c[3],
        text_of(&data),
        c[5],
        text_of(&whole),
        c[6],
        c[7],
        text_of(&type),
        text_of(&nested),
        c[8],
    };
    json_encode_columns(b, &block_document_resource, columns);
    b->full |= data.full | nested.full | whole.full | type.full | !data_w.left | !nested_w.left;
    buf_free(&data);
    buf_free(&nested);
    buf_free(&whole);
    buf_free(&type);
}
