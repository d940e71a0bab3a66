#include <stdlib.h>
#include <string.h>

#include "shared/flow/flow.h"

/* The flow as JSON with its sub-flow files inside. */
static json_t *bundle(const struct flow *flow, bool *out_files)
{
    json_t *root = node_json(flow->root), *tasks = json_object_get(root, "tasks");
    for (size_t i = 0; i < flow->task_count; i++) {
        json_t *task = json_object_get(tasks, flow->tasks[i].name);
        if (!flow->tasks[i].flow)
            continue;
        *out_files |= json_is_string(json_object_get(task, "flow"));
        json_object_set_new(task, "flow", bundle(flow->tasks[i].flow, out_files));
    }
    return root;
}

bool flow_bundle(const struct flow *flow, struct buf *out)
{
    bool files = false;
    json_t *json = bundle(flow, &files);
    char *text = files ? json_dumps(json, JSON_INDENT(2) | JSON_REAL_PRECISION(17)) : NULL;
    if (text)
        buf_add(out, text, strlen(text));
    free(text);
    json_decref(json);
    return files;
}
