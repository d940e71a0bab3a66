/* /concurrency_limits: the first API, over the limits of the second. */
#pragma once
#include "server/http/request.h"

handler_fn tag_limits_create, tag_limits_filter, tag_limits_get, tag_limits_get_by_tag,
    tag_limits_delete, tag_limits_delete_by_tag, tag_limits_reset, tag_limits_increment,
    tag_limits_decrement;
