/* Outputs of tasks with `cache:`, kept in the agent's data folder.
 *
 * A key has one place among SLOTS files, chosen by the hash of step and key, so the folder never
 * grows beyond SLOTS files; what else has the place is overwritten.  A file says which key it is
 * for. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/base/fault.h"
#include "shared/base/sha256.h"
#include "worker/run/native_state.h"

enum { SLOTS = 4096, CACHE_FILE_BYTES = 1 << 20, PATH_BYTES = 1024 };

static void hash_key(const char *step, const char *key, char out[static SHA256_TEXT_BYTES])
{
    struct sha256 *h = sha256_new();
    sha256_add(h, step, strlen(step) + 1);
    sha256_add(h, key, strlen(key));
    sha256_text(h, out);
    sha256_free(h);
}

static void make_path(const struct native *n, const char *hash, char out[static PATH_BYTES])
{
    unsigned long slot = strtoul((char[]){hash[0], hash[1], hash[2], 0}, NULL, 16) % SLOTS;
    snprintf(out, PATH_BYTES, "%s/cache/%03lx.json", n->step_run.data_dir, slot);
}

json_t *cache_find(struct native *n, const char *step, const char *key)
{
    char hash[SHA256_TEXT_BYTES], path[PATH_BYTES];
    struct stat st;
    if (!n->step_run.data_dir)
        return NULL;
    hash_key(step, key, hash);
    make_path(n, hash, path);
    if (stat(path, &st) != 0 || st.st_size > CACHE_FILE_BYTES)
        return NULL;
    json_t *entry = json_load_file(path, 0, NULL), *outputs = NULL;
    const char *hash_there = json_string_value(json_object_get(entry, "key"));
    const json_t *expires = json_object_get(entry, "expires_us");
    bool fresh = !json_is_integer(expires) || json_integer_value(expires) > native_now_us(n);
    if (hash_there && !strcmp(hash_there, hash) && fresh)
        outputs = json_incref(json_object_get(entry, "outputs"));
    json_decref(entry);
    return outputs;
}

/* What lies in the run's folder is gone when the run is. */
static bool points_into(const json_t *value, const char *dir)
{
    size_t i;
    json_t *one;
    const char *key;
    bool found = json_is_string(value) && strstr(json_string_value(value), dir);
    json_array_foreach(value, i, one) found |= points_into(one, dir);
    json_object_foreach((json_t *)(uintptr_t)value, key, one) found |= points_into(one, dir);
    return found;
}

static bool write_file(const char *path, const json_t *entry)
{
    char temporary[PATH_BYTES + 16];
    snprintf(temporary, sizeof(temporary), "%s.%ld", path, (long)getpid());
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600); /* may hold secrets */
    if (fd < 0)
        return false;
    bool ok = json_dumpfd(entry, fd, JSON_COMPACT) == 0 && !FAULT("cache.write");
    ok = close(fd) == 0 && ok && rename(temporary, path) == 0;
    if (!ok)
        unlink(temporary);
    return ok;
}

void cache_keep(struct native *n, const char *step, const char *key, double expires_s,
                const json_t *outputs)
{
    char hash[SHA256_TEXT_BYTES], path[PATH_BYTES], dir[PATH_BYTES];
    if (!n->step_run.data_dir)
        return;
    hash_key(step, key, hash);
    if (points_into(outputs, n->step_run.work_dir)) {
        report_log(n, NULL, LOG_WARN,
                   "outputs of `%s` are not cached: they name files in the run's own folder", step);
        return;
    }
    snprintf(dir, sizeof(dir), "%s/cache", n->step_run.data_dir);
    make_path(n, hash, path);
    json_t *entry = json_pack("{s:s,s:O}", "key", hash, "outputs", outputs);
    if (expires_s > 0)
        json_object_set_new(entry, "expires_us",
                            json_integer(native_now_us(n) + (int64_t)(expires_s * 1e6)));
    size_t size = json_dumpb(entry, NULL, 0, JSON_COMPACT);
    bool ok = (mkdir(dir, 0700) == 0 || errno == EEXIST) && size <= CACHE_FILE_BYTES &&
              write_file(path, entry);
    if (!ok)
        report_log(n, NULL, LOG_WARN, "outputs of `%s` are not cached: cannot write %s", step,
                   path);
    json_decref(entry);
}
