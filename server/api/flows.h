#pragma once
#include "server/http/request.h"

handler_fn flows_create, flows_get, flows_get_by_name, flows_update, flows_delete;
handler_fn flows_filter, flows_count, flows_paginate;
