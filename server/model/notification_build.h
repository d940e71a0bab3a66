/* Between the files that build notifications. */
#pragma once
#include "server/model/notification.h"
#include "shared/json/write.h"

enum { NOTIFICATION_MAX_BYTES = 8 << 20 };

struct building {
    struct arena *a;
    struct val data;
    const struct message *m;
    struct deliveries *out;
    const char *reason;
};

/* A new request, POST of JSON with Prefect's User-Agent. */
struct delivery *building_add(struct building *b, const char *url);
void delivery_header(struct delivery *d, const char *name, const char *value);
/* Takes the body over. */
void delivery_body(struct building *b, struct delivery *d, struct buf *body);
/* A text member of the block; `otherwise` when it is absent or null. */
const char *building_text(struct building *b, const char *member, const char *otherwise);
/* The same, required: sets the reason. */
const char *building_need(struct building *b, const char *member);
bool building_flag(struct building *b, const char *member, bool otherwise);
/* The texts of a list; how many. */
size_t building_texts(struct building *b, const char *member, const char **out, size_t max);
/* Subject, line end and body, as services without titles get them. */
const char *building_whole(struct building *b);
const char *building_type(struct building *b); /* info, success, warning, failure */
/* Percent-encoded, as in forms. */
const char *building_escape(struct building *b, const char *text);
void write_pair(struct buf *b, const char *key, const char *value);

/* One per block type; false: b->reason. */
typedef bool build_fn(struct building *b);
build_fn build_slack, build_teams, build_mattermost, build_discord;      /* _chat.c */
build_fn build_pager_duty, build_opsgenie, build_twilio, build_sendgrid; /* _alarm.c */
build_fn build_custom_webhook, build_email;                              /* _custom.c, _mail.c */
