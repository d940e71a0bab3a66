#include "shared/flow/schema.h"

const char *const flow_type_names[FLOW_TYPE_COUNT] = {
    "any value",     "a string",   "an integer", "a number",
    "true or false", "a duration", "a list",     "a map",
};
