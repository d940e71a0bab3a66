#pragma once
#include "server/http/request.h"

handler_fn saved_searches_put, saved_searches_get, saved_searches_delete, saved_searches_filter;
