#include "worker/io/sigv4.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/sha256.h"

enum { DAY_LEN = 8 }; /* of "20130524T000000Z" */

const char *sigv4_encode(struct arena *a, const char *text, bool keep_slash)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    char *out = arena_array(a, char, 3 * strlen(text) + 1), *p = out;

    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (strchr(plain, c) || (keep_slash && c == '/')) {
            *p++ = (char)c;
            continue;
        }
        *p++ = '%';
        *p++ = "0123456789ABCDEF"[c >> 4];
        *p++ = "0123456789ABCDEF"[c & 15];
    }
    *p = 0;
    return out;
}

static int by_name(const void *left, const void *right)
{
    const struct sigv4_pair *l = left, *r = right;
    int order = strcmp(l->name, r->name);
    return order ? order : strcmp(l->value, r->value);
}

const char *sigv4_query(struct arena *a, const struct sigv4_pair *query, size_t count)
{
    struct sigv4_pair pairs[SIGV4_MAX_QUERY];
    const char *text = "";

    assert(count <= SIGV4_MAX_QUERY);
    for (size_t i = 0; i < count; i++)
        pairs[i] = (struct sigv4_pair){sigv4_encode(a, query[i].name, false),
                                       sigv4_encode(a, query[i].value, false)};
    qsort(pairs, count, sizeof(pairs[0]), by_name);
    for (size_t i = 0; i < count; i++)
        text = arena_printf(a, "%s%s%s=%s", text, i ? "&" : "", pairs[i].name, pairs[i].value);
    return text;
}

/* Without blanks at both ends, and with one for each run of blanks inside. */
static const char *squeeze(struct arena *a, const char *value)
{
    char *out = arena_array(a, char, strlen(value) + 1), *p = out;

    for (; *value; value++) {
        if (*value != ' ')
            *p++ = *value;
        else if (p > out && p[-1] != ' ')
            *p++ = ' ';
    }
    if (p > out && p[-1] == ' ')
        p--;
    *p = 0;
    return out;
}

/* "GET\n/path\nquery\nheaders\n\nnames\nhash" */
static const char *canonical(struct arena *a, const struct sigv4_request *rq,
                             const char **out_names)
{
    struct sigv4_pair headers[SIGV4_MAX_HEADERS];
    const char *lines = "", *names = "";

    assert(rq->header_count <= SIGV4_MAX_HEADERS);
    for (size_t i = 0; i < rq->header_count; i++)
        headers[i] = (struct sigv4_pair){rq->headers[i].name, squeeze(a, rq->headers[i].value)};
    qsort(headers, rq->header_count, sizeof(headers[0]), by_name);
    for (size_t i = 0; i < rq->header_count; i++) {
        lines = arena_printf(a, "%s%s:%s\n", lines, headers[i].name, headers[i].value);
        names = arena_printf(a, "%s%s%s", names, i ? ";" : "", headers[i].name);
    }
    *out_names = names;
    return arena_printf(a, "%s\n%s\n%s\n%s\n%s\n%s", rq->method, rq->path,
                        sigv4_query(a, rq->query, rq->query_count), lines, names,
                        rq->payload_sha256);
}

static void add_to_key(uint8_t key[static SHA256_BYTES], const char *text, size_t len)
{
    uint8_t mac[SHA256_BYTES];
    hmac_sha256(key, SHA256_BYTES, text, len, mac);
    memcpy(key, mac, sizeof(mac));
}

static void signing_key(struct arena *a, const struct sigv4_request *rq,
                        uint8_t key[static SHA256_BYTES])
{
    const char *secret = arena_printf(a, "AWS4%s", rq->secret_key);
    hmac_sha256(secret, strlen(secret), rq->date, DAY_LEN, key);
    add_to_key(key, rq->region, strlen(rq->region));
    add_to_key(key, rq->service, strlen(rq->service));
    add_to_key(key, "aws4_request", strlen("aws4_request"));
}

const char *sigv4_authorization(struct arena *a, const struct sigv4_request *rq)
{
    const char *names;
    const char *request = canonical(a, rq, &names);
    const char *scope =
        arena_printf(a, "%.*s/%s/%s/aws4_request", DAY_LEN, rq->date, rq->region, rq->service);
    char hash[SHA256_TEXT_BYTES], signature[SHA256_TEXT_BYTES];
    uint8_t key[SHA256_BYTES];

    sha256_of(request, strlen(request), hash);
    const char *text = arena_printf(a, "AWS4-HMAC-SHA256\n%s\n%s\n%s", rq->date, scope, hash);
    signing_key(a, rq, key);
    add_to_key(key, text, strlen(text));
    hex_text(key, sizeof(key), signature);
    return arena_printf(a, "AWS4-HMAC-SHA256 Credential=%s/%s,SignedHeaders=%s,Signature=%s",
                        rq->access_key, scope, names, signature);
}
