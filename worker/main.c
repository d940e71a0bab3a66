#include <stdio.h>
#include <string.h>

#include "worker/power_cli.h"

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "power"))
        return power_main(argc - 1, argv + 1);
    fprintf(stderr, "usage: switchyard-worker power record|analyze ...\n");
    return 2;
}
