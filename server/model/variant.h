/* Members that are one of several objects (pydantic's unions): triggers and actions.
 *
 * Each variant is tried; of those that fit, the one with the most members given wins, the first of
 * equals.  When none fits, the errors of all are told, each below the variant's name. */
#pragma once
#include "shared/json/decode.h"

struct variant {
    const char *name; /* as the location of errors says it */
    const struct resource *of;
};

/* *out_value is a new struct of (*out)->of.  False: the errors are in r->bad. */
MUST_CHECK bool variant_read(const struct reading *r, const struct variant *variants, size_t count,
                             const struct variant **out, void **out_value);

/* The variant whose `type` (a row with read_literal) has that default; NULL: none. */
const struct variant *variant_find(const struct variant *variants, size_t count, struct val type);
