/* Prefect's filters: rows that decode a filter object and compile it to SQL.
 *
 *   {"state": {"type": {"any_": ["FAILED"]}}, "operator": "or_"}   ->   (fr.state_type =
 * ANY($1::text[]))
 *
 * A row of filter.c is one leaf operator.  From the rows come the resources that decode filters
 * (with pydantic's errors) and the SQL; a filter of another resource becomes an EXISTS.
 *
 * Source: the filter grammar of Prefect 3.9. */
#pragma once
#include "server/db/db.h"
#include "shared/json/codec.h"
#include "shared/json/text_query.h"

enum filter_target {
    FILTER_FLOWS,
    FILTER_FLOW_RUNS,
    FILTER_TASK_RUNS,
    FILTER_DEPLOYMENTS,
    FILTER_WORK_POOLS,
    FILTER_WORK_QUEUES,
    FILTER_WORKERS,
    FILTER_LOGS,
    FILTER_BLOCK_TYPES,
    FILTER_BLOCK_SCHEMAS,
    FILTER_BLOCK_DOCUMENTS,
    FILTER_ARTIFACTS,
    FILTER_ARTIFACT_COLLECTIONS,
    FILTER_VARIABLES,
    FILTER_AUTOMATIONS,
    FILTER_MEASUREMENTS,
    FILTER_TARGETS,
};

enum { FILTER_SLOTS_MAX = 24, SQL_MAX_BYTES = 64 << 10 };

/* A decoded filter object: one value per row of its resource. */
struct filter_slot {
    struct uuids uuids;
    struct strings strings;
    const char *text;
    struct filter_node *node;
    int64_t time_us, number;
    double real;
    enum tri flag;
};

struct filter_node {
    struct given given;
    int operator; /* 0 and_, 1 or_ */
    struct filter_slot slots[FILTER_SLOTS_MAX];
};

/* FlowRunFilter and so on; ready after filters_build(). */
extern struct resource filter_resources[FILTER_TARGETS];
void filters_build(void); /* once, at start */

/* A statement under construction.  Parameters are texts in the arena of the work. */
struct sql {
    struct work *work;
    struct buf text;
    const char *parameters[DB_PARAMETERS_MAX];
    size_t count;
};

void sql_begin(struct sql *s, struct work *w);
void sql_add(struct sql *s, const char *text);
/* Appends "$n" for a new parameter. */
void sql_param(struct sql *s, const char *value);
/* Runs what was built and frees it. */
/* Appends what is true of rows whose text, an SQL expression, matches. */
void sql_text_search(struct sql *s, const char *text, const struct text_query *q);
MUST_CHECK enum err_code sql_run(struct sql *s, struct rows *out);

/* Appends " AND (...)" for a filter of `target` as seen from a query over `from`; nothing for NULL.
 * The query names its table by the target's alias: f, fr, tr, d, wp, wq, w, l, bt, bs, bd, a, ac,
 * v, am, m. */
void filter_compile(struct sql *s, enum filter_target from, enum filter_target target,
                    const struct filter_node *filter);
