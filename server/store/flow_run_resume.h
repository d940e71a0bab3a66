/* Resuming a paused flow run, with the input it waits for.
 *
 *   not PAUSED -> ABORT without a state     input refused -> REJECT, nothing changed
 *   else: the rules decide on RUNNING, or on SCHEDULED (Resuming) when the process is gone */
#pragma once
#include "server/store/transitions.h"
#include "shared/json/doc.h"

struct resume {
    struct uuid id;
    struct val input; /* what the user entered; DOC_NONE or null: nothing */
    struct client_facts client;
    struct verdict verdict; /* out; state.type NONE: none is told */
    bool input_refused;     /* out: the verdict is about the input, not about the state */
};

/* One transaction.  NOT_FOUND. */
MUST_CHECK enum err_code flow_run_resume(struct work *w, struct resume *r);
