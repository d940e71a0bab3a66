#pragma once
#include "server/http/request.h"

handler_fn variables_create, variables_get, variables_get_by_name, variables_update,
    variables_update_by_name;
handler_fn variables_delete, variables_delete_by_name, variables_filter, variables_count;
