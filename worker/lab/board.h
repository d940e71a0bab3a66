/* Ways to bring an image onto a board: one row per back-end.
 *
 * A back-end only writes.  Supply, reset and the proof by the boot banner are the same for all and
 * stand in worker/steps/board_flash.c.  Two kinds: a function of ours, or a program whose exit
 * status alone proves nothing: all texts of `proof` must be in its output, none of `failure`.
 *
 * Every probe is named by its serial number: two boards of a kind are on every desk.
 * Source: power-and-boards, sections 4.1, 4.2. */
#pragma once
#include <limits.h>

#include "worker/lab/bench.h"
#include "worker/steps.h"

enum { BACKEND_WORDS_MAX = 20, BACKEND_TEXTS_MAX = 3, BACKEND_COMPLAINT_BYTES = 240 };

struct board_flash {
    const struct bench *bench;
    const char *image; /* absolute path of the ELF file */
    const char *bin;   /* where the same as plain bytes goes; made by board_make_bin() */
    uint32_t address;  /* of the first of them; set by board_make_bin() */
    double timeout_s;  /* of the writing */
};

struct board_backend {
    const char *name;
    bool needs_supply; /* the board must be powered while it is written */
    bool needs_bin;    /* takes plain bytes, not ELF */
    /* Blocking, on a thread; `work->arg` is the struct board_flash.  NULL: `argv`. */
    enum err_code (*write)(struct step_work *work);
    /* {serial} {elf} {bin} {address} {openocd} {pyocd} are replaced. */
    const char *argv[BACKEND_WORDS_MAX];
    const char *proof[BACKEND_TEXTS_MAX], *failure[BACKEND_TEXTS_MAX];
};

/* NULL: there is none of that name. */
const struct board_backend *board_backend_find(const char *name);
/* The four characters that MBED.HTM begins a board's code with; NULL: not known. */
const char *board_code(const char *target);

/* INVALID: the bench has no serial, or nothing is known of its target. */
MUST_CHECK enum err_code board_command(const struct board_backend *backend,
                                       const struct board_flash *flash, struct arena *a,
                                       const char *out_argv[static BACKEND_WORDS_MAX],
                                       struct err *e);

/* A text that tells what is wrong, and what a person can do about it. */
struct board_trouble {
    const char *text, *advice;
    bool hopeless; /* no rung of the recovery ladder helps */
};

/* What a program said while it wrote. */
struct board_verdict {
    const struct board_backend *backend;
    const struct board_trouble *trouble; /* NULL: none that is known */
    bool proven[BACKEND_TEXTS_MAX];
    char complaint[BACKEND_COMPLAINT_BYTES]; /* the first line that reports a failure */
};
/* The firmware version of a probe as tools print it, such as V3J10M3B5S1; false: none in the line.
 */
bool board_probe_version(const char *line, char *out, size_t size);
void board_verdict_line(struct board_verdict *v, const char *line);
/* OK only when it proved itself; `how` is how it ended.  The error names the cause and the remedy.
 */
MUST_CHECK enum err_code board_verdict(const struct board_verdict *v, const struct step_exit *how,
                                       struct err *e);

/* On a thread: the loadable bytes of flash->image go to flash->bin.  INVALID: no image for a
 * microcontroller. */
enum err_code board_make_bin(struct step_work *work);

/* "qemu": the image becomes BENCH/flash.elf at once or not at all. */
enum err_code board_write_qemu(struct step_work *work);
/* "msd": a copy onto the volume of the probe; FAIL.TXT and a volume that does not come back are
 * failures. */
enum err_code board_write_msd(struct step_work *work);
/* Where the probe's volume is mounted; false: nowhere, or it is being made anew. */
bool board_volume(const struct bench *b, char out[static PATH_MAX]);
