#include "server/model/block_system.h"

#include "shared/json/codec.h"

/* A path from the root of the sources, where the compiler runs. */
__asm__(".section .rodata\n"
        "block_types_json: .incbin \"server/model/block_types.json\"\n"
        "block_types_json_end:\n.previous");
extern const char block_types_json[], block_types_json_end[];

static size_t length(void)
{
    return (size_t)(block_types_json_end - block_types_json);
}

void block_systems_digest(char out_text[static SHA256_TEXT_BYTES])
{
    sha256_of(block_types_json, length(), out_text);
}

static struct strings strings_of(struct arena *a, struct val list)
{
    struct strings out = {arena_array(a, const char *, val_count(list) + 1), 0};

    for (struct val_iter it = val_each(list); val_next(&it);)
        out.items[out.count++] = val_string(a, it.value, NULL);
    return out;
}

static enum err_code read_one(struct arena *a, struct val v, struct block_system *out,
                              struct err *e)
{
    struct raw type = val_raw(val_get(v, "type"));

    *out = (struct block_system){
        .is_protected = val_type(val_get(v, "is_protected")) == DOC_TRUE,
        .schema = {.checksum = val_string(a, val_get(v, "checksum"), NULL),
                   .fields = val_raw(val_get(v, "fields")),
                   .capabilities = strings_of(a, val_get(v, "capabilities")),
                   .version = val_string(a, val_get(v, "version"), NULL)},
    };
    return json_decode_text(a, &block_type_create_resource, type.text, type.len, &out->type, e);
}

enum err_code block_systems_read(struct arena *a, struct block_systems *out, struct err *e)
{
    struct doc *d = arena_new(a, struct doc);
    struct doc_error error;

    if (!doc_parse(a, block_types_json, length(), d, &error))
        return err_set(e, INTERNAL, "block types: %s", error.reason);
    struct val list = val_get(doc_root(d), "blocks");
    struct block_systems all = {arena_array(a, struct block_system, val_count(list) + 1), 0};
    enum err_code rc = ERR_OK;
    for (struct val_iter it = val_each(list); !rc && val_next(&it);)
        rc = read_one(a, it.value, &all.items[all.count++], e);
    if (!rc)
        *out = all;
    return rc;
}
