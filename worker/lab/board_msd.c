/* The volume of a probe: a file copied onto it is written into the board's flash.
 *
 *   find the volume -> copy, fsync -> the file goes (the volume is enumerated anew) -> FAIL.TXT?
 *
 * There is no exit code.  The volume is not listed while the copy drains, and it is known by its
 * MBED.HTM: an unmounted folder is empty, too.  Source: power-and-boards, section 4.2. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "worker/lab/board.h"

enum { FIND_S = 10, POLL_MS = 100, SETTLE_MS = 500, NAME_BYTES = 600 };

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static bool has_file(const char *volume, const char *name)
{
    char path[PATH_MAX + 64];
    snprintf(path, sizeof(path), "%s/%s", volume, name);
    return access(path, F_OK) == 0;
}

/* Where the block device of the probe is mounted; false: nowhere. */
static bool mounted_at(const char *serial, char out[static PATH_MAX])
{
    static const char *const makes[] = {"MBED_microcontroller", "MBED_MICROCONTROLLER",
                                        "STMicro_STM32"};
    char device[PATH_MAX], link[NAME_BYTES];
    bool found = false;
    FILE *mounts = setmntent("/proc/self/mounts", "r");
    if (!mounts)
        return false;
    for (struct mntent *m; !found && (m = getmntent(mounts));)
        for (size_t i = 0; !found && i < COUNT(makes); i++) {
            snprintf(link, sizeof(link), "/dev/disk/by-id/usb-%s_%s-0:0", makes[i], serial);
            found = realpath(link, device) && !strcmp(device, m->mnt_fsname);
            if (found)
                snprintf(out, PATH_MAX, "%s", m->mnt_dir);
        }
    endmntent(mounts);
    return found;
}

bool board_volume(const struct bench *b, char out[static PATH_MAX])
{
    if (b->volume[0])
        snprintf(out, PATH_MAX, "%s", b->volume);
    else if (!mounted_at(b->board_serial, out))
        return false;
    return has_file(out, "MBED.HTM");
}

static enum err_code wait_for_volume(struct step_work *work, const struct bench *b,
                                     char out[static PATH_MAX])
{
    const struct board_flash *flash = work->arg;
    double find_s = flash->timeout_s < FIND_S ? flash->timeout_s : FIND_S;
    int64_t end_us = clock_monotonic_us() + (int64_t)(find_s * 1e6);
    while (!board_volume(b, out)) {
        if (atomic_load(&work->cancelled))
            return err_set(&work->err, CANCELLED, "flashing was cancelled");
        if (clock_monotonic_us() > end_us)
            return err_set(&work->err, TIMEOUT,
                           "bench %s: the volume of probe %s is not there within %g s: no "
                           "MBED.HTM in %s (has the machine an automounter?)",
                           b->name, b->board_serial, find_s,
                           b->volume[0] ? b->volume : "any mounted volume of that serial number");
        pause_ms(POLL_MS);
    }
    return ERR_OK;
}

static bool write_all(int fd, const char *bytes, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = write(fd, bytes + at, len - at);
        if (n < 0 && errno != EINTR)
            return false;
        at += n > 0 ? (size_t)n : 0;
    }
    return true;
}

static enum err_code copy(struct step_work *work, const char *from_path, const char *to_path)
{
    char chunk[16 << 10];
    FILE *from = fopen(from_path, "rbe");
    int to = open(to_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    bool good = from && to >= 0;
    for (size_t n; good && (n = fread(chunk, 1, sizeof(chunk), from)) > 0;)
        good = !atomic_load(&work->cancelled) && write_all(to, chunk, n);
    good = good && fsync(to) == 0;
    int why = errno;
    if (from)
        fclose(from);
    if (to >= 0 && close(to))
        good = false;
    if (atomic_load(&work->cancelled))
        return err_set(&work->err, CANCELLED, "flashing was cancelled");
    return good
               ? ERR_OK
               : err_set(&work->err, IO, "cannot copy the image to %s: %s", to_path, strerror(why));
}

/* Boards are known by their probe's serial number; the code on the volume is a cross-check. */
static void check_code(struct step_work *work, const struct bench *b, const char *volume)
{
    char path[PATH_MAX + 16], text[2048];
    const char *expected = board_code(b->target), *code;
    snprintf(path, sizeof(path), "%s/MBED.HTM", volume);
    FILE *f = fopen(path, "re");
    if (!f)
        return;
    text[fread(text, 1, sizeof(text) - 1, f)] = 0;
    fclose(f);
    if (expected && (code = strstr(text, "code=")) && strncmp(code + 5, expected, 4) != 0)
        step_work_log(work, LOG_WARN,
                      "the volume is that of a board %.4s, a %s is %s: is `board.serial` right?",
                      code + 5, b->target, expected);
}

/* The first line of FAIL.TXT; false: there is none. */
static bool read_failure(const char *volume, char *out, size_t size)
{
    char path[PATH_MAX + 16];
    snprintf(path, sizeof(path), "%s/FAIL.TXT", volume);
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    if (!fgets(out, (int)size, f))
        *out = 0;
    out[strcspn(out, "\r\n")] = 0;
    fclose(f);
    return true;
}

/* Until the probe has taken the file and shows its volume again. */
static enum err_code wait_until_taken(struct step_work *work, const struct bench *b,
                                      const char *name)
{
    const struct board_flash *flash = work->arg;
    char volume[PATH_MAX];
    int64_t end_us = clock_monotonic_us() + (int64_t)(flash->timeout_s * 1e6);
    while (!board_volume(b, volume) || has_file(volume, name)) {
        if (atomic_load(&work->cancelled))
            return err_set(&work->err, CANCELLED, "flashing was cancelled");
        if (clock_monotonic_us() > end_us)
            return err_set(&work->err, TIMEOUT,
                           "bench %s: probe %s did not take the image within %g s: %s", b->name,
                           b->board_serial, flash->timeout_s,
                           board_volume(b, volume) ? "its volume did not come anew"
                                                   : "its volume went and did not come back");
        pause_ms(POLL_MS);
    }
    return ERR_OK;
}

enum err_code board_write_msd(struct step_work *work)
{
    const struct board_flash *flash = work->arg;
    const struct bench *b = flash->bench;
    char volume[PATH_MAX], path[PATH_MAX + 32], failure[200], old[200] = "";
    static const char name[] = "firmware.bin";
    if (!b->board_serial[0] && !b->volume[0])
        return err_set(&work->err, INVALID, "bench %s: `board.serial` is missing", b->name);
    enum err_code code = wait_for_volume(work, b, volume);
    if (code)
        return code;
    bool failed_before = read_failure(volume, old, sizeof(old));
    check_code(work, b, volume);
    snprintf(path, sizeof(path), "%s/%s", volume, name);
    if ((code = copy(work, flash->bin, path)) || (code = wait_until_taken(work, b, name)))
        return code;
    pause_ms(SETTLE_MS); /* FAIL.TXT may come a little later than the volume */
    if ((code = wait_for_volume(work, b, volume)))
        return code;
    if (read_failure(volume, failure, sizeof(failure)))
        return err_set(&work->err, IO, "bench %s: the probe says in FAIL.TXT%s: %s", b->name,
                       failed_before && !strcmp(old, failure) ? " (as before)" : "",
                       *failure ? failure : "(nothing)");
    return ERR_OK;
}
