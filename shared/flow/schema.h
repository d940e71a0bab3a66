/* What a step of a native flow takes and gives, as tables: the validator, `flow steps` and
 * docs/flows.md read the same rows.  Plain data, so that the CLI can check a flow without the code
 * of the steps. */
#pragma once
#include "shared/base/base.h"

enum flow_type {
    FLOW_ANY,
    FLOW_STRING,
    FLOW_INTEGER,
    FLOW_NUMBER,
    FLOW_BOOLEAN,
    FLOW_DURATION, /* written `90`, `1m30s` or `PT1M30S`; reaches the step as seconds (a JSON
                      number) */
    FLOW_LIST,
    FLOW_MAP,
    FLOW_TYPE_COUNT,
};

extern const char *const flow_type_names[FLOW_TYPE_COUNT];

struct step_param {
    const char *name;
    enum flow_type type;
    bool required;
    const char *fallback; /* JSON text used when the member is absent; NULL: null */
    const char *doc;
    const char *choices; /* "make|mbed-cli"; NULL: any value of the type */
};

struct step_output {
    const char *name;
    enum flow_type type;
    const char *doc;
};

struct step_schema {
    const char *name; /* what `uses:` says, "git.clone" */
    const char *doc;  /* one sentence */
    const struct step_param *params;
    size_t param_count;
    const struct step_output *outputs;
    size_t output_count;
    bool free_params;  /* members that are not listed are passed on */
    bool free_outputs; /* outputs are not known before it ran */
};

struct flow_options {
    /* What `uses:` may say.  NULL: their `with` and outputs are not checked. */
    const struct step_schema *(*step)(const char *name);
    const char *(*step_name)(size_t index); /* NULL behind the last.  NULL: any name is taken */
};

/* The steps of the agent by their names, for who has not got their code; NULL behind the last. */
const char *flow_step_name(size_t index);

/* `value` stands in `choices`. */
bool step_is_choice(const char *choices, const char *value);

#define STEP_PARAMS(table)  .params = (table), .param_count = COUNT(table)
#define STEP_OUTPUTS(table) .outputs = (table), .output_count = COUNT(table)
