#pragma once
#include "server/http/request.h"

/* gzip for bodies of 500 bytes and more, with Vary; other bodies stay as they are. */
void compress_reply(struct request *rq);
