#include "server/api/access.h"

#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/listing.h"
#include "server/db/notify.h"
#include "server/db/params.h"
#include "server/http/auth.h"
#include "server/http/csrf.h"
#include "server/http/reply.h"
#include "server/server.h"
#include "server/store/access.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"

enum { KEY_RANDOM_BYTES = 32, KEY_TEXT_BYTES = 3 + 2 * KEY_RANDOM_BYTES + 1 };

static enum err_code load_keys(struct work *w)
{
    struct rows rows;
    enum err_code rc = api_key_hashes(w, &rows);

    if (rc)
        return rc;
    struct key_hash *keys = arena_array(&w->arena, struct key_hash, (size_t)rows.count + 1);
    for (int i = 0; i < rows.count; i++) {
        const char *hex = rows_text(&rows, i, 0);
        for (size_t k = 0; k < SHA256_BYTES; k++)
            keys[i].hash[k] =
                (uint8_t)strtoul((const char[]){hex[2 * k], hex[2 * k + 1], 0}, NULL, 16);
        keys[i].expires_us = rows_time(&rows, i, 1);
    }
    auth_set_keys(w->server->auth, keys, (size_t)rows.count);
    return ERR_OK;
}

enum err_code access_load(struct work *w)
{
    const char *key = "";
    struct rows rows;
    enum err_code rc = load_keys(w);

    if (rc || !w->server->csrf)
        return rc;
    if (!(rc = csrf_key_get(w, &key)))
        rc = csrf_token_list(w, &rows);
    if (!rc)
        csrf_set_key(w->server->csrf, key);
    for (int i = 0; !rc && i < rows.count; i++)
        csrf_learn(w->server->csrf, rows_text(&rows, i, 0), rows_text(&rows, i, 1));
    return rc;
}

static void tell_others(struct work *w)
{
    notify_send(w->server->notify, "access", "");
}

void access_heard(struct server *server, const char *rest)
{
    struct work w = {.server = server, .db = db_open(server->conninfo), .now_us = clock_now_us()};
    (void)rest;

    if (access_load(&w) != ERR_OK)
        log_warn("access not loaded", KV_E(&w.err));
    db_close(w.db);
    arena_reset(&w.arena);
}

void csrf_heard(struct server *server, const char *rest)
{
    if (rest && server->csrf)
        csrf_hear(server->csrf, rest);
}

/* ---- API keys ---- */

/* A key must not make others: then revoking it would not be enough. */
static enum err_code check_owner(struct request *rq)
{
    if (auth_caller(rq->work.server->auth, request_header(rq, "Authorization")) == AUTH_OWNER)
        return ERR_OK;
    return err_set(&rq->work.err, FORBIDDEN,
                   "API keys are managed with the auth string, not with an API key.");
}

enum err_code api_keys_create(struct request *rq)
{
    const struct api_key *in = request_in(rq, struct api_key);
    struct work *w = &rq->work;
    uint8_t random[KEY_RANDOM_BYTES];
    char key[KEY_TEXT_BYTES] = "sy_", hash[SHA256_TEXT_BYTES];
    struct rows rows;
    enum err_code rc = check_owner(rq);

    if (!rc && RAND_bytes(random, sizeof(random)) != 1)
        rc = err_set(&w->err, INTERNAL, "no random numbers");
    if (rc)
        return rc;
    hex_text(random, sizeof(random), key + 3);
    sha256_of(key, strlen(key), hash);
    rc = api_key_insert(w, in, hash, &rows);
    if (!rc)
        rc = load_keys(w);
    if (!rc)
        rc = reply_row(rq, 201, &api_key_resource, &rows, 0);
    if (!rc)
        reply_add_string(rq, "key", key); /* this once */
    tell_others(w);
    return rc;
}

static const struct sort sorts[] = {{"NAME_ASC", "k.name COLLATE \"C\""}};
static const struct listing api_keys = {
    .resource = &api_key_resource,
    .from = "api_key k",
    .alias = "k",
    .target = FILTER_TARGETS,
    .sorts = sorts,
    .sort_count = COUNT(sorts),
};

enum err_code api_keys_filter(struct request *rq)
{
    enum err_code rc = check_owner(rq);
    return rc ? rc : listing_filter(rq, &api_keys);
}

enum err_code api_keys_get(struct request *rq)
{
    struct rows rows;
    enum err_code rc = check_owner(rq);

    if (!rc)
        rc = api_key_get(&rq->work, rq->params[0], &rows);
    return rc ? rc : reply_row(rq, 200, &api_key_resource, &rows, 0);
}

enum err_code api_keys_delete(struct request *rq)
{
    enum err_code rc = check_owner(rq);

    if (!rc)
        rc = api_key_delete(&rq->work, rq->params[0]);
    if (!rc)
        rc = load_keys(&rq->work);
    tell_others(&rq->work);
    return rc ? rc : reply_empty(rq, 204);
}

/* ---- CSRF ---- */

enum err_code csrf_token_get(struct request *rq)
{
    const struct loc query = {.key = "query"}, at = {.outer = &query, .key = "client"};
    const char *client = request_query(rq, "client");
    struct work *w = &rq->work;
    struct csrf *csrf = w->server->csrf;
    char token[CSRF_TOKEN_BYTES], news[CSRF_NEWS_BYTES];
    struct rows rows;

    rq->invalid.arena = &w->arena;
    if (!client) {
        invalid_add(&rq->invalid, &at, "missing", "Field required", RAW("null"), NULL);
        return err_set(&w->err, INVALID, "%s", rq->invalid.first);
    }
    if (!csrf)
        return err_set(&w->err, INVALID, "CSRF protection is disabled.");
    csrf_make(csrf, client, w->now_us, token);
    enum err_code rc = csrf_token_put(w, client, token, w->now_us + csrf_lifetime_us(csrf), &rows);
    if (rc)
        return rc;
    csrf_news(client, token, news);
    notify_send(w->server->notify, "csrf", news);
    return reply_row(rq, 200, &csrf_token_resource, &rows, 0);
}
