/* Infrastructure that workers have to tear down, one message each.  A message is held by one worker
 * at a time under a token that expires. */
#pragma once
#include "server/db/db.h"
#include "shared/json/value.h"

/* Messages for runs whose cancellation took too long. */
MUST_CHECK enum err_code worker_cleanup_make(struct work *w);

/* Columns of a message. */
enum {
    CLEANUP_ID,
    CLEANUP_KIND,
    CLEANUP_FLOW_RUN,
    CLEANUP_PID,
    CLEANUP_CLAIM,
    CLEANUP_TOKEN,
    CLEANUP_HELD_UNTIL,
    CLEANUP_DELIVERIES,
    CLEANUP_QUEUE,
    CLEANUP_DATA,
};

struct cleanup_wanted {
    const char *pool_id;
    struct uuids queues; /* none: all */
    struct strings kinds;
};
/* No row, or the next message, held from now on. */
MUST_CHECK enum err_code worker_cleanup_take(struct work *w, const struct cleanup_wanted *wanted,
                                             struct rows *out);

enum cleanup_operation { CLEANUP_ACK, CLEANUP_RELEASE, CLEANUP_RENEW };

struct cleanup_result {
    const char *status, *reason; /* in the words of the protocol; reason NULL: accepted */
    int64_t held_until_us;       /* of an accepted renewal, else TIME_NONE */
};
MUST_CHECK enum err_code worker_cleanup_do(struct work *w, enum cleanup_operation operation,
                                           struct uuid id, const char *token,
                                           struct cleanup_result *out);
