#include "worker/lab/board.h"

#include <string.h>

static const struct board_backend backends[] = {
    {"qemu", false, board_write_qemu},
};

const struct board_backend *board_backend_find(const char *name)
{
    for (size_t i = 0; i < COUNT(backends); i++)
        if (!strcmp(backends[i].name, name))
            return &backends[i];
    return NULL;
}
