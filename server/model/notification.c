#include "server/model/notification.h"

#include <string.h>

#include "server/model/notification_build.h"

enum { TIMEOUT_MS = 10000 };

const char *building_text(struct building *b, const char *member, const char *otherwise)
{
    const char *text = val_string(b->a, val_get(b->data, member), NULL);
    return text ? text : otherwise;
}

const char *building_need(struct building *b, const char *member)
{
    const char *text = building_text(b, member, NULL);

    if ((!text || !*text) && !b->reason)
        b->reason = arena_printf(b->a, "the block has no %s", member);
    return text ? text : "";
}

bool building_flag(struct building *b, const char *member, bool otherwise)
{
    enum doc_type type = val_type(val_get(b->data, member));
    return type == DOC_TRUE || (type != DOC_FALSE && otherwise);
}

size_t building_texts(struct building *b, const char *member, const char **out, size_t max)
{
    struct val list = val_get(b->data, member);
    size_t n = 0;

    if (val_type(list) == DOC_ARRAY)
        for (struct val_iter it = val_each(list); val_next(&it) && n < max;)
            if (val_type(it.value) == DOC_STRING)
                out[n++] = val_string(b->a, it.value, NULL);
    return n;
}

const char *building_whole(struct building *b)
{
    if (!*b->m->subject)
        return b->m->body;
    return arena_printf(b->a, "%s\r\n%s", b->m->subject, b->m->body);
}

const char *building_type(struct building *b)
{
    return building_text(b, "notify_type", "info");
}

const char *building_escape(struct building *b, const char *text)
{
    static const char hex[] = "0123456789ABCDEF";
    char *out = arena_array(b->a, char, strlen(text) * 3 + 1), *p = out;

    for (; *text; text++) {
        unsigned char c = (unsigned char)*text, letter = c | 32;
        if ((c >= '0' && c <= '9') || (letter >= 'a' && letter <= 'z' && c < 128) ||
            strchr("-_.~", c)) {
            *p++ = (char)c;
            continue;
        }
        *p++ = '%';
        *p++ = hex[c >> 4];
        *p++ = hex[c & 15];
    }
    return out;
}

void write_pair(struct buf *b, const char *key, const char *value)
{
    write_key(b, key);
    write_string(b, value);
}

void delivery_header(struct delivery *d, const char *name, const char *value)
{
    if (d->header_count < DELIVERY_HEADERS_MAX)
        d->headers[d->header_count++] = (struct delivery_header){name, value};
}

struct delivery *building_add(struct building *b, const char *url)
{
    if (b->out->count == DELIVERIES_MAX) {
        b->reason = "the block has too many recipients";
        b->out->count--;
    }
    struct delivery *d = &b->out->items[b->out->count++];
    *d = (struct delivery){
        .method = "POST",
        .url = url,
        .verify = true,
        .allow_private = building_flag(b, "allow_private_urls", true),
        .timeout_ms = TIMEOUT_MS,
    };
    delivery_header(d, "User-Agent", "Prefect Notifications");
    delivery_header(d, "Content-Type", "application/json");
    return d;
}

void delivery_body(struct building *b, struct delivery *d, struct buf *body)
{
    if (body->full)
        b->reason = "the notification is too large";
    d->body = arena_strndup(b->a, body->len ? body->bytes : "", body->len);
    d->body_len = body->len;
    buf_free(body);
}

static const struct {
    const char *slug;
    build_fn *build;
} kinds[] = {
    {"slack-webhook", build_slack},
    {"ms-teams-webhook", build_teams},
    {"mattermost-webhook", build_mattermost},
    {"discord-webhook", build_discord},
    {"pager-duty-webhook", build_pager_duty},
    {"opsgenie-webhook", build_opsgenie},
    {"twilio-sms", build_twilio},
    {"sendgrid-email", build_sendgrid},
    {"custom-webhook", build_custom_webhook},
    {"email", build_email},
};

bool notification_known(const char *slug)
{
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (!strcmp(kinds[i].slug, slug))
            return true;
    return false;
}

bool notification_build(struct arena *a, const char *slug, struct val data, const struct message *m,
                        struct deliveries *out, const char **out_reason)
{
    struct building b = {.a = a, .data = data, .m = m, .out = out};
    bool ok = false;

    out->count = 0;
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (!strcmp(kinds[i].slug, slug))
            ok = kinds[i].build(&b);
    *out_reason = b.reason ? b.reason : "the block's type cannot notify";
    return ok && !b.reason;
}
