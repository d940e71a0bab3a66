/* JSON Schema Draft 2020-12 over parsed documents, with the words of Python's jsonschema.
 *
 * `format` and the content keywords are annotations, unknown keywords are ignored.  References lead
 * into the schema itself, to schema_rules.documents and to the standard's own schema; nothing is
 * ever fetched.  The work is bounded: a schema or value that needs too much of it is refused with a
 * reason.   Thread: any.   Source: json-schema.org 2020-12, python-jsonschema 4.26 (messages,
 * best_match). */
#pragma once
#include "shared/json/doc.h"

enum { SCHEMA_STEPS_MAX = 1000000, SCHEMA_DEPTH_MAX = 400 };

/* What a $ref may name besides the schema itself. */
struct schema_document {
    const char *uri;
    struct val schema;
};

/* Another text for what is wrong with an instance, "" to leave it out; NULL keeps the usual one. */
typedef const char *schema_say_fn(struct arena *a, struct val instance);

/* How Prefect treats the schemas of parameters and job variables; {0} is the plain standard, as in
 * schema_check() and schema_valid(). */
struct schema_rules {
    /* Optional properties without a default accept null, `items` may be a list, definitions with a
     * `block_type_slug` accept {"$ref": ...}. */
    bool prefect;
    bool null_for_defaults; /* optional properties with a default accept null too */
    bool ignore_required;
    schema_say_fn *say; /* of schema_errors_write(); may be NULL */
    const struct schema_document *documents;
    size_t document_count;
};

enum schema_problem {
    SCHEMA_OK,
    SCHEMA_VALUE,     /* the value does not fit */
    SCHEMA_REFERENCE, /* a $ref leads nowhere */
    SCHEMA_PATTERN,   /* a regular expression does not compile or takes too long */
    SCHEMA_CIRCULAR,  /* endless references */
    SCHEMA_COSTLY,
};

struct schema_error {
    enum schema_problem problem;
    const char *path;    /* of the value: `a.b[0]`; "" is the root */
    const char *message; /* `'x' is a required property` */
};

/* True when the value is valid.  Else *out_error is what jsonschema's best_match() picks, in the
 * arena. */
MUST_CHECK bool schema_check(struct arena *a, struct val schema, struct val value,
                             struct schema_error *out_error);
MUST_CHECK bool schema_check_as(struct arena *a, struct val schema,
                                const struct schema_rules *rules, struct val value,
                                struct schema_error *out_error);

/* True when the schema itself is one: keywords of the right type, patterns that compile. */
MUST_CHECK bool schema_valid(struct arena *a, struct val schema, struct schema_error *out_error);
MUST_CHECK bool schema_valid_as(struct arena *a, struct val schema,
                                const struct schema_rules *rules, struct schema_error *out_error);

/* Everything that is wrong, as a tree by place, for forms:
 *   ["text", {"property": "a", "errors": ["text", {"index": 0, "errors": [...]}]}]
 * A missing property is told at its own place.  False: *out_error says why there is no answer. */
MUST_CHECK bool schema_errors_write(struct arena *a, struct val schema,
                                    const struct schema_rules *rules, struct val value,
                                    struct buf *out, struct schema_error *out_error);

/* `Validation failed for field 'a.b'. Failure reason: ...`, in the arena. */
const char *schema_error_text(struct arena *a, const struct schema_error *error);

/* Whether two values are equal as JSON Schema sees it: 1 is 1.0, but not true. */
bool schema_equal(struct arena *a, struct val one, struct val two);
