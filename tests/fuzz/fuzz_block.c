/* The input is [data, secret_fields] of a block.  Properties: what comes out is JSON; sending back
 * what was shown changes nothing; a secret string is not shown; the checksum does not depend on
 * blanks. */
#include <stdlib.h>
#include <string.h>

#include "server/model/block_data.h"
#include "server/model/block_schema.h"
#include "shared/json/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok)
        abort();
}

static struct val parse(struct arena *a, const char *text, size_t len)
{
    struct doc *d = arena_new(a, struct doc);
    struct doc_error error;

    return doc_parse(a, text, len, d, &error) ? doc_root(d) : (struct val){0};
}

static struct val reread(struct arena *a, struct raw text)
{
    struct val v = parse(a, text.text, text.len);
    require(val_type(v) == DOC_OBJECT);
    return v;
}

static bool has_duplicates(struct arena *a, struct val v)
{
    for (struct val_iter it = val_each(v); val_next(&it);) {
        if (it.object && val_get(v, val_string(a, it.key, NULL)).node != it.value.node)
            return true;
        if (has_duplicates(a, it.value))
            return true;
    }
    return false;
}

static void try_data(struct arena *a, struct val data, struct val secrets)
{
    struct raw shown = block_data_obfuscate(a, data, secrets);
    struct raw after = block_data_change(a, data, reread(a, shown), secrets, true);
    struct block_reference *refs = arena_array(a, struct block_reference, val_count(data) + 1);
    const char *reason = NULL;
    size_t count;

    require(schema_equal(a, reread(a, after), data));
    struct raw kept = block_data_split(a, data, refs, &count, &reason);
    require(count <= val_count(data) &&
            (kept.text ? reread(a, kept).doc != NULL : reason && reason[0]));
}

static void try_fields(struct arena *a, struct val fields)
{
    struct block_schema_reference refs[BLOCK_REFERENCES_MAX];
    struct buf b = {.max_bytes = 1 << 20};

    val_write(&b, fields);
    const char *text = arena_strndup(a, b.bytes, b.len);
    require(strcmp(block_schema_checksum(a, fields),
                   block_schema_checksum(a, parse(a, text, b.len))) == 0);
    buf_free(&b);
    reread(a, block_schema_stored(a, fields));
    size_t count = block_schema_references(a, fields, refs);
    for (size_t i = 0; count != SIZE_MAX && i < count; i++)
        require(refs[i].slug && refs[i].checksum &&
                (block_schema_definition(a, fields, &refs[i]), true));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct val root = size > 1 << 14 ? (struct val){0} : parse(&arena, (const char *)data, size);
    struct val_iter it = val_each(root);
    struct val object = root, secrets = {0};

    if (val_type(root) == DOC_ARRAY && val_next(&it)) {
        object = it.value;
        secrets = val_next(&it) ? it.value : secrets;
    }
    if (val_type(object) == DOC_OBJECT && val_storable(root) && !has_duplicates(&arena, object)) {
        try_data(&arena, object, secrets);
        try_fields(&arena, object);
    }
    arena_reset(&arena);
    return 0;
}
