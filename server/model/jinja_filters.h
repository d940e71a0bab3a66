/* Between the files of the filters. */
#pragma once
#include "server/model/jinja_internal.h"

typedef struct jinja_value filter_fn(struct interpreter *in, struct jinja_value v,
                                     const struct arguments *args);
struct filter_row {
    const char *name;
    filter_fn *call;
};

extern const struct filter_row jinja_text_filters[], jinja_number_filters[], jinja_human_filters[];
extern const size_t jinja_text_filter_count, jinja_number_filter_count, jinja_human_filter_count;

/* The bytes as a text of the arena; frees them. */
struct jinja_value jinja_take(struct interpreter *in, struct buf *b);
