#include "server/store/traces.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/server.h"
#include "server/store/files.h"

enum { PATH_BYTES = 4096 };

static const char magic[8] = "SYPYRA01";

struct pyramid_head {
    char magic[8];
    uint64_t samples;
};

struct mapping {
    void *at;
    size_t len;
};

static void unmap(void *object)
{
    const struct mapping *m = object;
    munmap(m->at, m->len);
}

/* NULL when it cannot be mapped; it is empty, for example. */
static const uint8_t *map_file(struct work *w, int fd, size_t len)
{
    struct mapping *m = arena_new(&w->arena, struct mapping);

    *m = (struct mapping){mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0), len};
    if (m->at == MAP_FAILED)
        return NULL;
    arena_defer(&w->arena, unmap, m);
    return m->at;
}

static void pyramid_path(const struct work *w, const char *sha256, char out[static PATH_BYTES])
{
    snprintf(out, PATH_BYTES, "%s/files/%.2s/%s.pyramid", w->server->config.data, sha256, sha256);
}

static bool read_pyramid(struct work *w, const char *path, struct recording *r)
{
    size_t wanted = sizeof(struct pyramid_head) + pyramid_bins(r->count) * sizeof(struct trace_bin);
    struct stat st;
    const uint8_t *bytes = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return false;
    if (!fstat(fd, &st) && (size_t)st.st_size == wanted)
        bytes = map_file(w, fd, wanted);
    close(fd);
    const struct pyramid_head *head = (const void *)bytes;
    if (!bytes || memcmp(head->magic, magic, sizeof(magic)) != 0 || head->samples != r->count)
        return false;
    recording_use(r, (const void *)(bytes + sizeof(*head)));
    return true;
}

static bool write_whole(int fd, const void *bytes, size_t len)
{
    const char *at = bytes;
    ssize_t n;

    for (; len; at += n, len -= (size_t)n)
        if ((n = write(fd, at, len)) <= 0)
            return false;
    return true;
}

/* A half-written file has another name: it is never seen. */
static void keep_pyramid(const char *path, const struct recording *r, const struct trace_bin *bins)
{
    char temporary[PATH_BYTES + 16];
    struct pyramid_head head = {.samples = r->count};

    memcpy(head.magic, magic, sizeof(magic));
    snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path);
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return;
    bool good = write_whole(fd, &head, sizeof(head)) &&
                write_whole(fd, bins, pyramid_bins(r->count) * sizeof(*bins)) && !fsync(fd);
    good = !close(fd) && good;
    if (!good || rename(temporary, path))
        unlink(temporary);
}

static enum err_code make_pyramid(struct work *w, const char *path, struct recording *r)
{
    struct trace_bin *bins = calloc(pyramid_bins(r->count) + 1, sizeof(*bins));

    if (!bins)
        return err_set(&w->err, INTERNAL, "no memory for the pyramid of a trace");
    arena_defer(&w->arena, free, bins);
    pyramid_build(r, bins);
    keep_pyramid(path, r, bins);
    recording_use(r, bins);
    return ERR_OK;
}

enum err_code trace_map(struct work *w, const char *sha256, struct recording *out)
{
    char path[PATH_BYTES];
    uint64_t len;
    int fd;

    enum err_code rc = file_open(w, sha256, &fd, &len);
    if (rc)
        return rc;
    const uint8_t *bytes = map_file(w, fd, (size_t)len);
    close(fd);
    rc = bytes ? recording_open(&w->arena, bytes, (size_t)len, out, &w->err)
               : err_set(&w->err, INVALID, "the file is not a trace");
    if (rc)
        return rc;
    pyramid_path(w, sha256, path);
    return read_pyramid(w, path, out) ? ERR_OK : make_pyramid(w, path, out);
}

void trace_stored(struct work *w, const char *sha256)
{
    struct recording r;
    struct err kept = w->err;

    if (trace_map(w, sha256, &r))
        w->err = kept;
}
