/* Calls from other threads onto the loop. */
#pragma once
#include "server/server.h"

/* First member of whatever is passed; `run` is called once on the loop thread and may free it. */
struct loop_call {
    struct loop_call *next;
    void (*run)(struct loop_call *call);
};

struct loop_calls;
struct loop_calls *loop_calls_start(struct server *server);
/* Thread: any. */
void loop_call(struct loop_calls *calls, struct loop_call *call);
/* Runs what is left and frees; the loop must not run any more.  Its handle is closed by the
 * caller's walk. */
void loop_calls_stop(struct loop_calls *calls);
