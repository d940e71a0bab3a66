/* Mails.  The block's members are those of Prefect's email credentials: smtp_server, smtp_port,
 * smtp_type (SSL, STARTTLS, INSECURE), username, password; and email_from, email_to.
 * Source: RFC 5322, RFC 2045, RFC 2047. */
#include <string.h>
#include <strings.h>
#include <time.h>

#include "server/model/notification_build.h"
#include "shared/base/uuid.h"

enum { LINE_BYTES = 57, WORD_BYTES = 42 };

static void add_base64(struct buf *out, const char *bytes, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < len; i += 3) {
        uint32_t n = (uint32_t)(unsigned char)bytes[i] << 16;
        if (i + 1 < len)
            n |= (uint32_t)(unsigned char)bytes[i + 1] << 8;
        if (i + 2 < len)
            n |= (unsigned char)bytes[i + 2];
        char four[4] = {digits[n >> 18], digits[n >> 12 & 63], '=', '='};
        if (i + 1 < len)
            four[2] = digits[n >> 6 & 63];
        if (i + 2 < len)
            four[3] = digits[n & 63];
        buf_add(out, four, 4);
    }
}

static void add_text(struct buf *out, const char *text)
{
    buf_add(out, text, strlen(text));
}

/* Any characters, in encoded words that are short enough. */
static void add_subject(struct buf *out, const char *text)
{
    buf_lit(out, "Subject:");
    do {
        size_t n = strlen(text);
        if (n > WORD_BYTES)
            for (n = WORD_BYTES; n > 1 && ((unsigned char)text[n] & 0xc0) == 0x80;)
                n--;
        buf_lit(out, " =?utf-8?B?");
        add_base64(out, text, n);
        buf_lit(out, "?=\r\n");
        text += n;
    } while (*text);
}

/* An address must not bring headers of its own. */
static const char *address(struct building *b, const char *text)
{
    const char *open = strrchr(text, '<'), *close = open ? strchr(open, '>') : NULL;

    if (strpbrk(text, "\r\n") && !b->reason)
        b->reason = "an address has a line end in it";
    return close ? arena_strndup(b->a, open + 1, (size_t)(close - open - 1)) : text;
}

static struct strings recipients(struct building *b)
{
    const char *text = building_text(b, "email_to", NULL);
    struct strings list = {arena_array(b->a, const char *, DELIVERIES_MAX), 0};

    list.count = building_texts(b, "email_to", list.items, DELIVERIES_MAX);
    if (text) {
        char *rest = arena_strndup(b->a, text, strlen(text));
        for (char *part; (part = strsep(&rest, ",;")) && list.count < DELIVERIES_MAX;)
            if (*(part += strspn(part, " ")))
                list.items[list.count++] = part;
    }
    if (!list.count && !b->reason)
        b->reason = "the block has no email_to";
    return list;
}

static const char *date_text(struct building *b)
{
    time_t seconds = (time_t)(b->m->now_us / 1000000);
    struct tm tm;
    char text[64];

    gmtime_r(&seconds, &tm);
    strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S +0000", &tm);
    return arena_printf(b->a, "%s", text);
}

static void add_mail(struct building *b, struct buf *out, const char *from, struct strings to)
{
    char id[UUID_TEXT_BYTES];
    const char *host = strchr(address(b, from), '@');
    size_t len = strlen(b->m->body);

    uuid_format(uuid_v7(), id);
    add_text(out, arena_printf(b->a, "From: %s\r\nTo: ", from));
    for (size_t i = 0; i < to.count; i++)
        add_text(out, arena_printf(b->a, "%s%s", i ? ",\r\n " : "", to.items[i]));
    buf_lit(out, "\r\n");
    add_subject(out, b->m->subject);
    add_text(out, arena_printf(b->a, "Date: %s\r\nMessage-ID: <%s%s>\r\n", date_text(b), id,
                               host ? host : "@localhost"));
    buf_lit(out, "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
                 "Content-Transfer-Encoding: base64\r\n\r\n");
    for (size_t i = 0; i < len; i += LINE_BYTES) {
        add_base64(out, b->m->body + i, len - i < LINE_BYTES ? len - i : LINE_BYTES);
        buf_lit(out, "\r\n");
    }
}

bool build_email(struct building *b)
{
    const char *security = building_text(b, "smtp_type", "SSL");
    bool ssl = !strcasecmp(security, "SSL"), starttls = !strcasecmp(security, "STARTTLS");
    const char *from = building_need(b, "email_from");
    struct strings to = recipients(b);
    struct buf body = {.max_bytes = NOTIFICATION_MAX_BYTES};
    int64_t port;

    if (!ssl && !starttls && strcasecmp(security, "INSECURE") != 0)
        b->reason =
            arena_printf(b->a, "smtp_type: expected SSL, STARTTLS or INSECURE, not %s", security);
    if (!val_int64(val_get(b->data, "smtp_port"), &port))
        port = ssl ? 465 : starttls ? 587 : 25;
    struct delivery *d =
        building_add(b, arena_printf(b->a, "%s://%s:%lld", ssl ? "smtps" : "smtp",
                                     building_need(b, "smtp_server"), (long long)port));
    d->header_count = 0;
    d->user = building_text(b, "username", NULL);
    d->password = building_text(b, "password", NULL);
    d->verify = building_flag(b, "verify", true);
    d->timeout_ms = 20000;
    d->starttls = starttls;
    d->mail_from = address(b, from);
    d->mail_to.items = arena_array(b->a, const char *, to.count + 1);
    for (size_t i = 0; i < to.count; i++)
        d->mail_to.items[d->mail_to.count++] = address(b, to.items[i]);
    add_mail(b, &body, from, to);
    delivery_body(b, d, &body);
    return !b->reason;
}
