/* What the files of shared/flow/ that turn nodes into a flow share.  Not for others. */
#pragma once
#include "shared/flow/flow.h"

struct builder {
    struct arena *arena;
    const struct flow_options *options;
    struct problems *problems;
    int depth;                                  /* of flows in flows */
    size_t files;                               /* read so far */
    const char **task_names, **parameter_names; /* of the flow that is being checked */
    size_t parameter_count;
};

/* One key that a map of the language may have. */
struct key {
    const char *name;
    unsigned types; /* of its value: 1u << NODE_x */
    void (*take)(struct builder *b, void *into, const struct node *value);
};

enum {
    T_BOOLEAN = 1u << NODE_BOOLEAN,
    T_INTEGER = 1u << NODE_INTEGER,
    T_NUMBER = 1u << NODE_NUMBER | 1u << NODE_INTEGER,
    T_STRING = 1u << NODE_STRING,
    T_LIST = 1u << NODE_LIST,
    T_MAP = 1u << NODE_MAP,
    T_SCALAR = T_BOOLEAN | T_NUMBER | T_STRING,
    T_ANY = T_SCALAR | T_LIST | T_MAP | 1u << NODE_NULL,
};

/* Gives each member to the key it names.  `what` the map is: "a task". */
void take_keys(struct builder *b, const struct node *map, const char *what, const struct key *keys,
               size_t count, void *into);

/* Letters, digits, _ and -, at most 64, a letter or _ first; else a problem. */
bool check_name(struct builder *b, const struct node *name, const char *what);

/* Is the value of one of the types?  Else a problem. */
bool check_node_type(struct builder *b, const struct node *value, unsigned types, const char *name);

/* A value of the arena. */
json_t *keep_json(struct builder *b, json_t *value);

/* NULL after a problem. */
struct flow *build_flow(struct builder *b, const struct source *source, const struct node *root);
/* `flow: other.yaml`, beside the file that says so. */
struct flow *build_flow_file(struct builder *b, const struct node *path);

/* The JSON Schema of `parameters:`. */
json_t *build_parameters(struct builder *b, const struct node *node);

/* The keys of a map, which may be NULL; the parameters of a flow.  Of the arena. */
const char **flow_map_names(struct builder *b, const struct node *map, size_t *out_count);
const char **flow_parameter_names(struct builder *b, const struct flow *flow, size_t *out_count);
bool name_among(const char *name, const char *const *names, size_t count);
/* Finds the task's step; what it and a sub-flow are given, and the devices, must fit. */
void check_use(struct builder *b, const struct flow *flow, struct flow_task *t);

/* References, steps, `with`, needs and cycles of one flow; its sub-flows were checked before. */
void check_flow(struct builder *b, struct flow *flow);
