/* Slack, Microsoft Teams, Mattermost, Discord. */
#include <string.h>

#include "server/model/notification_build.h"

enum { DISCORD_MAX = 2000 };

#define IMAGE "https://github.com/caronc/apprise/raw/master/apprise/assets/themes/default/apprise-"

bool build_slack(struct building *b)
{
    static const char *const colors[][2] = {{"info", "#3AA3E3"},
                                            {"success", "#3AA337"},
                                            {"warning", "#CACF29"},
                                            {"failure", "#A32037"}};
    struct delivery *d = building_add(b, building_need(b, "url"));
    struct buf body = {.max_bytes = NOTIFICATION_MAX_BYTES};

    write_object(&body);
    write_key(&body, "mrkdwn");
    write_bool(&body, false);
    write_key(&body, "attachments");
    write_array(&body);
    write_object(&body);
    write_pair(&body, "title", b->m->subject);
    write_pair(&body, "text", b->m->body);
    for (size_t i = 0; i < COUNT(colors); i++)
        if (!strcmp(colors[i][0], building_type(b)))
            write_pair(&body, "color", colors[i][1]);
    write_end_object(&body);
    write_end_array(&body);
    write_end_object(&body);
    delivery_body(b, d, &body);
    return !b->reason;
}

static void write_title(struct buf *body, const char *text)
{
    write_object(body);
    write_pair(body, "type", "TextBlock");
    write_pair(body, "text", text);
    write_pair(body, "style", "heading");
    write_pair(body, "weight", "Bolder");
    write_pair(body, "size", "Large");
    write_pair(body, "id", "title");
    write_end_object(body);
}

static void write_text(struct buf *body, const char *text, bool wrap)
{
    write_object(body);
    write_pair(body, "type", "TextBlock");
    write_pair(body, "text", text);
    write_pair(body, "style", "default");
    write_key(body, "wrap");
    write_bool(body, wrap);
    write_pair(body, "id", "body");
    write_end_object(body);
}

static void write_card(struct building *b, struct buf *body)
{
    write_object(body);
    write_pair(body, "$schema", "http://adaptivecards.io/schemas/adaptive-card.json");
    write_pair(body, "type", "AdaptiveCard");
    write_pair(body, "version", "1.4");
    write_key(body, "body");
    write_array(body);
    if (building_flag(b, "include_image", true)) {
        write_object(body);
        write_pair(body, "type", "Image");
        write_pair(body, "url", arena_printf(b->a, IMAGE "%s-32x32.png", building_type(b)));
        write_pair(body, "height", "32px");
        write_pair(body, "altText", building_type(b));
        write_end_object(body);
    }
    if (*b->m->subject)
        write_title(body, b->m->subject);
    write_text(body, b->m->body, building_flag(b, "wrap", true));
    write_end_array(body);
    write_key(body, "msteams");
    write_raw(body, RAW("{\"width\":\"full\"}"));
    write_end_object(body);
}

bool build_teams(struct building *b)
{
    struct delivery *d = building_add(b, building_need(b, "url"));
    struct buf body = {.max_bytes = NOTIFICATION_MAX_BYTES};

    write_object(&body);
    write_pair(&body, "type", "message");
    write_key(&body, "attachments");
    write_array(&body);
    write_object(&body);
    write_pair(&body, "contentType", "application/vnd.microsoft.card.adaptive");
    write_key(&body, "contentUrl");
    write_null(&body);
    write_key(&body, "content");
    write_card(b, &body);
    write_end_object(&body);
    write_end_array(&body);
    write_end_object(&body);
    delivery_body(b, d, &body);
    return !b->reason;
}

static void mattermost_to(struct building *b, const char *url, const char *channel)
{
    struct delivery *d = building_add(b, url);
    struct buf body = {.max_bytes = NOTIFICATION_MAX_BYTES};

    write_object(&body);
    write_pair(&body, "text", building_whole(b));
    if (building_flag(b, "include_image", false))
        write_pair(&body, "icon_url", arena_printf(b->a, IMAGE "%s-72x72.png", building_type(b)));
    write_pair(&body, "username", building_text(b, "botname", "Prefect Notifications"));
    if (channel)
        write_pair(&body, "channel", channel);
    write_end_object(&body);
    delivery_body(b, d, &body);
}

bool build_mattermost(struct building *b)
{
    const char *channels[DELIVERIES_MAX], *path = building_text(b, "path", "");
    size_t count = building_texts(b, "channels", channels, DELIVERIES_MAX), n = strlen(path);
    int64_t port;

    if (!val_int64(val_get(b->data, "port"), &port))
        port = 8065;
    const char *url = arena_printf(
        b->a, "%s://%s:%lld%s%.*s/hooks/%s", building_flag(b, "secure", true) ? "https" : "http",
        building_need(b, "hostname"), (long long)port, *path && *path != '/' ? "/" : "",
        (int)(n - (n && path[n - 1] == '/')), path, building_need(b, "token"));
    for (size_t i = 0; i < count; i++)
        mattermost_to(b, url, channels[i]);
    if (!count)
        mattermost_to(b, url, NULL);
    return !b->reason;
}

/* The next piece of a text, at most `max` characters; cut at a line end or a blank if there is
 * one. */
static size_t piece(const char *text, size_t max)
{
    size_t chars = 0, end = 0, cut = 0;

    for (; text[end]; end++) {
        if (((unsigned char)text[end] & 0xc0) != 0x80 && ++chars > max)
            break;
        if (text[end] == '\n' || text[end] == ' ')
            cut = end + 1;
    }
    return text[end] && cut ? cut : end;
}

static void discord_piece(struct building *b, const char *url, const char *text, size_t len)
{
    const char *avatar = building_text(b, "avatar_url", NULL);
    const char *name = building_text(b, "botname", NULL);
    struct delivery *d = building_add(b, url);
    struct buf body = {.max_bytes = NOTIFICATION_MAX_BYTES};
    bool tts = building_flag(b, "tts", false);

    d->headers[1].value = "application/json; charset=utf-8";
    write_object(&body);
    write_key(&body, "tts");
    write_bool(&body, tts);
    write_key(&body, "wait");
    write_bool(&body, !tts);
    if (avatar && building_flag(b, "avatar", false))
        write_pair(&body, "avatar_url", avatar);
    if (name)
        write_pair(&body, "username", name);
    write_key(&body, "content");
    write_string_n(&body, text, len);
    write_end_object(&body);
    delivery_body(b, d, &body);
}

bool build_discord(struct building *b)
{
    const char *text = building_whole(b);
    const char *url =
        arena_printf(b->a, "https://discord.com/api/webhooks/%s/%s", building_need(b, "webhook_id"),
                     building_need(b, "webhook_token"));

    for (size_t n; *text && !b->reason; text += n) {
        n = piece(text, DISCORD_MAX);
        discord_piece(b, url, text, n);
    }
    return !b->reason;
}
