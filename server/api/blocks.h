#pragma once
#include "server/http/request.h"

handler_fn block_types_create, block_types_get, block_types_get_by_slug, block_types_update,
    block_types_delete;
handler_fn block_types_filter, block_types_install;
handler_fn block_schemas_create, block_schemas_get, block_schemas_get_by_checksum,
    block_schemas_delete, block_schemas_filter;
handler_fn block_documents_create, block_documents_get, block_documents_update,
    block_documents_delete;
handler_fn block_documents_get_by_name, block_documents_list_type, block_documents_filter,
    block_documents_count;
handler_fn block_capabilities_list;
