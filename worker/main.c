#include <stdio.h>
#include <string.h>

#include "worker/power_cli.h"
#include "worker/run/flow_main.h"

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "power"))
        return power_main(argc - 1, argv + 1);
    if (argc > 1 && !strcmp(argv[1], "flow"))
        return flow_main(argc - 1, argv + 1);
    fprintf(stderr, "usage: switchyard-worker power record|analyze ...\n"
                    "       switchyard-worker flow check|run|steps ...\n");
    return 2;
}
