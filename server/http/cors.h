/* Cross-origin requests: who may call from a page that came from elsewhere, as the settings
 * cors_allowed_origins, _methods and _headers say (Starlette's rules).  Thread: any. */
#pragma once
#include "server/http/request.h"

/* A preflight is answered completely: 200, or 400 that names what is not allowed. */
bool cors_answer_preflight(struct request *rq);
/* Headers of every reply to a page from an allowed origin. */
void cors_finish(struct request *rq);
