/* API keys and CSRF tokens in the database. */
#pragma once
#include "server/db/db.h"
#include "server/model/api_key.h"
#include "server/model/csrf_token.h"
#include "shared/base/sha256.h"

/* Rows of api_key_resource.  CONFLICT when the name is taken. */
MUST_CHECK enum err_code api_key_insert(struct work *w, const struct api_key *in,
                                        const char hash_hex[static SHA256_TEXT_BYTES],
                                        struct rows *out);
/* NOT_FOUND when there is none of that name. */
MUST_CHECK enum err_code api_key_get(struct work *w, const char *name, struct rows *out);
MUST_CHECK enum err_code api_key_delete(struct work *w, const char *name);
/* Hash in hexadecimal and expiry of all that are valid. */
MUST_CHECK enum err_code api_key_hashes(struct work *w, struct rows *out);

/* The one token of that client from now on; rows of csrf_token_resource. */
MUST_CHECK enum err_code csrf_token_put(struct work *w, const char *client, const char *token,
                                        int64_t expiration_us, struct rows *out);
/* Client and token of all that are valid. */
/* The key of this database, as 64 hexadecimal digits. */
MUST_CHECK enum err_code csrf_key_get(struct work *w, const char **out);
MUST_CHECK enum err_code csrf_token_list(struct work *w, struct rows *out);
