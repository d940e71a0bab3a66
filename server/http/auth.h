/* Who may call the API: whoever has the auth string (Basic, as Prefect's clients send it) or an API
 * key (Bearer).  Without an auth string the API is open.
 *
 * Keys are kept as hashes; the set is loaded from the database at start and whenever it changes
 * (store/api_keys.h), so that a check never waits.
 * Thread: any. */
#pragma once
#include "shared/base/base.h"
#include "shared/base/sha256.h"

struct config;
struct auth;

struct key_hash {
    uint8_t hash[SHA256_BYTES];
    int64_t expires_us; /* TIME_NONE: never */
};

struct auth *auth_open(const struct config *config);
void auth_close(struct auth *auth);
/* Replaces the set of keys; copies it. */
void auth_set_keys(struct auth *auth, const struct key_hash *keys, size_t count);

enum auth_caller { AUTH_NOBODY, AUTH_OWNER, AUTH_KEY };
/* By the value of an Authorization header (may be NULL).  AUTH_OWNER when the API is open. */
enum auth_caller auth_caller(struct auth *auth, const char *header);
/* The same for the token in the first frame of a WebSocket. */
enum auth_caller auth_token_caller(struct auth *auth, const char *token, size_t len);
