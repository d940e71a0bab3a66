/* The job of a run: its pool's job configuration with job variables, blocks and variables in place
 * of `{{ placeholders }}`.
 *
 * A text that is one placeholder becomes the value as it is; without a value its member goes.
 * Inside of a longer text values become text, and what has none becomes nothing.  Values that
 * the configuration does not name stay members of the job; environments are merged.
 *
 * Errors: a reason for people, in the arena.
 * Source: the wire facts, sections 7.1 and 7.2. */
#pragma once
#include "shared/base/err.h"
#include "shared/json/doc.h"

/* A block by type and name or by id, or a variable (only a name). */
struct job_reference {
    const char *block_type, *name, *block_id;
};

struct job_values {
    struct arena *arena;
    /* Gives the data of a block or the value of a variable; DOC_NONE when there is none. */
    enum err_code (*find)(void *ctx, const struct job_reference *what, struct val *out);
    void *ctx;
    const char *reason; /* out: why it failed; NULL when find() did */
};

/* Appends the job, an object.  ERR_INVALID: j->reason says why; else what find() returned. */
MUST_CHECK enum err_code job_fill(struct job_values *j, struct val configuration,
                                  struct val variables, struct buf *out);
