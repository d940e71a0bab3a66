/* The server's own events about its resources: prefect.flow.created, prefect.deployment.ready ...
 *
 *   db_begin(w) ... make or change it ... event_emit(w, SUBJECT_FLOW, "created", id) ...
 * db_commit(w) db_begin(w) ... event_emit(w, SUBJECT_FLOW, "deleted", id) ... delete it ...
 * db_commit(w)
 *
 * The event is read from the tables, stored within the caller's transaction and told to the others
 * after its commit.  An id that is not there gives no event.
 * Source: the wire facts, section 5.6, and events of a running Prefect 3.9.1. */
#pragma once
#include "server/db/db.h"
#include "shared/json/value.h"

enum event_subject {
    SUBJECT_FLOW,
    SUBJECT_DEPLOYMENT,
    SUBJECT_WORK_POOL,
    SUBJECT_WORK_QUEUE,
    SUBJECT_VARIABLE,
    SUBJECT_CONCURRENCY_LIMIT,
    SUBJECT_BLOCK_TYPE,
    SUBJECT_BLOCK_DOCUMENT,
    SUBJECT_ARTIFACT_COLLECTION,
    SUBJECTS,
};

/* `what` is the end of the event's name: "created", "updated", "deleted", or a status: "ready",
 * "not-ready", "paused". */
MUST_CHECK enum err_code event_emit(struct work *w, enum event_subject subject, const char *what,
                                    struct uuid id);
MUST_CHECK enum err_code event_emit_all(struct work *w, enum event_subject subject,
                                        const char *what, struct uuids ids);

/* With another payload than the resource's own. */
MUST_CHECK enum err_code event_emit_payload(struct work *w, enum event_subject subject,
                                            const char *what, struct uuid id, struct raw payload);

/* A change and its event in one transaction: the caller's if there is one, else their own.
 *
 *   bool own;
 *   enum err_code rc = event_begin(w, &own);
 *   ...
 *   return event_end(w, own, rc);   // commits, or rolls back and passes rc on */
MUST_CHECK enum err_code event_begin(struct work *w, bool *out_own);
MUST_CHECK enum err_code event_end(struct work *w, bool own, enum err_code rc);

/* By its name; nil when there is none. */
MUST_CHECK enum err_code event_find(struct work *w, enum event_subject subject, const char *name,
                                    struct uuid *out);

/* Rows of an id and its new status, READY, NOT_READY or PAUSED. */
MUST_CHECK enum err_code event_emit_statuses(struct work *w, enum event_subject subject,
                                             const struct rows *rows);

/* The same of rows whose first column is the id. */
MUST_CHECK enum err_code event_emit_rows(struct work *w, enum event_subject subject,
                                         const char *what, const struct rows *rows);

/* Deployments, work pools and queues tell what changed: before the change, then after it. */
struct event_before {
    enum event_subject subject;
    struct uuid id;
    struct raw fields;
};
MUST_CHECK enum err_code event_before_update(struct work *w, enum event_subject subject,
                                             struct uuid id, struct event_before *out);
/* Nothing when nothing changed. */
MUST_CHECK enum err_code event_emit_updated(struct work *w, const struct event_before *before);
