/* The file store of agents, campaigns and reports (docs/agent-protocol.md). */
#pragma once
#include "server/http/request.h"

handler_fn files_put, files_get, file_names_put, file_names_get;
