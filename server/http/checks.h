/* What is checked before a handler sees a request, in Prefect's order: CORS preflight, request
 * hygiene, CSRF token, authorization, routing, JSON syntax, API version, body. */
#pragma once
#include "server/http/request.h"

/* All that headers can tell.  On error either rq->work.err is set or the reply is complete. */
MUST_CHECK enum err_code checks_headers(struct request *rq);
