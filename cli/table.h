/* Lists and details of JSON objects, for people.
 *
 * A column says where its value stands in the object and how it is shown.  On a terminal a table is
 * cut to its width (the widest flexible columns first); into a pipe nothing is cut.  Values are
 * made safe. */
#pragma once
#include "cli/term.h"

#include <jansson.h>

enum cell_kind {
    CELL_TEXT,     /* strings as they are, other JSON compact; null is "-" */
    CELL_STATE,    /* a state name, coloured by the object's state_type */
    CELL_AGO,      /* a date-time, relative to now */
    CELL_DURATION, /* seconds */
    CELL_LIST,     /* an array of strings, joined by ", " */
    CELL_ID,       /* a UUID, as much of it as tells the rows apart, at least 8 digits */
    CELL_REAL,     /* a number with six significant digits */
    CELL_CHANGE,   /* "+3.12": a difference in per cent */
    CELL_SWITCH,   /* true: the title in lower case; else empty */
};

struct column {
    const char *title, *path; /* "state.name"; NULL ends the list */
    enum cell_kind kind;
    bool fixed; /* never cut */
};

/* The value at a dotted path, NULL without one. */
json_t *json_at(json_t *object, const char *path);
const char *text_at(json_t *object, const char *path);

void table_print(struct term *t, struct arena *a, const struct column *columns, json_t *rows);
/* One "Title  value" line per column, then nested JSON indented. */
void details_print(struct term *t, struct arena *a, const struct column *columns, json_t *object);
void json_print(FILE *out, json_t *value);
