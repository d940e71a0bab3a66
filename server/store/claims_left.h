/* What becomes of the runs whose claim is over; for store/claims*.c. */
#pragma once
#include "server/store/claims.h"

/* Rows of (flow run, RETURNED or LOST). */
MUST_CHECK enum err_code claims_settle_dropped(struct work *w, const struct rows *dropped,
                                               const char *message, struct transition_list *done);

/* name NULL: the type's own. */
struct state claims_proposal(enum state_type type, const char *name, const char *message);
void transition_list_add(struct work *w, struct transition_list *list, struct transition **items,
                         size_t count);
