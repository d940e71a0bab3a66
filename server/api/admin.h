#pragma once
#include "server/http/request.h"

handler_fn admin_health, admin_hello, admin_ready, admin_api_version, admin_version, admin_settings;
handler_fn admin_ui_settings;
