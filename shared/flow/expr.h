/* The expressions of `when`:
 *
 *   or      := and ("or" and)*            and  := not ("and" not)*
 *   not     := "not" not | compare        compare := value (("==" "!=" "<" "<=" ">" ">=" "in")
 * value)? value   := number | 'text' | "text" | true | false | null | [value, ...] | path | {{ path
 * }} | success() | failure() | always() | cancelled() | "(" or ")"
 *
 * Empty values (null, false, 0, "", [], {}) count as false.
 * Thread: any. */
#pragma once
#include "shared/flow/template.h"

enum { EXPR_BYTES = 4000, EXPR_DEPTH_MAX = 32 };

struct expr;

/* NULL after a problem was added.  The expression lives in the arena. */
struct expr *expr_parse(struct arena *arena, const struct node *node, struct problems *problems);

/* Does it say itself when to run, by success(), failure(), always() or cancelled()? */
bool expr_has_status(const struct expr *expr);

void expr_visit(const struct expr *expr, const struct part_visitor *visitor);

MUST_CHECK enum err_code expr_true(const struct expr *expr, const struct lookup *lookup, bool *out,
                                   struct err *err);
