#pragma once
#include "server/db/db.h"
#include "server/http/request.h"

handler_fn limits_create, limits_get, limits_update, limits_delete, limits_filter;
handler_fn limits_increment, limits_increment_with_lease, limits_decrement,
    limits_decrement_with_lease, limits_renew;

/* [{id, name, limit}], the first three columns of the rows. */
void limits_write(struct buf *b, const struct rows *rows);
