/* values: gives names to values, so that later tasks need not repeat a long placeholder. */
#include "worker/steps.h"

static void start(struct step_call *call)
{
    json_object_update(call->outputs, (json_t *)(uintptr_t)call->with);
    step_done(call, ERR_OK);
}

const struct step values_step = {
    .schema = {.name = "values",
               .doc = "Its outputs are its own `with`: names for values that later tasks use.",
               .free_params = true,
               .free_outputs = true},
    .start = start,
};
