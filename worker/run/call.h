/* The life of one step call, seen by its owner (the engine, a test).  What the step itself may use
 * is in worker/steps.h.
 *
 *   call_open ──> OPEN ──call_start──> RUNNING ──step_done──> DONE ──jobs gone, next round──>
 * FINISHED ──> call_free
 *
 * Thread: loop thread. */
#pragma once
#include "shared/base/utf8.h"
#include "worker/steps.h"

/* A thing at work for a call; step_done() waits for all of them. */
struct step_job {
    struct step_job *next;
    struct step_call *call;
    void (*stop)(
        struct step_job *job); /* ask it to end; harmless when repeated; never ends it at once */
    void (*hold)(struct step_job *job, bool hold); /* NULL: it writes nothing by itself */
};

/* The caller has set step, run, task, task_run_id, attempt, with, loop, sink and sink_ctx; all
 * borrowed. */
void call_open(struct step_call *call);
void call_start(struct step_call *call);

/* Harmless in any phase; sink->finished follows when it was running. */
void call_cancel(struct step_call *call);

/* While held, its jobs write nothing: their processes and threads wait.  Harmless when repeated. */
void call_hold(struct step_call *call, bool hold);

/* Only before call_start() has been called or after sink->finished (allowed inside it). */
void call_free(struct step_call *call);

void call_add_job(struct step_call *call, struct step_job *job);
/* The job has closed all its handles and may be freed afterwards. */
void call_remove_job(struct step_call *call, struct step_job *job);
