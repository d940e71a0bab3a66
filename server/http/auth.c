#include "server/http/auth.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "server/config.h"
#include "shared/base/clock.h"

struct auth {
    const char *auth_string; /* NULL: open */
    char *basic;             /* the whole header */
    pthread_rwlock_t lock;
    struct key_hash *keys; /* sorted */
    size_t count;
};

static const char basic_scheme[] = "Basic ", bearer_scheme[] = "Bearer ";

static char *basic_header(const char *auth_string)
{
    size_t len = strlen(auth_string), scheme = sizeof(basic_scheme) - 1;
    char *value = malloc(scheme + 4 * ((len + 2) / 3) + 1);

    if (!value)
        abort();
    memcpy(value, basic_scheme, scheme);
    EVP_EncodeBlock((unsigned char *)value + scheme, (const unsigned char *)auth_string, (int)len);
    return value;
}

struct auth *auth_open(const struct config *config)
{
    struct auth *auth = calloc(1, sizeof(*auth));

    if (!auth)
        abort();
    auth->auth_string = config->auth_string;
    if (auth->auth_string)
        auth->basic = basic_header(auth->auth_string);
    pthread_rwlock_init(&auth->lock, NULL);
    return auth;
}

void auth_close(struct auth *auth)
{
    if (!auth)
        return;
    pthread_rwlock_destroy(&auth->lock);
    free(auth->basic);
    free(auth->keys);
    free(auth);
}

static int by_hash(const void *a, const void *b)
{
    return memcmp(((const struct key_hash *)a)->hash, ((const struct key_hash *)b)->hash,
                  SHA256_BYTES);
}

void auth_set_keys(struct auth *auth, const struct key_hash *keys, size_t count)
{
    struct key_hash *copy = calloc(count + 1, sizeof(*copy));

    if (!copy)
        abort();
    if (count)
        memcpy(copy, keys, count * sizeof(*copy));
    qsort(copy, count, sizeof(*copy), by_hash);
    pthread_rwlock_wrlock(&auth->lock);
    struct key_hash *old = auth->keys;
    auth->keys = copy;
    auth->count = count;
    pthread_rwlock_unlock(&auth->lock);
    free(old);
}

static bool equal(const char *given, size_t len, const char *expected)
{
    return len == strlen(expected) && CRYPTO_memcmp(given, expected, len) == 0;
}

/* A hash that is compared byte by byte tells nothing about the key. */
static bool is_key(struct auth *auth, const char *key, size_t len)
{
    struct key_hash wanted;

    SHA256((const unsigned char *)key, len, wanted.hash);
    pthread_rwlock_rdlock(&auth->lock);
    const struct key_hash *found =
        auth->count ? bsearch(&wanted, auth->keys, auth->count, sizeof(wanted), by_hash) : NULL;
    bool valid = found && (found->expires_us == TIME_NONE || found->expires_us > clock_now_us());
    pthread_rwlock_unlock(&auth->lock);
    return valid;
}

enum auth_caller auth_caller(struct auth *auth, const char *header)
{
    size_t scheme = sizeof(bearer_scheme) - 1;

    if (!auth->auth_string)
        return AUTH_OWNER;
    if (!header)
        return AUTH_NOBODY;
    if (strncmp(header, bearer_scheme, scheme) == 0)
        return is_key(auth, header + scheme, strlen(header + scheme)) ? AUTH_KEY : AUTH_NOBODY;
    return equal(header, strlen(header), auth->basic) ? AUTH_OWNER : AUTH_NOBODY;
}

enum auth_caller auth_token_caller(struct auth *auth, const char *token, size_t len)
{
    if (!auth->auth_string || (token && equal(token, len, auth->auth_string)))
        return AUTH_OWNER;
    return token && is_key(auth, token, len) ? AUTH_KEY : AUTH_NOBODY;
}
