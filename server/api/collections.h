#pragma once
#include "server/http/request.h"

handler_fn collections_view;
