#pragma once
#include "server/http/request.h"
handler_fn automations_create, automations_get, automations_update, automations_patch,
    automations_delete, automations_filter, automations_count, automations_related,
    automations_delete_owned_by, templates_validate;
