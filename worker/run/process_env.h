/* With what a process is started: its words and its environment. */
#pragma once
#include <jansson.h>

#include "shared/base/arena.h"
#include "shared/base/err.h"

/* Splits as a POSIX shell would, without expanding anything: blanks separate, '…', "…" and \ quote.
 * ERR_INVALID: an open quote, or nothing there. */
MUST_CHECK enum err_code command_split(struct arena *a, const char *text, char ***out_argv,
                                       struct err *e);

struct env {
    struct arena *arena;
    char **items; /* "NAME=value", NULL at the end */
    size_t count, room;
};

/* Starts with a copy of the agent's own environment. */
void env_init(struct env *env, struct arena *a);
/* Replaces.  `value` NULL: removes. */
void env_set(struct env *env, const char *name, const char *value);
const char *env_get(const struct env *env, const char *name); /* NULL: not set */
/* Members of a JSON object; numbers and booleans as text, null removes. */
void env_set_json(struct env *env, const json_t *object);
