#include "shared/base/sha256.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

static void must(bool worked)
{
    if (!worked)
        abort();
}

/* The object is OpenSSL's own. */
static EVP_MD_CTX *context(struct sha256 *h)
{
    return (EVP_MD_CTX *)(void *)h;
}

static void start(EVP_MD_CTX *c)
{
    must(EVP_DigestInit_ex(c, EVP_sha256(), NULL) == 1);
}

struct sha256 *sha256_new(void)
{
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    must(c != NULL);
    start(c);
    return (struct sha256 *)(void *)c;
}

void sha256_free(struct sha256 *h)
{
    EVP_MD_CTX_free(context(h));
}

void sha256_add(struct sha256 *h, const void *bytes, size_t len)
{
    must(EVP_DigestUpdate(context(h), bytes, len) == 1);
}

void sha256_text(struct sha256 *h, char out_text[static SHA256_TEXT_BYTES])
{
    uint8_t digest[SHA256_BYTES];
    must(EVP_DigestFinal_ex(context(h), digest, NULL) == 1);
    hex_text(digest, sizeof(digest), out_text);
    start(context(h));
}

void sha256_of(const void *bytes, size_t len, char out_text[static SHA256_TEXT_BYTES])
{
    uint8_t digest[SHA256_BYTES];
    must(EVP_Digest(bytes, len, digest, NULL, EVP_sha256(), NULL) == 1);
    hex_text(digest, sizeof(digest), out_text);
}

void hmac_sha256(const void *key, size_t key_len, const void *bytes, size_t len,
                 uint8_t out_mac[static SHA256_BYTES])
{
    must(HMAC(EVP_sha256(), key, (int)key_len, bytes, len, out_mac, NULL) != NULL);
}

void hex_text(const uint8_t *bytes, size_t len, char *out_text)
{
    for (size_t i = 0; i < len; i++) {
        *out_text++ = "0123456789abcdef"[bytes[i] >> 4];
        *out_text++ = "0123456789abcdef"[bytes[i] & 15];
    }
    *out_text = 0;
}
