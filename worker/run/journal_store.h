/* The file behind the journal: SQLite, WAL, synchronous=FULL (a commit is on the disk when it
 * returns).
 *
 *   meta    agent (a UUID, made once), epoch (grows with each open)
 *   record  seq (never used twice), epoch, kind, body (JSON text): what the server does not have
 * yet
 *
 * Thread: any one at a time; every call but the first takes milliseconds at most on a sound disk.
 */
#pragma once
#include "shared/base/buf.h"
#include "shared/base/err.h"
#include "shared/base/uuid.h"

struct journal_store;

struct journal_record {
    struct journal_record *next;
    const char *kind;           /* a literal */
    void (*durable)(void *ctx); /* NULL: nobody waits; called on the loop */
    void *ctx;
    size_t len;
    char body[];
};

struct journal_batch {
    struct buf body; /* the request: {"agent", "epoch", "records"}; empty: nothing to send */
    int64_t last_seq;
    size_t records;
    bool earlier_epoch; /* it is of an earlier start of this agent */
};

/* Opens or makes the file and counts the epoch up. */
MUST_CHECK enum err_code journal_store_open(const char *path, struct journal_store **out,
                                            struct err *e);
void journal_store_close(struct journal_store *s);

const char *journal_store_agent(const struct journal_store *s); /* UUID text */
int64_t journal_store_epoch(const struct journal_store *s);
int64_t journal_store_bytes(const struct journal_store *s); /* of all bodies */

/* Deletes what has seq <= acked_seq and adds the list, in one commit; with nothing to do, none. */
MUST_CHECK enum err_code journal_store_write(struct journal_store *s, int64_t acked_seq,
                                             const struct journal_record *list, struct err *e);

/* The oldest records of one epoch, at most max_records; at least one, then as many as fit into
 * max_bytes. */
MUST_CHECK enum err_code journal_store_batch(struct journal_store *s, size_t max_records,
                                             size_t max_bytes, struct journal_batch *out,
                                             struct err *e);
