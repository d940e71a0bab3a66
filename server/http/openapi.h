/* The OpenAPI document, made from the routes and the resources they name. */
#pragma once
#include <stdio.h>

#include "server/http/request.h"

void openapi_write(struct buf *b);
bool openapi_print(FILE *f);
handler_fn openapi_get, openapi_docs;
