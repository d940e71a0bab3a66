/* SHA-256 of bytes that come in pieces, and HMAC-SHA-256.
 * Errors: none; OpenSSL failing to hash is a bug and aborts.
 * Thread: one object, one thread. */
#pragma once
#include "shared/base/base.h"

enum { SHA256_BYTES = 32, SHA256_TEXT_BYTES = 65 };

struct sha256;

struct sha256 *sha256_new(void);
void sha256_free(struct sha256 *h);
void sha256_add(struct sha256 *h, const void *bytes, size_t len);

/* Lower-case hexadecimal; the object starts afresh. */
void sha256_text(struct sha256 *h, char out_text[static SHA256_TEXT_BYTES]);

void sha256_of(const void *bytes, size_t len, char out_text[static SHA256_TEXT_BYTES]);

void hmac_sha256(const void *key, size_t key_len, const void *bytes, size_t len,
                 uint8_t out_mac[static SHA256_BYTES]);

/* len * 2 digits and a final zero. */
void hex_text(const uint8_t *bytes, size_t len, char *out_text);
