/* The journal: every fact about a run is on this machine's disk before the server hears of it.
 *
 *   journal_add --> pending --> writer thread: one commit for all that gathered --> `durable`
 *                                    | oldest records
 *                                    v
 *        POST /switchyard/journal, one at a time --> acked: deleted with the next commit
 *
 * The writer has a thread of its own because a disk may take its time and the loop reads meters.
 * While it is busy the next records gather; idle, it starts at once: group commit without a timer.
 * A disk that refuses is tried again each second; a server that does not answer until it does.
 *
 * Bounded: beyond max_bytes on disk or 1 MB not yet written, `full` is reported and producers of
 *          logs hold back.
 * Thread:  the loop thread. */
#pragma once
#include <jansson.h>

#include "worker/io/uv_curl.h"
#include "worker/run/journal_store.h"

struct journal;

struct journal_hooks {
    void (*full)(void *ctx, bool full); /* hold back, go on */
    void (*caught_up)(void *ctx);       /* once: nothing of an earlier epoch is left */
    /* The server did not simply accept a state (`status` REJECT, ABORT, WAIT), or refused the
     * record (REFUSED). */
    void (*verdict)(void *ctx, const char *flow_run_id, const char *status, const char *state_type,
                    const char *reason);
    void *ctx;
};

struct journal_options {
    uv_loop_t *loop;
    struct http *http;
    const char *path;
    const char *url; /* of POST /switchyard/journal; borrowed */
    int64_t max_bytes;
    struct journal_hooks hooks;
};

MUST_CHECK enum err_code journal_open(const struct journal_options *o, struct journal **out,
                                      struct err *e);

/* Writes what is pending, then ends the thread.  Before http_free(); the loop must run once more.
 */
void journal_close(struct journal *j);

const char *journal_agent(const struct journal *j);
int64_t journal_epoch(const struct journal *j);

/* Copies `body` (JSON text).  `durable` (may be NULL) is called once the record is on the disk.
 * ERR_INTERNAL: out of memory. */
enum err_code journal_add(struct journal *j, const char *kind, const char *body, size_t len,
                          void (*durable)(void *ctx), void *ctx);

bool journal_full(const struct journal *j);
/* All that was added has been acknowledged by the server. */
bool journal_drained(const struct journal *j);
