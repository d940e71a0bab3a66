/* What a notification block sends: one or more HTTP requests, or a mail.
 *
 * A row per block type.  Requests look as Prefect's (which hands most of them to Apprise).
 * Borrows: the arena.   Thread: any.
 * Source: requests of a running Prefect 3.9.1, captured for each block type. */
#pragma once
#include "shared/json/doc.h"

enum { DELIVERIES_MAX = 50, DELIVERY_HEADERS_MAX = 64 };

struct delivery {
    const char *method, *url; /* smtp:// or smtps:// is a mail */
    struct delivery_header {
        const char *name, *value;
    } headers[DELIVERY_HEADERS_MAX];
    size_t header_count;
    const char *body; /* NULL: none; of a mail: all of it */
    size_t body_len;
    const char *user, *password;
    bool verify;        /* the certificate */
    bool allow_private; /* addresses of private networks */
    int64_t timeout_ms;
    const char *mail_from; /* mails */
    struct strings mail_to;
    bool starttls;
    bool any_status; /* a reply of any status is fine */
};

struct deliveries {
    struct delivery items[DELIVERIES_MAX];
    size_t count;
};

struct message {
    const char *subject, *body;
    int64_t now_us;
};

/* Whether blocks of that type can notify. */
bool notification_known(const char *slug);
/* False: *out_reason says what is wrong with the block. */
MUST_CHECK bool notification_build(struct arena *a, const char *slug, struct val data,
                                   const struct message *m, struct deliveries *out,
                                   const char **out_reason);
/* The request of a webhook block. */
MUST_CHECK bool webhook_build(struct arena *a, struct val data, const char *payload,
                              struct delivery *out, const char **out_reason);
