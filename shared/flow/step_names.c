#include "shared/flow/schema.h"

static const char *const names[] = {
#define STEP(symbol, name) name,
#include "shared/flow/steps.def"
#undef STEP
};

const char *flow_step_name(size_t index)
{
    return index < COUNT(names) ? names[index] : NULL;
}
