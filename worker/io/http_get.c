#include "worker/io/http_get.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "shared/base/fault.h"

enum {
    CONNECT_TIMEOUT_S = 10,
    STALL_S = 30,
    FIRST_PAUSE_MS = 200,
    NAME_BYTES = 4096,
    SHOWN_BYTES = 200
};

/* One download: from the first try to the last. */
struct fetch {
    const struct http_get *get;
    CURL *easy;
    struct curl_slist *headers;
    struct sha256 *hash;
    FILE *file; /* NULL: into text */
    char *text;
    size_t text_size;
    int64_t bytes;
    size_t reply_len; /* of a status other than 200 */
    char reply[HTTP_REPLY_BYTES + 1];
    char etag[128];
    char shown[SHOWN_BYTES]; /* the URL as errors may name it */
    enum { FETCH_OK, FETCH_TOO_LARGE, FETCH_WRITE_FAILED } stop;
};

/* Without "user:password@", query and fragment. */
static void show_url(const char *url, char *out, size_t size)
{
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    size_t host_len = strcspn(host, "/?#");
    const char *at = memrchr(host, '@', host_len);
    const char *rest = at ? at + 1 : host;
    snprintf(out, size, "%.*s%.*s", (int)(host - url), url, (int)strcspn(rest, "?#"), rest);
}

static bool is_cancelled(const struct http_get *get)
{
    return get->cancelled && atomic_load(get->cancelled);
}

static size_t keep_reply(struct fetch *f, const char *bytes, size_t len)
{
    size_t room = HTTP_REPLY_BYTES - f->reply_len, take = len < room ? len : room;
    memcpy(f->reply + f->reply_len, bytes, take);
    f->reply_len += take;
    f->reply[f->reply_len] = 0;
    return len;
}

static bool put(struct fetch *f, const char *bytes, size_t len)
{
    if (f->file)
        return !FAULT("http_get.write") && fwrite(bytes, 1, len, f->file) == len;
    memcpy(f->text + f->bytes, bytes, len);
    return true;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
    struct fetch *f = ctx;
    size_t len = size * count;
    long status = 0;

    curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200)
        return keep_reply(f, bytes, len);
    int64_t limit = f->file ? f->get->max_bytes : (int64_t)f->text_size - 1;
    if (f->bytes + (int64_t)len > limit) {
        f->stop = FETCH_TOO_LARGE;
        return 0;
    }
    if (!put(f, bytes, len)) {
        f->stop = FETCH_WRITE_FAILED;
        return 0;
    }
    sha256_add(f->hash, bytes, len);
    f->bytes += (int64_t)len;
    return len;
}

static size_t on_header(char *line, size_t size, size_t count, void *ctx)
{
    struct fetch *f = ctx;
    size_t len = size * count, kept = 0;

    if (len > 5 && !strncasecmp(line, "etag:", 5)) {
        for (size_t i = 5; i < len && kept + 1 < sizeof(f->etag); i++)
            if (!strchr(" \"\r\n", line[i]))
                f->etag[kept++] = line[i];
        f->etag[kept] = 0;
    }
    return len;
}

static int on_progress(void *ctx, curl_off_t total, curl_off_t done, curl_off_t up_total,
                       curl_off_t up)
{
    struct fetch *f = ctx;
    (void)up_total;
    (void)up;
    if (f->get->progress && done)
        f->get->progress(f->get->ctx, (double)done, (double)total);
    return is_cancelled(f->get);
}

static void set_options(struct fetch *f)
{
    CURL *c = f->easy;
    double stall_s = f->get->stall_s > 0 ? f->get->stall_s : STALL_S;

    for (const char *const *h = f->get->headers; h && *h; h++)
        f->headers = curl_slist_append(f->headers, *h);
    curl_easy_setopt(c, CURLOPT_URL, f->get->url);
    curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L); /* what was signed is what is sent */
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, f->headers);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "switchyard-worker/" VERSION);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)(stall_s + 0.999));
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, f);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, f);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, f);
}

static enum err_code refuse(struct fetch *f, int status, struct err *e)
{
    static const struct {
        int status;
        enum err_code code;
    } codes[] = {{401, ERR_AUTH}, {403, ERR_FORBIDDEN}, {404, ERR_NOT_FOUND}, {410, ERR_NOT_FOUND}};

    if (f->get->refused)
        return f->get->refused(f->get, status, f->reply, e);
    f->reply[strcspn(f->reply, "\r\n")] = 0;
    enum err_code code = status >= 500 ? ERR_NETWORK : ERR_INVALID;
    for (size_t i = 0; i < COUNT(codes); i++)
        if (codes[i].status == status)
            code = codes[i].code;
    return err_set_at(e, code, __FILE__, __LINE__, "GET %s was answered with %d %.150s", f->shown,
                      status, f->reply);
}

static enum err_code explain(struct fetch *f, CURLcode rc, struct err *e)
{
    if (f->stop == FETCH_WRITE_FAILED)
        return err_set(e, IO, "cannot write %s: %s", f->get->path, strerror(errno));
    if (f->stop == FETCH_TOO_LARGE)
        return err_set(e, TOO_LARGE, "GET %s: the answer has more than %lld bytes", f->shown,
                       (long long)(f->file ? f->get->max_bytes : (int64_t)f->text_size - 1));
    if (rc == CURLE_ABORTED_BY_CALLBACK || is_cancelled(f->get))
        return err_set(e, CANCELLED, "GET %s was cancelled", f->shown);
    if (rc == CURLE_OPERATION_TIMEDOUT)
        return err_set(e, TIMEOUT, "GET %s: no data came in time", f->shown);
    return err_set(e, NETWORK, "GET %s: %s", f->shown, curl_easy_strerror(rc));
}

static bool may_pass(const struct fetch *f, CURLcode rc, long status)
{
    if (rc)
        return f->stop == FETCH_OK && rc != CURLE_ABORTED_BY_CALLBACK &&
               rc != CURLE_URL_MALFORMAT && rc != CURLE_UNSUPPORTED_PROTOCOL;
    return status == 408 || status == 429 || status >= 500;
}

/* Sleeps in slices, so that a cancelled download ends soon. */
static void pause_ms(const struct http_get *get, int ms)
{
    for (; ms > 0 && !is_cancelled(get); ms -= 50)
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
}

static enum err_code start_afresh(struct fetch *f, struct err *e)
{
    char unused[SHA256_TEXT_BYTES];

    sha256_text(f->hash, unused);
    f->bytes = 0;
    f->reply_len = 0;
    f->reply[0] = f->etag[0] = 0;
    if (f->file &&
        (fflush(f->file) || ftruncate(fileno(f->file), 0) || fseek(f->file, 0, SEEK_SET)))
        return err_set(e, IO, "cannot write %s: %s", f->get->path, strerror(errno));
    return ERR_OK;
}

static enum err_code transfer(struct fetch *f, struct err *e)
{
    for (int attempt = 1;; attempt++) {
        long status = 0;
        enum err_code code = start_afresh(f, e);
        if (code)
            return code;
        CURLcode rc = is_cancelled(f->get) ? CURLE_ABORTED_BY_CALLBACK : curl_easy_perform(f->easy);
        curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);
        if (!rc && status == 200)
            return ERR_OK;
        if (attempt == HTTP_GET_TRIES || !may_pass(f, rc, status))
            return rc ? explain(f, rc, e) : refuse(f, (int)status, e);
        pause_ms(f->get, FIRST_PAUSE_MS << attempt);
    }
}

static enum err_code fetch_open(struct fetch *f, const struct http_get *get, struct err *e)
{
    *f = (struct fetch){.get = get, .easy = curl_easy_init(), .hash = sha256_new()};
    show_url(get->url, f->shown, sizeof(f->shown));
    if (!f->easy)
        return err_set(e, INTERNAL, "GET %s: out of memory", f->shown);
    set_options(f);
    return ERR_OK;
}

static void fetch_close(struct fetch *f)
{
    curl_easy_cleanup(f->easy);
    curl_slist_free_all(f->headers);
    sha256_free(f->hash);
}

/* Makes the bytes durable under the final name. */
static enum err_code keep(struct fetch *f, const char *partial, struct http_got *got, struct err *e)
{
    const struct http_get *get = f->get;
    FILE *file = f->file;

    f->file = NULL;
    bool written = !fflush(file) && !ferror(file);
    if (fclose(file) || !written)
        return err_set(e, IO, "cannot write %s: %s", get->path, strerror(errno));
    sha256_text(f->hash, got->sha256);
    if (get->sha256 && strcasecmp(get->sha256, got->sha256) != 0)
        return err_set(e, INVALID, "GET %s: the content has SHA-256 %s, expected %s", f->shown,
                       got->sha256, get->sha256);
    if (rename(partial, get->path))
        return err_set(e, IO, "cannot write %s: %s", get->path, strerror(errno));
    got->bytes = f->bytes;
    snprintf(got->etag, sizeof(got->etag), "%s", f->etag);
    return ERR_OK;
}

enum err_code http_get(const struct http_get *get, struct http_got *out, struct err *e)
{
    struct http_got got = {0};
    struct fetch f;
    char partial[NAME_BYTES];
    enum err_code code = fetch_open(&f, get, e);

    if (!code &&
        (size_t)snprintf(partial, sizeof(partial), "%s.part", get->path) >= sizeof(partial))
        code = err_set(e, INVALID, "the path of the file is too long");
    if (!code && !(f.file = fopen(partial, "wbe")))
        code = err_set(e, IO, "cannot write %s: %s", get->path, strerror(errno));
    if (!code) {
        code = transfer(&f, e);
        if (!code)
            code = keep(&f, partial, &got, e);
        if (f.file)
            fclose(f.file);
        if (code)
            unlink(partial);
    }
    fetch_close(&f);
    if (!code)
        *out = got;
    return code;
}

enum err_code http_get_text(const struct http_get *get, char *out_text, size_t size, struct err *e)
{
    struct fetch f;
    enum err_code code = fetch_open(&f, get, e);

    if (!code) {
        f.text = out_text;
        f.text_size = size;
        code = transfer(&f, e);
        out_text[code ? 0 : f.bytes] = 0;
    }
    fetch_close(&f);
    return code;
}
