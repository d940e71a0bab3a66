#include "server/store/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/db/params.h"
#include "server/server.h"

enum { CHUNK_BYTES = 128 << 10, PATH_BYTES = 4096 };

static void folder_path(const struct work *w, const char *sha256, char out[static PATH_BYTES])
{
    snprintf(out, PATH_BYTES, "%s/files/%.2s", w->server->config.data, sha256);
}

static void content_path(const struct work *w, const char *sha256, char out[static PATH_BYTES])
{
    snprintf(out, PATH_BYTES, "%s/files/%.2s/%s", w->server->config.data, sha256, sha256);
}

static enum err_code hash_file(struct work *w, int fd, char out_text[static SHA256_TEXT_BYTES])
{
    char *chunk = arena_array(&w->arena, char, CHUNK_BYTES);
    struct sha256 *hash = sha256_new();
    off_t at = 0;
    ssize_t n;

    while ((n = pread(fd, chunk, CHUNK_BYTES, at)) > 0) {
        sha256_add(hash, chunk, (size_t)n);
        at += n;
    }
    int error = errno;
    sha256_text(hash, out_text);
    sha256_free(hash);
    return n < 0 ? err_set(&w->err, INTERNAL, "the body cannot be read back: %s", strerror(error))
                 : ERR_OK;
}

static void sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

enum err_code file_put(struct work *w, int fd, const char *sha256, uint64_t bytes,
                       bool *out_created)
{
    char folder[PATH_BYTES], path[PATH_BYTES], self[64], actual[SHA256_TEXT_BYTES];
    struct stat st;

    enum err_code rc = hash_file(w, fd, actual);
    if (rc)
        return rc;
    if (strcmp(actual, sha256) != 0)
        return err_set(&w->err, INVALID, "the %llu bytes that arrived have the SHA-256 %s, not %s",
                       (unsigned long long)bytes, actual, sha256);
    folder_path(w, sha256, folder);
    content_path(w, sha256, path);
    *out_created = stat(path, &st) != 0;
    if (!*out_created)
        return ERR_OK;
    snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    if (fsync(fd) || (mkdir(folder, 0700) && errno != EEXIST) ||
        (linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW) && errno != EEXIST))
        return err_set(&w->err, INTERNAL, "%s: %s", path, strerror(errno));
    sync_folder(folder);
    snprintf(folder, sizeof(folder), "%s/files", w->server->config.data);
    sync_folder(folder); /* it may be the first of its folder */
    return ERR_OK;
}

enum err_code file_open(struct work *w, const char *sha256, int *out_fd, uint64_t *out_bytes)
{
    char path[PATH_BYTES];
    struct stat st;

    content_path(w, sha256, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(&w->err, NOT_FOUND, "File %s not found", sha256);
    if (fstat(fd, &st)) {
        close(fd);
        return err_set(&w->err, INTERNAL, "%s: %s", path, strerror(errno));
    }
    *out_fd = fd;
    *out_bytes = (uint64_t)st.st_size;
    return ERR_OK;
}

enum err_code file_name_put(struct work *w, const char *name, const char *sha256)
{
    struct rows none;
    uint64_t bytes;
    int fd;

    enum err_code rc = file_open(w, sha256, &fd, &bytes);
    if (rc)
        return rc;
    close(fd);
    return db_query(w, Q_file_name_put, PARAMS(name, sha256, param_i64(w, (int64_t)bytes)), &none);
}

enum err_code file_name_get(struct work *w, const char *name, struct rows *out)
{
    enum err_code rc = db_query(w, Q_file_name_get, PARAMS(name), out);
    return rc || out->count ? rc : err_set(&w->err, NOT_FOUND, "File name %s not found", name);
}
