/* Jinja templates, as Prefect renders them in automations: no file is read, nothing outside of the
 * scope is called, loops and output are bounded.
 *
 * Known: expressions with filters, tests, methods of strings and dicts, attributes and subscripts;
 * if, for, set, with, filter, macro, raw and comments; white space control.  Templates that
 * include, import, extend or call blocks parse, but refuse to render.
 *
 * Borrows: texts live in the arena.   Errors: the line and Jinja's words.   Thread: any.
 * Source: the template documentation of Jinja 3.1; messages of a running Prefect 3.9.1. */
#pragma once
#include "server/model/jinja_value.h"

enum {
    JINJA_LOOPS_MAX = 10,
    JINJA_LOOP_DEPTH_MAX = 2,
    JINJA_RANGE_MAX = 100,
    JINJA_STEPS_MAX = 1000000,
    JINJA_DEPTH_MAX = 100,
    JINJA_TEMPLATE_MAX_BYTES = 1 << 20,
    JINJA_OUTPUT_MAX_BYTES = 4 << 20,
};

struct jinja_error {
    int line;
    const char *message;
};

struct jinja_template;

/* False: *out_error says why. */
MUST_CHECK bool jinja_parse(struct arena *a, const char *text, size_t len,
                            struct jinja_template **out, struct jinja_error *out_error);
/* At most 10 for loops, at most 2 in one another. */
MUST_CHECK bool jinja_check_loops(struct arena *a, const struct jinja_template *t,
                                  struct jinja_error *out_error);
/* Whether the template reads the variable. */
bool jinja_uses(const struct jinja_template *t, const char *name);

/* Where names come from; *out stays undefined for unknown ones. */
struct jinja_scope {
    void (*get)(void *context, struct arena *a, const char *name, struct jinja_value *out);
    void *context;
    const char *ui_url; /* base of links, NULL: none */
    int64_t now_us;
};

/* False: *out_reason says why, as Python prints the exception: `ZeroDivisionError('...')`. */
MUST_CHECK bool jinja_render(struct arena *a, const struct jinja_template *t,
                             const struct jinja_scope *scope, struct buf *out,
                             const char **out_reason);
