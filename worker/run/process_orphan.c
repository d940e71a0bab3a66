#include "worker/run/process_orphan.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "shared/base/buf.h"
#include "shared/base/clock.h"

enum { ENVIRON_MAX_BYTES = 1 << 20, PAUSE_NS = 10000000 };

static bool read_environ(const char *pid, struct buf *out)
{
    char path[64], chunk[4096];
    ssize_t n;

    snprintf(path, sizeof(path), "/proc/%.20s/environ", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    out->len = 0;
    while ((n = read(fd, chunk, sizeof(chunk))) > 0)
        buf_add(out, chunk, (size_t)n);
    close(fd);
    buf_lit(out, "\0");
    return !out->full;
}

static bool carries(const struct buf *environment, const char *mark)
{
    size_t len = strlen(mark) + 1;

    for (size_t at = 0; at + len <= environment->len;) {
        if (memcmp(environment->bytes + at, mark, len) == 0)
            return true;
        at += strlen(environment->bytes + at) + 1;
    }
    return false;
}

static int kill_marked(const char *mark, struct buf *scratch)
{
    DIR *proc = opendir("/proc");
    int count = 0;

    for (struct dirent *d; proc && (d = readdir(proc));) {
        pid_t pid = (pid_t)strtol(d->d_name, NULL, 10);
        if (pid <= 1 || pid == getpid() || !read_environ(d->d_name, scratch))
            continue;
        if (carries(scratch, mark) && kill(pid, SIGKILL) == 0)
            count++;
    }
    if (proc)
        closedir(proc);
    return count;
}

int orphans_kill(const char *agent_id, int64_t timeout_ms)
{
    struct buf scratch = {.max_bytes = ENVIRON_MAX_BYTES};
    int64_t end_us = clock_monotonic_us() + timeout_ms * 1000;
    char mark[128];
    int total = 0, found;

    snprintf(mark, sizeof(mark), ORPHAN_MARK "=%s", agent_id);
    while ((found = kill_marked(mark, &scratch)) > 0) {
        total = total ? total : found;
        if (clock_monotonic_us() > end_us)
            break;
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
    }
    buf_free(&scratch);
    return total;
}
