/* Ways to bring an image onto a board: one row per back-end.
 *
 * A back-end only writes.  Supply, reset and the proof by the boot banner are the same for all and
 * stand in worker/steps/board_flash.c. */
#pragma once
#include "worker/lab/bench.h"
#include "worker/steps.h"

struct board_flash {
    const struct bench *bench;
    const char *image; /* absolute path of the ELF file */
};

struct board_backend {
    const char *name;
    bool needs_supply; /* the board must be powered while it is written */
    /* Blocking, on a thread; `work->arg` is the struct board_flash. */
    enum err_code (*write)(struct step_work *work);
};

/* NULL: there is none of that name. */
const struct board_backend *board_backend_find(const char *name);

/* "qemu": the image becomes BENCH/flash.elf at once or not at all. */
enum err_code board_write_qemu(struct step_work *work);
