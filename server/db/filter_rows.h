/* The rows of the filters; for filter.c only. */
#pragma once
#include "server/db/filter.h"

enum leaf_kind {
    LEAF_UUIDS,     /* any_: one of the ids */
    LEAF_NOT_UUIDS, /* not_any_; an empty list does not restrict */
    LEAF_TEXTS,
    LEAF_NOT_TEXTS,
    LEAF_TYPES, /* state types */
    LEAF_NOT_TYPES,
    LEAF_LIKE,     /* like_: contains, ignoring case; % and _ are wildcards */
    LEAF_TEXT,     /* equal */
    LEAF_SEARCH,   /* words, -words, +words and phrases */
    LEAF_PREFIXES, /* startswith_ */
    LEAF_TAGS_ALL, /* all_ */
    LEAF_TAGS_ANY,
    LEAF_TAGS_EMPTY, /* is_null_ of a list */
    LEAF_IS_NULL,
    LEAF_NULL_UNLESS_ANY, /* is_null_ whose default false counts when nothing else is given */
    LEAF_TRUTH,           /* a condition that must be as told */
    LEAF_BEFORE,          /* inclusive, like AFTER */
    LEAF_AFTER,
    LEAF_GE,
    LEAF_LE,
    LEAF_REAL_GE,
    LEAF_REAL_LE,
    LEAF_IGNORED, /* a number, accepted without effect */
    LEAF_IGNORED_FLAG,
};

struct filter_leaf {
    const char *path; /* "state.type.any_"; "state.operator" allows and_/or_ there */
    enum leaf_kind kind;
    const char *column;            /* an SQL expression over the target's alias */
    const struct enum_name *names; /* what the texts may be; NULL: anything */
};

struct filter_set {
    const char *name; /* of the schema */
    const struct filter_leaf *leaves;
    size_t count;
};

extern const struct filter_set filter_sets[FILTER_TARGETS];

/* "flow_run fr WHERE fr.flow_id = f.id": how rows of `target` belong to a row of `from`; NULL: not
 * at all. */
const char *filter_exists(enum filter_target from, enum filter_target target);
