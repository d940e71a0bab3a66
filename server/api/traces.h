/* Recordings, as they are drawn. */
#pragma once
#include "server/http/request.h"

enum err_code traces_get(struct request *rq);
