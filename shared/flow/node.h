/* A YAML file as a tree that remembers where everything stands.
 *
 * YAML 1.2 core types (yes, no, on and off are strings).  Refused: duplicate keys, keys that are
 * not scalars, merge keys, tags of the writer's own, a second document, numbers that JSON cannot
 * hold.  An alias shares the node it names. Bounds: NODE_FILE_BYTES of text, NODE_COUNT_MAX nodes
 * with every alias written out, NODE_DEPTH_MAX
 *         levels, NODE_KEYS_MAX keys per map, NODE_ANCHORS_MAX anchors.
 *
 * Owns:   all nodes and problems live in the arena given to node_parse(); the text of the source is
 * borrowed. Thread: any. */
#pragma once
#include <jansson.h>

#include "shared/base/arena.h"
#include "shared/base/buf.h"
#include "shared/base/err.h"

enum {
    NODE_FILE_BYTES = 1 << 20,
    NODE_COUNT_MAX = 100000,
    NODE_DEPTH_MAX = 48,
    NODE_KEYS_MAX = 5000,
    NODE_ANCHORS_MAX = 1000,
    NODE_ARENA_BYTES = 24 << 20
};

struct source {
    const char *file; /* as in messages */
    const char *text; /* zero at the end */
    size_t len;
};

enum node_type {
    NODE_NULL,
    NODE_BOOLEAN,
    NODE_INTEGER,
    NODE_NUMBER,
    NODE_STRING,
    NODE_LIST,
    NODE_MAP
};

struct node {
    enum node_type type;
    unsigned line, column; /* from 1, in characters */
    unsigned weight;       /* nodes below and including this one, aliases written out */
    const struct source *source;
    const char *text; /* scalars: as read, zero at the end */
    union {
        bool flag;
        int64_t integer;
        double number;
        size_t count; /* of members */
    };
    struct member *members; /* lists have values without keys */
};

struct member {
    struct node *key, *value;
};

/* What is wrong with a file: all of it, in order of place. */
struct problem {
    struct problem *next;
    const struct source *source;
    unsigned line, column;
    const char *text;
};

enum { PROBLEMS_MAX = 100 };

struct problems {
    struct arena *arena;
    struct problem *first; /* sorted */
    size_t count;          /* all that were found; PROBLEMS_MAX of them are kept */
};

/* `what is wrong, what was expected`, at a node, or at the first place at or after it where `found`
 * stands. */
void problem_at(struct problems *p, const struct node *at, const char *fmt, ...) PRINTF_LIKE(3, 4);
void problem_in(struct problems *p, const struct node *at, const char *found, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

/* `file:line:column: text` per line. */
void problems_print(const struct problems *p, struct buf *out);

/* The name of `names` nearest to `name`, or NULL when none is near. */
const char *nearest_name(const char *name, const char *const *names, size_t count);

/* NULL after a problem was added. */
struct node *node_parse(struct arena *arena, const struct source *source,
                        struct problems *problems);

/* NULL: the map has no such key, or `map` is not one. */
struct node *node_get(const struct node *map, const char *key);

const char *node_type_name(enum node_type type); /* "a string" */

/* New reference. */
json_t *node_json(const struct node *node);
