#include "shared/flow/schema.h"

#include <string.h>

const char *const flow_type_names[FLOW_TYPE_COUNT] = {
    "any value",     "a string",   "an integer", "a number",
    "true or false", "a duration", "a list",     "a map",
};

bool step_is_choice(const char *choices, const char *value)
{
    size_t len = strlen(value);
    for (const char *s = choices; s; s = strchr(s, '|')) {
        s += *s == '|';
        if (!strncmp(s, value, len) && (s[len] == 0 || s[len] == '|'))
            return true;
    }
    return false;
}
