#include "server/http/request.h"

#include <microhttpd.h>
#include <stdio.h>
#include <string.h>

#include "server/http/reply.h"
#include "server/http/route.h"
#include "server/http/unescape.h"
#include "server/server.h"
#include "shared/json/write.h"

enum { QUERY_MAX_BYTES = 64 << 10, QUOTED_FACTOR = 6, QUOTED_SPARE_BYTES = 16 };

const char *const method_names[METHOD_COUNT] = {"GET", "POST", "PUT", "PATCH", "DELETE"};

const char *request_header(struct request *rq, const char *name)
{
    return MHD_lookup_connection_value(rq->connection, MHD_HEADER_KIND, name);
}

const char *request_origin(struct request *rq)
{
    const char *host = request_header(rq, "Host"),
               *scheme = request_header(rq, "X-Forwarded-Proto");

    return arena_printf(&rq->work.arena, "%s://%s",
                        scheme && strcmp(scheme, "https") == 0 ? "https" : "http",
                        host ? host : rq->work.server->config.listen);
}

struct wanted {
    const char *name, *value;
};

static enum MHD_Result keep_last(void *context, enum MHD_ValueKind kind, const char *name,
                                 const char *value)
{
    struct wanted *w = context;

    (void)kind;
    if (strcmp(name, w->name) == 0)
        w->value = value;
    return MHD_YES;
}

const char *request_query(struct request *rq, const char *name)
{
    struct wanted w = {.name = name};

    MHD_get_connection_values(rq->connection, MHD_GET_ARGUMENT_KIND, keep_last, &w);
    return w.value ? unescape(&rq->work.arena, w.value, strlen(w.value), true) : NULL;
}

bool request_query_bool(struct request *rq, const char *name)
{
    static const char *const yes[] = {"true", "1", "yes", "on", "t", "y"};
    const char *value = request_query(rq, name);

    for (size_t i = 0; value && i < COUNT(yes); i++)
        if (strcasecmp(value, yes[i]) == 0)
            return true;
    return false;
}

/* Texts of the URL, decoded as if they were members of an object; `values` in the order of the
 * fields. */
static enum err_code decode_texts(struct request *rq, const char *where, const struct resource *r,
                                  const char *const *values, void *out)
{
    const struct loc at = {.key = where};
    struct arena *a = &rq->work.arena;
    struct doc *d = arena_new(a, struct doc);
    struct buf b = {.max_bytes = QUERY_MAX_BYTES};
    struct doc_error error;

    write_object(&b);
    for (size_t i = 0; i < r->count; i++) {
        if (!values[i])
            continue;
        write_key(&b, r->fields[i].name);
        write_string(&b, values[i]);
    }
    write_end_object(&b);
    const char *text = b.full ? NULL : arena_strndup(a, b.bytes, b.len);
    size_t len = b.len;
    buf_free(&b);
    if (!text || !doc_parse(a, text, len, d, &error))
        return err_set(&rq->work.err, INVALID, "the %s is longer than %d bytes", where,
                       QUERY_MAX_BYTES);
    rq->invalid.arena = a;
    if (json_decode(r, doc_root(d), &at, out, &rq->invalid))
        return err_set(&rq->work.err, INVALID, "%s", rq->invalid.first);
    return ERR_OK;
}

enum err_code request_decode_query(struct request *rq, const struct resource *r, void *out)
{
    const char **values = arena_array(&rq->work.arena, const char *, r->count);

    for (size_t i = 0; i < r->count; i++)
        values[i] = request_query(rq, r->fields[i].name);
    return decode_texts(rq, "query", r, values, out);
}

enum err_code request_decode_path(struct request *rq, const struct resource *r, void *out)
{
    return decode_texts(rq, "path", r, rq->params, out);
}

/* Wrong versions are told with the words of Prefect, missing blank included. */
static enum err_code check_version(struct request *rq)
{
    const char *version = request_header(rq, "X-PREFECT-API-VERSION");
    unsigned major, minor, patch;
    char rest;

    if (!version || !*version || (rq->route->flags & NO_VERSION_CHECK))
        return ERR_OK;
    if (sscanf(version, "%u.%u.%u%c", &major, &minor, &patch, &rest) != 3)
        return err_set(
            &rq->work.err, BAD_REQUEST,
            "Invalid X-PREFECT-API-VERSION header format.Expected header in format 'x.y.z' but "
            "received %.60s",
            version);
    if (major == 0 && minor < 8)
        return err_set(&rq->work.err, BAD_REQUEST,
                       "The request specified API version %.60s but this server requires version "
                       "0.8.0 or higher.",
                       version);
    return ERR_OK;
}

/* No type is JSON. */
static bool says_json(const char *type)
{
    size_t len = type ? strcspn(type, "; \t") : 0;

    return !len || ((len > 12 && !strncasecmp(type, "application/", 12)) &&
                    (!strncasecmp(type + len - 4, "json", 4)) &&
                    (len == 16 || (len > 16 && type[len - 5] == '+')));
}

/* What is not JSON and does not say that it is, is one text (a template). */
static enum err_code parse_text(struct request *rq)
{
    struct buf quoted = {.max_bytes = QUOTED_FACTOR * rq->body.len + QUOTED_SPARE_BYTES};
    struct doc_error bad;

    write_string_n(&quoted, rq->body.bytes, rq->body.len);
    const char *text =
        quoted.full ? NULL : arena_strndup(&rq->work.arena, quoted.bytes, quoted.len);
    bool good = text && doc_parse(&rq->work.arena, text, quoted.len, &rq->doc, &bad);
    buf_free(&quoted);
    return good ? ERR_OK
                : err_set(&rq->work.err, BAD_REQUEST, "There was an error parsing the body");
}

static enum err_code parse_body(struct request *rq)
{
    struct doc_error bad;

    if (!rq->body.len)
        return ERR_OK;
    if (doc_parse(&rq->work.arena, rq->body.bytes, rq->body.len, &rq->doc, &bad))
        return ERR_OK;
    if (!bad.unreadable && !says_json(request_header(rq, "Content-Type")))
        return parse_text(rq);
    if (bad.unreadable)
        return err_set(&rq->work.err, BAD_REQUEST, "There was an error parsing the body");
    invalid_syntax(&rq->invalid, &bad);
    return err_set(&rq->work.err, INVALID, "%s", rq->invalid.first);
}

static enum err_code decode_body(struct request *rq)
{
    const struct resource *r = rq->route->body;
    struct val root = rq->body.len ? doc_root(&rq->doc) : (struct val){0};
    enum err_code rc;

    if (rq->route->flags & BODY_LIST) {
        rc = json_decode_list(r, root, &loc_body, &rq->in, &rq->in_count, &rq->invalid);
    } else {
        if (val_type(root) <= DOC_NULL && !(rq->route->flags & BODY_OPTIONAL) && !r->extra) {
            invalid_add(&rq->invalid, &loc_body, "missing", "Field required", RAW("null"), NULL);
            return err_set(&rq->work.err, INVALID, "%s", rq->invalid.first);
        }
        rq->in = arena_alloc(&rq->work.arena, 1, r->size, _Alignof(max_align_t));
        rc = json_decode(r, root, &loc_body, rq->in, &rq->invalid);
    }
    return rc ? err_set(&rq->work.err, INVALID, "%s", rq->invalid.first) : ERR_OK;
}

enum err_code request_decode(struct request *rq)
{
    const struct route *route = rq->route;
    enum err_code rc = ERR_OK;

    if (rq->in || (route->flags & BODY_FILE))
        return check_version(rq);
    rq->invalid.arena = &rq->work.arena;
    if (route->body || (route->flags & BODY_DOC))
        rc = parse_body(rq);
    if (!rc)
        rc = check_version(rq);
    if (!rc && route->body)
        rc = decode_body(rq);
    return rc;
}
