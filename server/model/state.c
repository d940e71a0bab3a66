#include "server/model/state.h"

static const char *const type_names[STATE_TYPE_COUNT] = {
    "",       "SCHEDULED", "PENDING", "RUNNING", "COMPLETED",
    "FAILED", "CANCELLED", "CRASHED", "PAUSED",  "CANCELLING",
};

static const char *const default_names[STATE_TYPE_COUNT] = {
    "",       "Scheduled", "Pending", "Running", "Completed",
    "Failed", "Cancelled", "Crashed", "Paused",  "Cancelling",
};

const char *state_type_name(enum state_type type)
{
    return type_names[type];
}

enum state_type state_type_parse(const char *text, size_t len)
{
    for (int type = STATE_SCHEDULED; type < STATE_TYPE_COUNT; type++)
        if (strlen(type_names[type]) == len && !memcmp(type_names[type], text, len))
            return (enum state_type)type;
    return STATE_NONE;
}

const char *state_default_name(enum state_type type)
{
    return default_names[type];
}

bool state_is_terminal(enum state_type type)
{
    return STATES_TERMINAL & (1u << type);
}

void state_complete(struct state *s, int64_t now_us)
{
    if (!s->name)
        s->name = default_names[s->type];
    if (s->type == STATE_SCHEDULED && s->details.scheduled_time_us == TIME_NONE)
        s->details.scheduled_time_us = now_us;
}
