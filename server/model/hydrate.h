/* Parameters as users of the dashboard enter them: objects with `__prefect_kind` stand for a value.
 *
 *   none{value} -> value    json{value: text} -> parsed    workspace_variable{variable_name} -> its
 * value jinja{template} -> rendered
 *
 * An object of an unknown kind stands for its `value`.  Kinds nest; json or workspace_variable
 * without its member removes what it stands for.
 *
 * Errors: a reason for clients, in Prefect's words.
 * Source: the wire facts, section 7.5. */
#pragma once
#include "shared/json/doc.h"

struct hydration_variable {
    const char *name;
    struct raw value;
};

struct hydration {
    struct arena *arena;
    const struct hydration_variable *variables;
    size_t variable_count;
    /* Renders a Jinja template; NULL where templates are not known. */
    bool (*render)(void *context, struct arena *a, const char *template, const char **out_text,
                   const char **out_reason);
    void *context;
    bool lenient;       /* what cannot be hydrated becomes a hole, see hydration_hole() */
    const char *reason; /* out: why it failed */
};

/* A `render` for templates in requests, where no names are known. */
bool hydration_render(void *context, struct arena *a, const char *template, const char **out_text,
                      const char **out_reason);

/* For values hydrated leniently: why there is no value in its place, "" where a template will be
 * rendered later; NULL for a value. */
const char *hydration_hole(struct arena *a, struct val v);

/* Appends the names of the variables that the parameters refer to. */
void hydration_needs(struct arena *a, struct val parameters, struct strings *names);

/* Appends the hydrated parameters, always an object.  False: h->reason says why. */
MUST_CHECK bool hydrate(struct hydration *h, struct val parameters, struct buf *out);
