/* POST /X/filter, /X/count and /X/paginate, the same for all resources: a row says where the rows
 * come from, which filters a body may carry and how it may be sorted. */
#pragma once
#include "server/db/filter.h"
#include "server/http/request.h"

struct sort {
    const char *name; /* "NAME_ASC" */
    const char *sql;  /* behind ORDER BY; ends in something unique */
};

struct listing {
    const struct resource *resource; /* its columns are selected */
    const char *from;                /* "flow f": table and alias, maybe joins */
    const char *alias;               /* of the columns that have no expression of their own */
    const char *where;               /* always true of the rows; NULL: all */
    /* Fills in what a row does not have; NULL: they have all. */
    enum err_code (*complete)(struct work *w, struct rows *rows);
    enum filter_target target; /* FILTER_TARGETS: none */
    const struct sort *sorts;
    size_t sort_count, default_sort;
    /* Another name of the filter's key in the body; NULL: that of the target. */
    const char *key;
    int64_t limit_max; /* what `limit` may be and is by default; 0: the setting */
};

enum err_code listing_filter(struct request *rq, const struct listing *l);
enum err_code listing_count(struct request *rq, const struct listing *l);
enum err_code listing_paginate(struct request *rq, const struct listing *l);

/* What a body may hold beside filters; other keys are ignored. */
enum listing_part {
    PART_SORT = 1,
    PART_LIMIT = 2,
    PART_OFFSET = 4,
    PART_PAGE = 8,
    PART_HISTORY = 16, /* work queues are called `work_queues` */
    PART_POOLS = 32,   /* filters on pools and queues, whatever the target */
    LISTING_COUNT = 0,
    LISTING_FILTER = PART_SORT | PART_LIMIT | PART_OFFSET,
    LISTING_PAGE = PART_SORT | PART_LIMIT | PART_PAGE,
};

/* What a body said, for endpoints of their own: filters by target, NULL where there is none. */
struct listing_in {
    struct given given;
    struct filter_node *filters[FILTER_TARGETS];
    int sort;
    int64_t limit, offset, page;
};
MUST_CHECK enum err_code listing_decode(struct request *rq, const struct listing *l,
                                        enum listing_part parts, struct listing_in *out);
/* A limit of a body: INT_NONE becomes the most there may be (0: what the setting says). */
MUST_CHECK enum err_code listing_limit(struct request *rq, int64_t most, int64_t *in_out);
/* Appends "SELECT ... FROM ... WHERE true AND ...", then it is up to the caller. */
void listing_select(struct sql *s, const struct listing *l, const struct listing_in *in,
                    const char *what);
