/* switchyard-worker: the agent, and tools for the bench and for flow files. */
#include <string.h>

#include "worker/agent.h"
#include "worker/power_cli.h"
#include "worker/run/flow_main.h"

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"power", power_main},
    {"flow", flow_main},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(*commands); i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    return agent_main(argc, argv);
}
