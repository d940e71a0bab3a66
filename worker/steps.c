#include "worker/steps.h"

#include <string.h>

static const struct step *const table[] = {
#define STEP(symbol, name) &symbol##_step,
#include "shared/flow/steps.def"
#undef STEP
};

const struct step *step_find(const char *name)
{
    for (size_t i = 0; i < COUNT(table); i++)
        if (!strcmp(table[i]->schema.name, name))
            return table[i];
    return NULL;
}

size_t step_count(void)
{
    return COUNT(table);
}

const struct step *step_at(size_t index)
{
    return table[index];
}

static const struct step_schema *find_schema(const char *name)
{
    const struct step *step = step_find(name);
    return step ? &step->schema : NULL;
}

const struct flow_options step_flow_options = {find_schema, flow_step_name};
