/* CSRF tokens as Prefect's clients and pages use them.
 *
 * A token names the time it was made and proves it: 8 bytes of time and 24 bytes of an HMAC over
 * time and client, as 64 hexadecimal digits.  The key is in the database, so any server on it can
 * check the token without asking.  Each client has one valid token: the newest that this server has
 * heard of; the others are told by news.
 *
 * Order:  before authorization and routing, for every POST, PUT, PATCH and DELETE.
 * Errors: FORBIDDEN in Prefect's words.
 * Thread: any. */
#pragma once
#include "server/http/request.h"

struct csrf;

enum { CSRF_TOKEN_BYTES = 65, CSRF_NEWS_BYTES = 2 * 16 + 2 };

/* Without a key no token is valid. */
struct csrf *csrf_open(int64_t lifetime_us);
void csrf_set_key(struct csrf *c, const char *key);
void csrf_close(struct csrf *c);
void csrf_make(struct csrf *c, const char *client, int64_t now_us,
               char out_token[static CSRF_TOKEN_BYTES]);
/* A token that is in the database or was made by another server: older ones of that client end. */
void csrf_learn(struct csrf *c, const char *client, const char *token);
/* The same as news: a hash of the client and when its token was made. */
void csrf_news(const char *client, const char *token, char out_news[static CSRF_NEWS_BYTES]);
void csrf_hear(struct csrf *c, const char *news);
bool csrf_is_valid(struct csrf *c, const char *client, const char *token, int64_t now_us);
int64_t csrf_lifetime_us(const struct csrf *c);

/* Nothing to check when protection is off (c is NULL) or the method only reads. */
MUST_CHECK enum err_code csrf_check(struct csrf *c, struct request *rq);
