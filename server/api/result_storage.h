#pragma once
#include "server/http/request.h"

handler_fn result_storage_read, result_storage_update, result_storage_delete;
