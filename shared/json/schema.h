/* JSON Schema Draft 2020-12 over parsed documents, with the words of Python's jsonschema.
 *
 * `format` and unknown keywords are ignored; $ref works within the schema ("#/definitions/X",
 * "#/$defs/X", any JSON pointer).  The work is bounded: a schema or a value that needs too many
 * steps is refused with a reason. Thread: any.   Source: json-schema.org 2020-12,
 * python-jsonschema 4.26 (messages, best_match). */
#pragma once
#include "shared/base/err.h"
#include "shared/json/doc.h"

enum { SCHEMA_STEPS_MAX = 200000, SCHEMA_DEPTH_MAX = 100 };

struct schema_error {
    const char *path;    /* of the value: `a.b`, `a.0`; "" for the root */
    const char *message; /* `'x' is a required property` */
};

/* True when the value is valid.  Else *out_error is what jsonschema's best_match() picks. */
MUST_CHECK bool schema_check(struct arena *a, struct val schema, struct val value,
                             struct schema_error *out_error);

/* True when the schema itself makes sense: keywords of the right type, patterns that compile,
 * references that exist. */
MUST_CHECK bool schema_valid(struct arena *a, struct val schema, struct schema_error *out_error);

/* `Validation failed for field 'a.b'. Failure reason: ...`, in the arena. */
const char *schema_error_text(struct arena *a, const struct schema_error *error);
