/* API keys, CSRF tokens, and the sets of both that requests are checked against. */
#pragma once
#include "server/http/request.h"

handler_fn api_keys_create, api_keys_filter, api_keys_get, api_keys_delete, csrf_token_get;

/* Fills server->auth and server->csrf from the database; again whenever another server changed
 * them. */
MUST_CHECK enum err_code access_load(struct work *w);
void csrf_heard(struct server *server, const char *rest);
void access_heard(struct server *server, const char *rest);
