#pragma once
#include "server/http/request.h"

handler_fn limits_create, limits_get, limits_update, limits_delete, limits_filter;
handler_fn limits_increment, limits_increment_with_lease, limits_decrement,
    limits_decrement_with_lease, limits_renew;
