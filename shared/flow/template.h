/* Placeholders: `{{ parameters.model }}` inside the strings of a flow.
 *
 * A string that is one placeholder takes the value with its type; a missing value removes the
 * member or list item.  In longer strings the value is put in as text, a missing one as nothing.
 * `\{{` stands for `{{`. Source: reference of Prefect 3's REST surface, section 7.1.
 *
 * Thread: any. */
#pragma once
#include "shared/flow/node.h"

enum { PATH_SEGMENTS_MAX = 32, TEMPLATE_TEXT_BYTES = 1 << 20 };

/* `tasks.build.outputs.files[2]` */
struct path {
    const char *text;
    size_t count;
    struct segment {
        const char *name; /* NULL: an index */
        size_t index;
    } segments[PATH_SEGMENTS_MAX];
};

/* False: not a dotted path.  Names and text live in the arena. */
MUST_CHECK bool path_parse(struct arena *arena, const char *text, size_t len, struct path *out);

/* Follows the path from its segment `from`; NULL: there is nothing.  Borrowed. */
json_t *path_get(json_t *value, const struct path *path, size_t from);

enum part_kind { PART_TEXT, PART_PLACEHOLDER, PART_MALFORMED };

struct part {
    enum part_kind kind;
    const char *text; /* of a placeholder: the path alone; malformed: with its braces */
    size_t len;
};

/* The next part of *at; false at the end. */
MUST_CHECK bool template_next(const char **at, struct part *out);

/* Is the whole text one placeholder? */
MUST_CHECK bool template_exact(const char *text, struct part *out);

/* Where values come from.  `*out` is a new reference or NULL when there is no such value. */
struct lookup {
    enum err_code (*get)(void *ctx, const struct path *path, json_t **out, struct err *err);
    bool (*status)(void *ctx, const char *function); /* success, failure, always, cancelled */
    void *ctx;
};

/* `*out` is a new reference, NULL when an exact placeholder had no value. */
MUST_CHECK enum err_code template_render(const struct node *node, const struct lookup *lookup,
                                         json_t **out, struct err *err);

/* Calls visit() for every placeholder below the node. */
struct part_visitor {
    void (*visit)(void *ctx, const struct node *at, const struct part *part);
    void *ctx;
};
void template_visit(const struct node *node, const struct part_visitor *visitor);
