/* The emulated board: its flash is a file that the simulator boots from when the supply comes on.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/fault.h"
#include "worker/lab/board.h"

enum { IMAGE_MAX_BYTES = 64 << 20, CHUNK_BYTES = 64 << 10 };

static enum err_code copy(struct step_work *work, FILE *from, FILE *to, const char *image)
{
    char chunk[CHUNK_BYTES];
    size_t total = 0, len;

    while ((len = fread(chunk, 1, sizeof(chunk), from)) > 0) {
        if (!total && (len < 4 || memcmp(chunk, "\177ELF", 4) != 0))
            return err_set(&work->err, INVALID, "%s is not an ELF file", image);
        total += len;
        if (total > IMAGE_MAX_BYTES)
            return err_set(&work->err, TOO_LARGE, "%s has more than %d bytes", image,
                           IMAGE_MAX_BYTES);
        if (FAULT("board.write") || fwrite(chunk, 1, len, to) != len)
            return err_set(&work->err, IO, "cannot write the board's flash: %s", strerror(errno));
    }
    if (ferror(from))
        return err_set(&work->err, IO, "cannot read %s", image);
    if (!total)
        return err_set(&work->err, INVALID, "%s is empty", image);
    if (fflush(to) || fsync(fileno(to)))
        return err_set(&work->err, IO, "cannot write the board's flash: %s", strerror(errno));
    return ERR_OK;
}

enum err_code board_write_qemu(struct step_work *work)
{
    const struct board_flash *flash = work->arg;
    const char *to_path = arena_printf(work->arena, "%s/flash.elf", flash->bench->dir);
    const char *part_path = arena_printf(work->arena, "%s.part", to_path);

    FILE *from = fopen(flash->image, "rbe");
    if (!from)
        return err_set(&work->err, NOT_FOUND, "cannot read the image %s: %s", flash->image,
                       strerror(errno));
    FILE *to = fopen(part_path, "wbe");
    if (!to) {
        fclose(from);
        return err_set(&work->err, IO, "cannot write the board's flash: %s", strerror(errno));
    }
    enum err_code code = copy(work, from, to, flash->image);
    fclose(from);
    if (fclose(to) && !code)
        code = err_set(&work->err, IO, "cannot write the board's flash: %s", strerror(errno));
    if (!code && rename(part_path, to_path))
        code = err_set(&work->err, IO, "cannot write the board's flash: %s", strerror(errno));
    if (code)
        unlink(part_path);
    return code;
}
