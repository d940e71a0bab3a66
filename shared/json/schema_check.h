/* Between schema.c (application, choice of the error), schema_refs.c (names and references),
 * schema_keywords.c, schema_values.c, schema_unevaluated.c and schema_text.c. */
#pragma once
#include "shared/json/schema.h"

/* What is wrong; schema_text.c has a sentence for each. */
// clang-format off
enum wrong {
    WRONG_TYPE, WRONG_ENUM, WRONG_CONST, WRONG_REQUIRED, WRONG_DEPENDENT, WRONG_FALSE,
    WRONG_MINIMUM, WRONG_MAXIMUM, WRONG_ABOVE, WRONG_BELOW, WRONG_MULTIPLE, WRONG_EMPTY,
    WRONG_SHORT, WRONG_NOT_EMPTY, WRONG_LONG, WRONG_FEW, WRONG_MANY, WRONG_PATTERN,
    WRONG_UNIQUE, WRONG_EXTRA, WRONG_NO_PATTERN, WRONG_ITEMS, WRONG_CONTAINS,
    WRONG_CONTAINS_FEW, WRONG_CONTAINS_MANY, WRONG_ANY, WRONG_EACH, WRONG_NOT,
    WRONG_LEFT_PROPERTIES, WRONG_LEFT_ITEMS, WRONG_LEFT_UNFIT,
};
// clang-format on

/* Where a value stands; in the arena, so that errors can keep it. */
struct place {
    const struct place *outer;
    struct val key; /* DOC_NONE: an item */
    size_t index;
    uint32_t depth;
};

struct wrong_value {
    struct wrong_value *next;
    enum wrong what;
    const struct place *place;
    struct val schema, keyword, instance;
    struct val extra; /* the property, for messages about one */
    size_t count;
    struct val *matches;         /* WRONG_EACH: the schemas that fit; WRONG_LEFT_*: what is left */
    struct wrong_value *context; /* why the branches of anyOf and oneOf did not fit */
};

struct wrongs {
    struct wrong_value *first, **end;
};

/* A name in a resource: $anchor or $dynamicAnchor. */
struct anchor {
    struct anchor *next;
    struct val name, schema;
    bool dynamic;
};

/* A document, or the part of one that has an $id. */
struct schema_resource {
    struct schema_resource *next;
    const char *uri, *alias; /* without a fragment: its own name, and where it was found */
    struct val root;
    struct anchor *anchors;
    bool lax; /* its $schema does without the validation vocabulary */
};

/* The resources that references led through, the innermost first. */
struct scope {
    const struct scope *outer;
    const struct schema_resource *resource;
};

struct compiled {
    struct compiled *next;
    const char *text;
    void *code;
};

struct checker {
    struct arena *arena;
    const struct schema_rules *rules;
    struct val root;
    size_t steps;
    size_t arena_max_bytes;      /* what the arena may have used up when the check is done */
    enum schema_problem problem; /* anything but SCHEMA_OK ends the check */
    const char *reason;
    struct compiled *patterns;
    struct schema_resource first;       /* the schema that is applied */
    struct schema_resource **resources; /* the end of the list that `first` starts */
    bool named, meta; /* the names are collected; the standard's own schema is there */
};

/* One schema against one value. */
struct application {
    struct val schema, instance;
    const struct place *place;
    const struct scope *scope;
    uint32_t depth;
    bool processed;   /* Prefect rewrites the properties of this schema, see schema_rules */
    bool accept_null; /* Prefect's anyOf [type, null] instead of the type */
};

/* All that is wrong with the value; false when the check came to no end. */
MUST_CHECK bool schema_collect(struct checker *c, struct val value, struct wrongs *out,
                               struct schema_error *out_error);
void schema_apply(struct checker *c, const struct application *at, struct wrongs *out);
/* A subschema against a part of the value. */
void schema_descend(struct checker *c, const struct application *at, struct val schema,
                    struct val part, const struct place *place, struct wrongs *out);
bool schema_fits(struct checker *c, const struct application *at, struct val schema,
                 struct val part);
struct wrong_value *schema_wrong(struct checker *c, const struct application *at, enum wrong what,
                                 struct val keyword, struct wrongs *out);
const struct place *place_key(struct checker *c, const struct application *at, struct val key);
const struct place *place_index(struct checker *c, const struct application *at, size_t index);
void schema_stop(struct checker *c, enum schema_problem problem, const char *reason);
/* False when the budget is used up. */
bool schema_step(struct checker *c, size_t steps);

/* schema_refs.c.  Before anything else: the schema's own name. */
void schema_name_root(struct checker *c);
/* Where the schema of a $ref or $dynamicRef is to be applied; false when the check
 * ends there.  `room` has to live as long as *out. */
MUST_CHECK bool schema_target(struct checker *c, const struct application *at, struct val reference,
                              bool dynamic, struct scope *room, struct application *out);
/* The scope of a schema: another one than at->scope when it has an $id. */
const struct scope *schema_scope(struct checker *c, const struct application *at,
                                 struct scope *room);
/* schema_meta.c: the standard about itself, in the arena; `items` may be a list of schemas. */
struct val schema_meta(struct arena *a, bool item_lists);
/* What schema_check_as() does. */
bool schema_run(struct checker *c, struct val value, struct schema_error *out_error);

bool schema_matches(struct checker *c, struct val pattern, struct val text);
bool schema_is_type(struct val v, struct val type_name);
bool schema_has_type(struct val v, struct val types);
/* Members that neither `properties` nor `patternProperties` name, one at a time. */
bool schema_is_extra(struct checker *c, struct val schema, struct val key);
/* The member whose key is the string `name`. */
struct val schema_member(struct checker *c, struct val object, struct val name);

typedef void keyword_fn(struct checker *c, const struct application *at, struct val keyword,
                        struct wrongs *out);
/* schema_unevaluated.c */
keyword_fn schema_check_left_properties, schema_check_left_items;
/* schema_values.c */
keyword_fn schema_check_type, schema_check_enum, schema_check_const, schema_check_minimum,
    schema_check_maximum, schema_check_above, schema_check_below, schema_check_multiple,
    schema_check_min_length, schema_check_max_length, schema_check_min_items,
    schema_check_max_items, schema_check_min_properties, schema_check_max_properties,
    schema_check_pattern;
/* schema_equal() on the budget. */
bool schema_same(struct checker *c, struct val one, struct val two);
double schema_number(struct val v, double otherwise);
/* NULL when the keyword checks nothing, or nothing where the validation vocabulary is not used. */
keyword_fn *schema_keyword(struct val name, bool lax);

const char *schema_text(struct checker *c, const struct wrong_value *w);
const char *schema_path_text(struct checker *c, const struct place *place);
