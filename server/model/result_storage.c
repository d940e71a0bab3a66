#include "server/model/result_storage.h"

static const struct field result_storage_fields[] = {
    F_UUID(struct result_storage, default_result_storage_block_id, F_NULLABLE,
           .doc = "The block document."),
};
const struct resource result_storage_resource =
    RESOURCE_NAMED("ServerDefaultResultStorage", result_storage, result_storage_fields);

static const struct field result_storage_update_fields[] = {
    F_UUID(struct result_storage, default_result_storage_block_id, F_REQUIRED,
           .doc = "A block document that can write files."),
};
const struct resource result_storage_update_resource = RESOURCE_NAMED(
    "ServerDefaultResultStorageUpdate", result_storage, result_storage_update_fields, .lax = true);
