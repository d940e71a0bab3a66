/* Encryption of what must not be readable in the database: AES-256-GCM with a key that is not in
 * it.
 *
 * A sealed text is one byte of format, 12 bytes of nonce, the cipher text and 16 bytes of tag; it
 * opens only for the id it was sealed for.  The key is DATA/secrets.key (32 random bytes, mode
 * 0600), made when it is missing, or what SWITCHYARD_SECRETS_KEY says (64 hexadecimal digits), so
 * that several servers share it. Thread: any.   Source: NIST SP 800-38D. */
#pragma once
#include "shared/base/arena.h"
#include "shared/base/err.h"
#include "shared/base/sha256.h"
#include "shared/base/uuid.h"
#include "shared/json/value.h"

struct secrets;

/* Errors: IO, INVALID for a key of another form. */
MUST_CHECK enum err_code secrets_open(const char *data_folder, struct secrets **out, struct err *e);
void secrets_close(struct secrets *s);

/* As a bytea literal (`\x...`) in the arena. */
const char *secrets_seal(const struct secrets *s, struct arena *a, struct uuid id, struct raw text);
/* INTERNAL when it was sealed with another key, for another id, or was changed. */
MUST_CHECK enum err_code secrets_unseal(const struct secrets *s, struct arena *a, struct uuid id,
                                        const char *bytea, struct raw *out, struct err *e);
