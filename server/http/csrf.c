#include "server/http/csrf.h"

#include <inttypes.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/http/reply.h"
#include "shared/base/clock.h"
#include "shared/base/sha256.h"

/* Clients share a slot when their hashes collide; then the older token of one may live on until
 * its time is over. */
enum { SLOTS = 1 << 14, TIME_DIGITS = 16, PROOF_BYTES = 24 };

struct slot {
    uint64_t client;   /* hash */
    int64_t newest_us; /* when its valid token was made */
};

struct csrf {
    int64_t lifetime_us;
    pthread_mutex_t lock; /* of what follows */
    char key[SHA256_TEXT_BYTES];
    struct slot slots[SLOTS];
};

struct csrf *csrf_open(int64_t lifetime_us)
{
    struct csrf *c = calloc(1, sizeof(*c));

    if (!c)
        abort();
    c->lifetime_us = lifetime_us;
    pthread_mutex_init(&c->lock, NULL);
    return c;
}

void csrf_close(struct csrf *c)
{
    if (!c)
        return;
    pthread_mutex_destroy(&c->lock);
    free(c);
}

void csrf_set_key(struct csrf *c, const char *key)
{
    pthread_mutex_lock(&c->lock);
    snprintf(c->key, sizeof(c->key), "%s", key);
    pthread_mutex_unlock(&c->lock);
}

int64_t csrf_lifetime_us(const struct csrf *c)
{
    return c->lifetime_us;
}

/* False while there is no key. */
static bool compose(struct csrf *c, const char *client, int64_t made_us,
                    char out[static CSRF_TOKEN_BYTES])
{
    uint8_t proof[SHA256_BYTES];
    char key[SHA256_TEXT_BYTES];
    size_t len = strlen(client);
    char *text = malloc(TIME_DIGITS + len + 1);

    if (!text)
        abort();
    snprintf(text, TIME_DIGITS + len + 1, "%016" PRIx64 "%s", (uint64_t)made_us, client);
    pthread_mutex_lock(&c->lock);
    memcpy(key, c->key, sizeof(key));
    pthread_mutex_unlock(&c->lock);
    hmac_sha256(key, strlen(key), text, TIME_DIGITS + len, proof);
    memcpy(out, text, TIME_DIGITS);
    hex_text(proof, PROOF_BYTES, out + TIME_DIGITS);
    free(text);
    return key[0];
}

static bool read_time_of(const char *token, int64_t *out_us)
{
    char digits[TIME_DIGITS + 1] = "";

    if (strlen(token) != CSRF_TOKEN_BYTES - 1 ||
        strspn(token, "0123456789abcdef") != CSRF_TOKEN_BYTES - 1)
        return false;
    memcpy(digits, token, TIME_DIGITS);
    *out_us = (int64_t)strtoull(digits, NULL, 16);
    return true;
}

/* FNV-1a: no secret is in it, and a collision only keeps an old token alive. */
static uint64_t hash_of(const char *client)
{
    uint64_t h = UINT64_C(14695981039346656037);

    for (; *client; client++)
        h = (h ^ (uint8_t)*client) * UINT64_C(1099511628211);
    return h;
}

static void note(struct csrf *c, uint64_t hash, int64_t made_us)
{
    struct slot *slot = &c->slots[hash % SLOTS];

    pthread_mutex_lock(&c->lock);
    if (slot->client != hash || slot->newest_us < made_us)
        *slot = (struct slot){hash, made_us};
    pthread_mutex_unlock(&c->lock);
}

void csrf_make(struct csrf *c, const char *client, int64_t now_us,
               char out_token[static CSRF_TOKEN_BYTES])
{
    compose(c, client, now_us, out_token);
    note(c, hash_of(client), now_us);
}

void csrf_learn(struct csrf *c, const char *client, const char *token)
{
    int64_t made_us;

    if (read_time_of(token, &made_us))
        note(c, hash_of(client), made_us);
}

void csrf_news(const char *client, const char *token, char out_news[static CSRF_NEWS_BYTES])
{
    snprintf(out_news, CSRF_NEWS_BYTES, "%016" PRIx64 " %.16s", hash_of(client), token);
}

void csrf_hear(struct csrf *c, const char *news)
{
    uint64_t hash, made_us;

    if (sscanf(news, "%16" SCNx64 " %16" SCNx64, &hash, &made_us) == 2)
        note(c, hash, (int64_t)made_us);
}

bool csrf_is_valid(struct csrf *c, const char *client, const char *token, int64_t now_us)
{
    char expected[CSRF_TOKEN_BYTES];
    uint64_t hash = hash_of(client);
    const struct slot *slot = &c->slots[hash % SLOTS];
    int64_t made_us;

    if (!read_time_of(token, &made_us))
        return false;
    bool keyed = compose(c, client, made_us, expected);
    if (!keyed || CRYPTO_memcmp(token, expected, sizeof(expected) - 1) != 0)
        return false;
    pthread_mutex_lock(&c->lock);
    bool replaced = slot->client == hash && slot->newest_us > made_us;
    pthread_mutex_unlock(&c->lock);
    return !replaced && now_us < made_us + c->lifetime_us;
}

enum err_code csrf_check(struct csrf *c, struct request *rq)
{
    const char *token = request_header(rq, "Prefect-Csrf-Token");
    const char *client = request_header(rq, "Prefect-Csrf-Client");

    if (!c || rq->method == GET || rq->method == METHOD_COUNT)
        return ERR_OK;
    if (!token)
        return err_set(&rq->work.err, FORBIDDEN, "Missing CSRF token.");
    if (!client)
        return err_set(&rq->work.err, FORBIDDEN, "Missing client identifier.");
    if (csrf_is_valid(c, client, token, clock_now_us()))
        return ERR_OK;
    return err_set(&rq->work.err, FORBIDDEN, "Invalid CSRF token or client identifier.");
}
