#include "worker/io/s3.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "shared/base/clock.h"
#include "worker/io/sigv4.h"

#define DEFAULT_REGION "us-east-1"

enum { DATE_BYTES = 17, KEY_MAX_BYTES = 1024 };

struct endpoint {
    const char *scheme, *host, *path; /* "https://", "host:port", "/prefix" or "" */
};

/* Source: S3 User Guide, "Bucket naming rules"; older buckets may have capitals and '_'. */
static bool is_bucket(const char *name)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._";
    size_t len = strlen(name);
    return len >= 3 && len <= 255 && strspn(name, allowed) == len && name[0] != '.' &&
           !strstr(name, "..");
}

static enum err_code split(const char *url, struct arena *a, struct endpoint *out, struct err *e)
{
    const char *scheme = !strncmp(url, "http://", 7)    ? "http://"
                         : !strncmp(url, "https://", 8) ? "https://"
                                                        : NULL;
    const char *host = scheme ? url + strlen(scheme) : "";
    size_t host_len = strcspn(host, "/");
    size_t path_len = strlen(host + host_len);

    if (!scheme || !host_len || strpbrk(host, "@?# \t\r\n"))
        return err_set(e, INVALID,
                       "`endpoint` is not the address of an S3 server, expected "
                       "http(s)://host[:port] without user, query and fragment");
    while (path_len && host[host_len + path_len - 1] == '/')
        path_len--;
    const char *path = arena_strndup(a, host + host_len, path_len);
    const char *usual_port = scheme[4] == 's' ? ":443" : ":80"; /* not sent, so not signed */
    size_t port_len = strlen(usual_port);
    if (host_len > port_len && !strncmp(host + host_len - port_len, usual_port, port_len))
        host_len -= port_len;
    *out =
        (struct endpoint){.scheme = scheme, .host = arena_strndup(a, host, host_len), .path = path};
    return ERR_OK;
}

static enum err_code check(const struct s3_object *o, struct err *e)
{
    if (!is_bucket(o->bucket))
        return err_set(e, INVALID, "`bucket` is not the name of a bucket: %.100s", o->bucket);
    if (!o->key[0] || strlen(o->key) > KEY_MAX_BYTES)
        return err_set(e, INVALID, "`key` is empty or longer than %d bytes", KEY_MAX_BYTES);
    if (!o->access_key != !o->secret_key)
        return err_set(e, INVALID, "`access_key` and `secret_key` belong together: one is missing");
    if ((o->session_token && strpbrk(o->session_token, "\r\n")) ||
        (o->access_key && strpbrk(o->access_key, "\r\n/")))
        return err_set(e, INVALID,
                       "`access_key` or `session_token` has a character that cannot be in one");
    return ERR_OK;
}

static const char *authorization(const struct s3_object *o, const struct endpoint *at,
                                 const char *path, const char *date, struct arena *a)
{
    const struct sigv4_pair headers[] = {
        {"host", at->host},
        {"x-amz-content-sha256", SIGV4_EMPTY_SHA256},
        {"x-amz-date", date},
        {"x-amz-security-token", o->session_token},
    };
    const struct sigv4_pair query = {"versionId", o->version};
    return sigv4_authorization(a, &(struct sigv4_request){
                                      .method = "GET",
                                      .path = path,
                                      .query = &query,
                                      .query_count = o->version != NULL,
                                      .headers = headers,
                                      .header_count = o->session_token ? 4 : 3,
                                      .payload_sha256 = SIGV4_EMPTY_SHA256,
                                      .date = date,
                                      .region = o->region ? o->region : DEFAULT_REGION,
                                      .service = "s3",
                                      .access_key = o->access_key,
                                      .secret_key = o->secret_key,
                                  });
}

enum err_code s3_sign(const struct s3_object *o, int64_t now_us, struct arena *a,
                      struct s3_request *out, struct err *e)
{
    struct endpoint at = {0};
    struct tm utc;
    time_t now_s = (time_t)(now_us / 1000000);
    char date[DATE_BYTES];
    enum err_code code = split(o->endpoint, a, &at, e);

    if (code || (code = check(o, e)))
        return code;
    const char *key = sigv4_encode(a, o->key, true);
    const char *path = arena_printf(a, "%s/%s", at.path, key);
    if (o->virtual_host)
        at.host = arena_printf(a, "%s.%s", o->bucket, at.host);
    else
        path = arena_printf(a, "%s/%s/%s", at.path, o->bucket, key);
    *out = (struct s3_request){.url = arena_printf(a, "%s%s%s", at.scheme, at.host, path)};
    if (o->version)
        out->url = arena_printf(a, "%s?versionId=%s", out->url, sigv4_encode(a, o->version, false));
    if (!o->access_key)
        return ERR_OK;
    strftime(date, sizeof(date), "%Y%m%dT%H%M%SZ", gmtime_r(&now_s, &utc));
    size_t n = 0;
    out->headers[n++] = arena_printf(a, "x-amz-date: %s", date);
    out->headers[n++] = "x-amz-content-sha256: " SIGV4_EMPTY_SHA256;
    if (o->session_token)
        out->headers[n++] = arena_printf(a, "x-amz-security-token: %s", o->session_token);
    out->headers[n] = arena_printf(a, "Authorization: %s", authorization(o, &at, path, date, a));
    return ERR_OK;
}

void s3_error_text(const char *xml, const char *name, char *out_text, size_t size)
{
    char open[40];
    size_t open_len = (size_t)snprintf(open, sizeof(open), "<%s>", name);
    const char *text = strstr(xml, open);

    out_text[0] = 0;
    if (text)
        snprintf(out_text, size, "%.*s", (int)strcspn(text + open_len, "<"), text + open_len);
}

/* Source: S3 API Reference, "Error responses". */
static const struct {
    const char *code;
    enum err_code err;
    const char *hint;
} causes[] = {
    /* clang-format off */
    {"NoSuchKey",              ERR_NOT_FOUND, "the bucket has no object of this key"},
    {"NoSuchBucket",           ERR_NOT_FOUND, "the server has no bucket of this name"},
    {"NoSuchVersion",          ERR_NOT_FOUND, "the object has no such version"},
    {"InvalidAccessKeyId",     ERR_AUTH,      "the server does not know the access key"},
    {"SignatureDoesNotMatch",  ERR_AUTH,      "the secret key is not the one that belongs to the access key"},
    {"RequestTimeTooSkewed",   ERR_AUTH,      "the clocks of this machine and of the server are too far apart"},
    {"ExpiredToken",           ERR_AUTH,      "the session token has expired"},
    {"InvalidToken",           ERR_AUTH,      "the session token is not valid"},
    {"AccessDenied",           ERR_FORBIDDEN, "this access key may not read the object"},
    {"PermanentRedirect",      ERR_INVALID,   "the bucket lies in another region: set `endpoint` and `region`"},
    {"AuthorizationHeaderMalformed", ERR_INVALID, "the bucket lies in another region: set `region`"},
    /* clang-format on */
};

static enum err_code refused(const struct http_get *get, int status, const char *body,
                             struct err *e)
{
    const struct s3_object *o = get->refused_ctx;
    char name[64], message[120];
    const char *hint = "the server says";
    enum err_code code = status >= 500 ? ERR_NETWORK : status == 404 ? ERR_NOT_FOUND : ERR_INVALID;

    s3_error_text(body, "Code", name, sizeof(name));
    s3_error_text(body, "Message", message, sizeof(message));
    for (size_t i = 0; i < COUNT(causes); i++) {
        if (!strcmp(causes[i].code, name)) {
            code = causes[i].err;
            hint = causes[i].hint;
        }
    }
    return err_set_at(e, code, __FILE__, __LINE__, "s3://%.63s/%.100s: %s (%d %s%s%s)", o->bucket,
                      o->key, hint, status, name, message[0] ? ": " : "", message);
}

enum err_code s3_get(const struct s3_object *object, const struct http_get *how, struct arena *a,
                     struct http_got *out, struct err *e)
{
    struct s3_request rq;
    enum err_code code = s3_sign(object, clock_now_us(), a, &rq, e);

    if (code)
        return code;
    struct http_get get = *how;
    get.url = rq.url;
    get.headers = rq.headers;
    get.refused = refused;
    get.refused_ctx = object;
    return http_get(&get, out, e);
}
