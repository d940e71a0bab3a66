/* A native flow: the YAML file read, checked and ready to run.  The language is docs/flows.md.
 *
 * Everything that can be known before a run is checked: keys, types, steps, references, cycles. All
 * problems are found in one go, each with file, line and column.
 *
 * Owns:   a flow lives in the arena given to flow_load(); its JSON values too.
 * Thread: any. */
#pragma once
#include "shared/flow/expr.h"
#include "shared/flow/schema.h"

enum {
    FLOW_DEPTH_MAX = 8,      /* flows in flows */
    FLOW_MATRIX_MAX = 10000, /* task runs of one matrix */
    FLOW_PARALLEL_DEFAULT = 16,
    FLOW_RETRIES_MAX = 100,
    FLOW_DELAYS_MAX = 50,
};

struct flow_axis {
    const char *name;
    const struct node *values; /* a list, or one placeholder that gives a list */
};

struct flow_task {
    const char *name;
    const struct node *at;          /* its name in the file */
    const struct step_schema *step; /* NULL: a sub-flow, or the steps are not known here */
    const char *uses;               /* NULL: a sub-flow */
    struct flow *flow;              /* NULL: a step */
    const struct node *with;        /* NULL: nothing */
    const struct node *needs_node;
    size_t *needs; /* tasks that must be over: written or referred to; each once */
    size_t need_count;
    const struct expr *when; /* NULL: success() */
    bool always;             /* clean-up: runs whatever happened */
    bool waits_for_all;      /* an `always` task without `needs` */
    enum { DRY_AS_STEP, DRY_RUNS, DRY_SKIPS } dry_run;
    int retries;
    double retry_delays_s[FLOW_DELAYS_MAX]; /* the last one repeats */
    size_t retry_delay_count;
    double timeout_s;             /* 0: none */
    const struct node *cache_key; /* NULL: no cache */
    double cache_s;               /* 0: no expiration */
    struct flow_axis *axes;       /* the matrix */
    size_t axis_count;
    int max_parallel; /* of the matrix; 0: no limit of its own */
};

struct flow {
    const struct source *source;
    const struct node *root;
    const char *name;
    const char *description; /* NULL: none */
    json_t *parameters;      /* JSON Schema, as a deployment's parameter_openapi_schema */
    const struct node *devices, *result; /* NULL: none */
    const struct node *health;           /* it checks devices: of which type, how often; NULL: no */
    const struct expr *dry_run;          /* NULL: false */
    int max_parallel;
    struct flow_task *tasks; /* in order of the file */
    size_t task_count;
};

/* NULL after a problem was added.  `text` is borrowed as long as the flow lives; `file` names it in
 * messages and is where `flow: other.yaml` is looked for. */
struct flow *flow_load(struct arena *arena, const char *file, const char *text, size_t len,
                       const struct flow_options *options, struct problems *problems);

/* Reads the file as well. */
struct flow *flow_load_file(struct arena *arena, const char *file,
                            const struct flow_options *options, struct problems *problems);

/* The flow with all files it names in one text (JSON, so YAML too), for sending it elsewhere.
 * False: it names no files, send the file itself. */
bool flow_bundle(const struct flow *flow, struct buf *out);

/* The parameters of a run: checked against the schema, defaults filled in.  `*out` is a new
 * reference. Errors: ERR_INVALID; the detail names every parameter at fault. */
MUST_CHECK enum err_code flow_parameters(const struct flow *flow, const json_t *given, json_t **out,
                                         struct err *err);

/* What a run with these parameters needs to itself: `devices` with its placeholders filled in.  New
 * reference. */
MUST_CHECK enum err_code flow_devices(const struct flow *flow, const json_t *parameters,
                                      json_t **out, struct err *err);

/* `--param name=text`: the text as the type that the schema asks for.  New reference. */
json_t *flow_parameter_value(const struct flow *flow, const char *name, const char *text);

/* Is the value what the JSON Schema (its subset) wants?  Else one clause about `name` is added. */
bool flow_schema_check(const json_t *schema, const json_t *value, const char *name,
                       struct buf *out);

/* Seconds of `90`, `1m30s`, `2.5h`, `500ms`, `7d`, `PT1M30S`. */
MUST_CHECK bool flow_duration(const char *text, double *out_s);

/* Is the value of the type?  A duration may be a number or a text. */
bool flow_type_fits(enum flow_type type, const json_t *value);
