/* Does what an action says: through the functions of store/ that requests use, or by sending
 * something.
 *
 * A precondition that does not hold (no flow run in the event, a state that is refused, a delivery
 * that fails) ends in result->reason, as Prefect words it, and is not tried again. */
#pragma once
#include "server/store/actions.h"

/* Errors: DB and others that may go away; the action is tried again then. */
MUST_CHECK enum err_code action_run(struct work *w, const struct claimed_action *a,
                                    struct action_result *result);

/* Those that take more than a call. */
typedef enum err_code action_fn(struct work *w, const struct claimed_action *a,
                                struct action_result *result);
action_fn action_send_notification, action_call_webhook; /* action_send.c */
action_fn action_run_deployment;                         /* action_deployment.c */

/* Given, or the first of its kind in the event.  False: result->reason says why there is none. */
MUST_CHECK bool action_target(struct work *w, const struct claimed_action *a, const char *kind,
                              struct action_result *result, struct uuid *out);

/* Adds to the events: {id, role[, name]}. */
void result_relate(struct action_result *r, const char *id, const char *role, const char *name);
void result_target(struct work *w, struct action_result *r, const char *kind, struct uuid id,
                   const char *name);
void result_text(struct action_result *r, const char *key, const char *value);
void result_int(struct action_result *r, const char *key, int64_t value);
/* The reason that Prefect gives for a refused request, out of w->err; an error that may go away
 * comes back as it is. */
MUST_CHECK enum err_code result_refused(struct work *w, const struct claimed_action *a,
                                        struct action_result *result);
