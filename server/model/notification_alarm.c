/* PagerDuty, Opsgenie, Twilio, SendGrid. */
#include <string.h>

#include "server/model/notification_build.h"

#define IMAGE "https://github.com/caronc/apprise/raw/master/apprise/assets/themes/default/apprise-"

static const char *region_prefix(struct building *b)
{
    return !strcmp(building_text(b, "region_name", "us"), "eu") ? "eu." : "";
}

/* The members of a dict of the block. */
static void write_members(struct building *b, struct buf *body, const char *member)
{
    struct val dict = val_get(b->data, member);

    if (val_type(dict) != DOC_OBJECT)
        return;
    for (struct val_iter it = val_each(dict); val_next(&it);) {
        write_key(body, val_string(b->a, it.key, NULL));
        write_raw(body, val_raw(it.value));
    }
}

static void write_incident(struct building *b, struct buf *body)
{
    static const char *const severities[][2] = {
        {"info", "info"}, {"success", "info"}, {"warning", "warning"}, {"failure", "critical"}};
    static const char *const optional[][2] = {{"group", "group"}, {"class_id", "class"}};

    write_object(body);
    write_pair(body, "summary", arena_printf(b->a, "%s\r\n", b->m->subject));
    for (size_t i = 0; i < COUNT(severities); i++)
        if (!strcmp(severities[i][0], building_type(b)))
            write_pair(body, "severity", severities[i][1]);
    write_pair(body, "source", building_text(b, "source", "Prefect"));
    write_pair(body, "component", building_text(b, "component", "Notification"));
    for (size_t i = 0; i < COUNT(optional); i++)
        if (building_text(b, optional[i][0], NULL))
            write_pair(body, optional[i][1], building_text(b, optional[i][0], NULL));
    write_key(body, "custom_details");
    write_object(body);
    write_members(b, body, "custom_details");
    write_pair(body, "Prefect Notification Body", b->m->body);
    write_end_object(body);
    write_end_object(body);
}

/* `"key": [{"one": ..., "two": ...}]` */
static void write_single(struct buf *body, const char *key, const char *const (*pairs)[2],
                         size_t count)
{
    write_key(body, key);
    write_array(body);
    write_object(body);
    for (size_t i = 0; i < count; i++)
        write_pair(body, pairs[i][0], pairs[i][1]);
    write_end_object(body);
    write_end_array(body);
}

bool build_pager_duty(struct building *b)
{
    struct delivery *d = building_add(
        b, arena_printf(b->a, "https://events.%spagerduty.com/v2/enqueue", region_prefix(b)));
    struct buf body = {.max_bytes = NOTIFICATION_MAX_BYTES};
    const char *const link[][2] = {{"href", building_text(b, "clickable_url", NULL)}};
    const char *const image[][2] = {
        {"src", arena_printf(b->a, IMAGE "%s-128x128.png", building_type(b))},
        {"alt", building_type(b)}};

    delivery_header(d, "Authorization",
                    arena_printf(b->a, "Token token=%s", building_need(b, "api_key")));
    write_object(&body);
    write_pair(&body, "routing_key", building_need(b, "integration_key"));
    write_key(&body, "payload");
    write_incident(b, &body);
    write_pair(&body, "client", "Prefect Notifications");
    write_pair(&body, "event_action", "trigger");
    if (link[0][1])
        write_single(&body, "links", link, 1);
    if (building_flag(b, "include_image", true))
        write_single(&body, "images", image, 2);
    write_end_object(&body);
    delivery_body(b, d, &body);
    return !b->reason;
}

static void write_responders(struct building *b, struct buf *body)
{
    static const char *const kinds[][3] = {{"target_team", "team", "name"},
                                           {"target_schedule", "schedule", "name"},
                                           {"target_user", "user", "username"},
                                           {"target_escalation", "escalation", "name"}};
    const char *names[DELIVERIES_MAX];
    bool any = false;

    for (size_t i = 0; i < COUNT(kinds); i++) {
        size_t count = building_texts(b, kinds[i][0], names, DELIVERIES_MAX);
        for (size_t k = 0; k < count; k++) {
            if (!any) {
                write_key(body, "responders");
                write_array(body);
            }
            any = true;
            write_object(body);
            write_pair(body, "type", kinds[i][1]);
            write_pair(body, kinds[i][2], names[k]);
            write_end_object(body);
        }
    }
    if (any)
        write_end_array(body);
}

bool build_opsgenie(struct building *b)
{
    static const char *const optional[] = {"entity", "alias"};
    struct delivery *d = building_add(
        b, arena_printf(b->a, "https://api.%sopsgenie.com/v2/alerts", region_prefix(b)));
    struct buf body = {.max_bytes = NOTIFICATION_MAX_BYTES};
    struct val tags = val_get(b->data, "tags");
    int64_t priority;

    if (!val_int64(val_get(b->data, "priority"), &priority))
        priority = 3;
    delivery_header(d, "Authorization",
                    arena_printf(b->a, "GenieKey %s", building_need(b, "apikey")));
    write_object(&body);
    write_pair(&body, "source", "Prefect Notifications");
    write_pair(&body, "message", b->m->subject);
    write_pair(&body, "description", b->m->body);
    write_key(&body, "details");
    write_object(&body);
    write_members(b, &body, "details");
    write_pair(&body, "type", building_type(b));
    write_end_object(&body);
    write_pair(&body, "priority", arena_printf(b->a, "P%lld", (long long)priority));
    if (val_type(tags) == DOC_ARRAY && val_count(tags)) {
        write_key(&body, "tags");
        write_raw(&body, val_raw(tags));
    }
    for (size_t i = 0; i < COUNT(optional); i++)
        if (building_text(b, optional[i], NULL))
            write_pair(&body, optional[i], building_text(b, optional[i], NULL));
    write_responders(b, &body);
    write_end_object(&body);
    delivery_body(b, d, &body);
    return !b->reason;
}

/* ---- one request per recipient ---- */

static const char *phone(struct building *b, const char *number)
{
    return building_escape(b, *number == '+' ? number : arena_printf(b->a, "+%s", number));
}

bool build_twilio(struct building *b)
{
    const char *to[DELIVERIES_MAX], *sid = building_need(b, "account_sid");
    size_t count = building_texts(b, "to_phone_numbers", to, DELIVERIES_MAX);
    const char *url =
        arena_printf(b->a, "https://api.twilio.com/2010-04-01/Accounts/%s/Messages.json", sid);

    if (!count)
        b->reason = "the block has no to_phone_numbers";
    for (size_t i = 0; i < count && !b->reason; i++) {
        struct delivery *d = building_add(b, url);
        d->headers[1] = (struct delivery_header){"Accept", "application/json"};
        delivery_header(d, "Content-Type", "application/x-www-form-urlencoded");
        d->user = sid;
        d->password = building_need(b, "auth_token");
        d->body = arena_printf(b->a, "Body=%s&From=%s&To=%s", building_escape(b, building_whole(b)),
                               phone(b, building_need(b, "from_phone_number")), phone(b, to[i]));
        d->body_len = strlen(d->body);
    }
    return !b->reason;
}

static void write_mail(struct building *b, struct buf *body, const char *to)
{
    const char *const content[][2] = {{"type", "text/html"}, {"value", b->m->body}};
    const char *const address[][2] = {{"email", to}};

    write_object(body);
    write_key(body, "personalizations");
    write_array(body);
    write_object(body);
    write_single(body, "to", address, 1);
    write_end_object(body);
    write_end_array(body);
    write_key(body, "from");
    write_object(body);
    write_pair(body, "email", building_need(b, "sender_email"));
    write_end_object(body);
    write_pair(body, "subject", b->m->subject);
    write_single(body, "content", content, 2);
    write_end_object(body);
}

bool build_sendgrid(struct building *b)
{
    const char *to[DELIVERIES_MAX];
    size_t count = building_texts(b, "to_emails", to, DELIVERIES_MAX);

    if (!count)
        b->reason = "the block has no to_emails";
    for (size_t i = 0; i < count && !b->reason; i++) {
        struct delivery *d = building_add(b, "https://api.sendgrid.com/v3/mail/send");
        struct buf body = {.max_bytes = NOTIFICATION_MAX_BYTES};
        delivery_header(d, "Authorization",
                        arena_printf(b->a, "Bearer %s", building_need(b, "api_key")));
        write_mail(b, &body, to[i]);
        delivery_body(b, d, &body);
    }
    return !b->reason;
}
