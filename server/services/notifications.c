#include "server/services/notifications.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/base/buf.h"

enum { CONNECT_MS = 5000, PAUSE_MS = 500 };

bool notifications_init(void)
{
    return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

/* ---- addresses ---- */

static bool is_private_v4(uint32_t a)
{
    static const struct {
        uint32_t net, mask;
    } nets[] = {
        {0x00000000, 0xff000000}, {0x0a000000, 0xff000000}, {0x64400000, 0xffc00000},
        {0x7f000000, 0xff000000}, {0xa9fe0000, 0xffff0000}, {0xac100000, 0xfff00000},
        {0xc0000000, 0xffffff00}, {0xc0000200, 0xffffff00}, {0xc0a80000, 0xffff0000},
        {0xc6120000, 0xfffe0000}, {0xc6336400, 0xffffff00}, {0xcb007100, 0xffffff00},
        {0xe0000000, 0xe0000000}, /* multicast and reserved */
    };

    for (size_t i = 0; i < COUNT(nets); i++)
        if ((a & nets[i].mask) == nets[i].net)
            return true;
    return false;
}

static bool is_private_v6(const uint8_t *a)
{
    static const uint8_t zero[16], mapped[12] = {[10] = 0xff, [11] = 0xff};
    static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};
    static const uint8_t examples[4] = {0x20, 0x01, 0x0d, 0xb8};

    if (!memcmp(a, mapped, 12) || !memcmp(a, nat64, 12))
        return is_private_v4((uint32_t)a[12] << 24 | (uint32_t)a[13] << 16 | (uint32_t)a[14] << 8 |
                             a[15]);
    return !memcmp(a, zero, 15) || (a[0] & 0xfe) == 0xfc ||
           (a[0] == 0xfe && (a[1] & 0xc0) == 0x80) || a[0] == 0xff || !memcmp(a, examples, 4);
}

/* Asked for each address that a connection is about to be made to, so no name that changes between
 * a check and its use gets around it. */
static curl_socket_t open_public(void *refused, curlsocktype purpose, struct curl_sockaddr *to)
{
    const struct sockaddr_in *four = (const void *)&to->addr;
    const struct sockaddr_in6 *six = (const void *)&to->addr;
    bool private = true;

    (void)purpose;
    if (to->family == AF_INET)
    private = is_private_v4(ntohl(four->sin_addr.s_addr));
    else if (to->family == AF_INET6) private = is_private_v6(six->sin6_addr.s6_addr);
    *(bool *)refused |= private;
    return private ? CURL_SOCKET_BAD
                   : socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

/* ---- one try ---- */

struct exchange {
    struct arena *arena;
    const struct delivery *d;
    struct delivery_reply *reply;
    struct buf body;
    size_t sent;
    bool refused;
    struct curl_slist *headers, *recipients;
};

static size_t on_body(char *bytes, size_t one, size_t len, void *exchange)
{
    struct exchange *x = exchange;
    size_t room = x->body.max_bytes - x->body.len;

    (void)one;
    buf_add(&x->body, bytes, len < room ? len : room); /* more of it is of no interest */
    return len;
}

static size_t on_header(char *line, size_t one, size_t len, void *exchange)
{
    struct exchange *x = exchange;
    struct delivery_reply *r = x->reply;
    char *colon = memchr(line, ':', len);

    (void)one;
    if (!colon || r->header_count == REPLY_HEADERS_KEPT)
        return len;
    const char *value = colon + 1, *end = line + len;
    while (value < end && *value == ' ')
        value++;
    while (end > value && (end[-1] == '\r' || end[-1] == '\n'))
        end--;
    r->headers[r->header_count++] =
        (struct delivery_header){arena_strndup(x->arena, line, (size_t)(colon - line)),
                                 arena_strndup(x->arena, value, (size_t)(end - value))};
    return len;
}

static size_t on_send(char *bytes, size_t one, size_t room, void *exchange)
{
    struct exchange *x = exchange;
    size_t left = x->d->body_len - x->sent, n = one * room < left ? one * room : left;

    if (n)
        memcpy(bytes, x->d->body + x->sent, n);
    x->sent += n;
    return n;
}

static void set_mail(CURL *c, struct exchange *x)
{
    for (size_t i = 0; i < x->d->mail_to.count; i++)
        x->recipients = curl_slist_append(x->recipients, x->d->mail_to.items[i]);
    curl_easy_setopt(c, CURLOPT_MAIL_FROM, x->d->mail_from);
    curl_easy_setopt(c, CURLOPT_MAIL_RCPT, x->recipients);
    curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(c, CURLOPT_READFUNCTION, on_send);
    curl_easy_setopt(c, CURLOPT_READDATA, x);
    if (x->d->starttls)
        curl_easy_setopt(c, CURLOPT_USE_SSL, (long)CURLUSESSL_ALL);
}

static void set_http(CURL *c, struct exchange *x)
{
    for (size_t i = 0; i < x->d->header_count; i++)
        x->headers =
            curl_slist_append(x->headers, arena_printf(x->arena, "%s: %s", x->d->headers[i].name,
                                                       x->d->headers[i].value));
    x->headers = curl_slist_append(x->headers, "Expect:");
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, x->headers);
    curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, x->d->method);
    if (x->d->body && (x->d->body_len || strcmp(x->d->method, "GET") != 0)) {
        curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)x->d->body_len);
        curl_easy_setopt(c, CURLOPT_POSTFIELDS, x->d->body);
    }
}

static void set_options(CURL *c, struct exchange *x)
{
    const struct delivery *d = x->d;

    curl_easy_setopt(c, CURLOPT_URL, d->url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, d->mail_from ? "smtp,smtps" : "http,https");
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)d->timeout_ms);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, d->verify ? 1L : 0L);
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, d->verify ? 2L : 0L);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, x);
    if (d->user)
        curl_easy_setopt(c, CURLOPT_USERNAME, d->user);
    if (d->password)
        curl_easy_setopt(c, CURLOPT_PASSWORD, d->password);
    if (!d->allow_private) {
        curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, open_public);
        curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, &x->refused);
        curl_easy_setopt(c, CURLOPT_PROXY, ""); /* it would reach what we must not */
    }
    if (d->mail_from)
        set_mail(c, x);
    else
        set_http(c, x);
}

static CURLcode try_once(struct exchange *x)
{
    CURL *c = curl_easy_init();
    long status = 0;

    if (!c)
        return CURLE_OUT_OF_MEMORY;
    x->sent = x->body.len = x->reply->header_count = 0;
    set_options(c, x);
    CURLcode code = curl_easy_perform(c);
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    x->reply->status = (int)status;
    curl_easy_cleanup(c);
    curl_slist_free_all(x->headers);
    curl_slist_free_all(x->recipients);
    x->headers = x->recipients = NULL;
    return code;
}

static bool may_try_again(const struct exchange *x, CURLcode code)
{
    int status = x->reply->status;

    if (x->refused)
        return false;
    if (code == CURLE_OK)
        return !x->d->mail_from &&
               (status == 429 || status == 502 || status == 503 || status == 504);
    return code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
           code == CURLE_GOT_NOTHING || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR;
}

/* The address without path, query and password. */
static const char *host_of(struct arena *a, const char *url)
{
    const char *from = strstr(url, "://"), *at;

    from = from ? from + 3 : url;
    size_t n = strcspn(from, "/?#");
    while ((at = memchr(from, '@', n))) {
        n -= (size_t)(at + 1 - from);
        from = at + 1;
    }
    return arena_strndup(a, from, n);
}

static enum err_code verdict(struct exchange *x, CURLcode code, struct err *e)
{
    const char *host = host_of(x->arena, x->d->url);

    if (x->refused)
        return err_set(e, FORBIDDEN, "%s is a private address, which the block does not allow",
                       host);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return err_set(e, TIMEOUT, "%s did not answer within %lld ms", host,
                       (long long)x->d->timeout_ms);
    if (code)
        return err_set(e, NETWORK, "%s: %s", host, curl_easy_strerror(code));
    if (!x->d->any_status && x->reply->status >= 400)
        return err_set(e, NETWORK, "%s answered %d: %.200s", host, x->reply->status,
                       x->reply->body);
    return ERR_OK;
}

enum err_code notification_deliver(struct arena *a, const struct delivery *d,
                                   struct delivery_reply *out, struct err *e)
{
    struct exchange x = {
        .arena = a, .d = d, .reply = out, .body = {.max_bytes = DELIVERY_REPLY_MAX}};
    CURLcode code = CURLE_OK;

    *out = (struct delivery_reply){.body = ""};
    for (unsigned i = 0; i < DELIVERY_TRIES; i++) {
        if (i)
            usleep((useconds_t)(PAUSE_MS * 1000) << (2 * (i - 1)));
        code = try_once(&x);
        if (!may_try_again(&x, code))
            break;
    }
    out->body = arena_strndup(a, x.body.len ? x.body.bytes : "", x.body.len);
    buf_free(&x.body);
    return verdict(&x, code, e);
}
