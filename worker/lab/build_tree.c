#include "worker/lab/build_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK_BYTES = 64 << 10, WAIT_MS = 50, KEY_DIGITS = 16, DEPTH_MAX = 40 };

/* One walk over the sources: what is there goes over, in the order of names. */
struct sync {
    struct arena *arena;
    const atomic_bool *cancelled;
    struct sha256 *hash;
    struct err *err;
    size_t files;
};

static enum err_code io_error(struct err *e, const char *what, const char *path)
{
    return err_set(e, IO, "cannot %s %s: %s", what, path, strerror(errno));
}

static enum err_code make_folder(const char *path, struct err *e)
{
    return mkdir(path, 0777) && errno != EEXIST ? io_error(e, "make the folder", path) : ERR_OK;
}

enum err_code build_copy(const char *from, const char *to, struct err *e)
{
    char part[PATH_MAX], chunk[CHUNK_BYTES];
    struct stat st;
    size_t len;
    if (snprintf(part, sizeof(part), "%s.part", to) >= (int)sizeof(part))
        return err_set(e, INVALID, "the path %s is too long", to);
    FILE *in = fopen(from, "rbe");
    if (!in)
        return io_error(e, "read", from);
    FILE *out = fopen(part, "wbe");
    bool good = out != NULL;
    while (good && (len = fread(chunk, 1, sizeof(chunk), in)) > 0)
        good = fwrite(chunk, 1, len, out) == len;
    good =
        good && !ferror(in) && !fstat(fileno(in), &st) && !fchmod(fileno(out), st.st_mode & 0777);
    fclose(in);
    if (out && fclose(out))
        good = false;
    if (good && !rename(part, to))
        return ERR_OK;
    enum err_code code = io_error(e, "write", to);
    unlink(part);
    return code;
}

/* ---- sources ---- */

/* The content of a file into the hash. */
static enum err_code hash_file(struct sync *s, const char *path)
{
    char chunk[CHUNK_BYTES];
    size_t len;
    FILE *f = fopen(path, "rbe");
    if (!f)
        return io_error(s->err, "read", path);
    while ((len = fread(chunk, 1, sizeof(chunk), f)) > 0)
        sha256_add(s->hash, chunk, len);
    bool bad = ferror(f);
    fclose(f);
    return bad ? io_error(s->err, "read", path) : ERR_OK;
}

static bool same_content(const char *a, const char *b)
{
    char one[CHUNK_BYTES], two[CHUNK_BYTES];
    FILE *fa = fopen(a, "rbe"), *fb = fopen(b, "rbe");
    bool same = fa && fb;
    for (size_t len = 1; same && len;) {
        len = fread(one, 1, sizeof(one), fa);
        same = fread(two, 1, sizeof(two), fb) == len && !memcmp(one, two, len);
    }
    if (fa)
        fclose(fa);
    if (fb)
        fclose(fb);
    return same;
}

static enum err_code sync_file(struct sync *s, const char *from, const char *to)
{
    if (++s->files > BUILD_FILES_MAX)
        return err_set(s->err, TOO_LARGE, "the sources have more than %d files", BUILD_FILES_MAX);
    sha256_add(s->hash, to, strlen(to) + 1);
    enum err_code code = hash_file(s, from);
    return code || same_content(from, to) ? code : build_copy(from, to, s->err);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_source(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
           strcmp(entry->d_name, ".git") != 0;
}

static enum err_code sync_folder(struct sync *s, const char *from, const char *to, int depth);

static enum err_code sync_entry(struct sync *s, const char *from, const char *to, int depth)
{
    struct stat st;
    if (atomic_load(s->cancelled))
        return err_set(s->err, CANCELLED, "the build was cancelled");
    if (stat(from, &st))
        return io_error(s->err, "read", from);
    if (S_ISDIR(st.st_mode))
        return sync_folder(s, from, to, depth + 1);
    return S_ISREG(st.st_mode) ? sync_file(s, from, to) : ERR_OK;
}

/* Files of an earlier build that are no sources any more; folders of ours only. */
static void drop_others(struct sync *s, const char *from, const char *to)
{
    struct dirent **entries;
    int count = scandir(to, &entries, is_source, by_name);
    for (int i = 0; i < count; i++) {
        struct stat st;
        const char *there = arena_printf(s->arena, "%s/%s", to, entries[i]->d_name);
        const char *here = arena_printf(s->arena, "%s/%s", from, entries[i]->d_name);
        if (access(here, F_OK) && !lstat(there, &st) && S_ISREG(st.st_mode))
            unlink(there);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

static enum err_code sync_folder(struct sync *s, const char *from, const char *to, int depth)
{
    struct dirent **entries;
    if (depth > DEPTH_MAX)
        return err_set(s->err, INVALID, "%s: more than %d folders in each other", from, DEPTH_MAX);
    enum err_code code = make_folder(to, s->err);
    int count = code ? 0 : scandir(from, &entries, is_source, by_name);
    if (count < 0)
        return io_error(s->err, "read", from);
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        if (!code)
            code = sync_entry(s, arena_printf(s->arena, "%s/%s", from, name),
                              arena_printf(s->arena, "%s/%s", to, name), depth);
        free(entries[i]);
    }
    if (count > 0 || (!code && count == 0))
        free(entries);
    if (!code)
        drop_others(s, from, to);
    return code;
}

/* ---- locks ---- */

static enum err_code wait_for(const char *const *paths, size_t count, const atomic_bool *cancelled,
                              int *out_fd, struct err *e)
{
    for (;;) {
        for (size_t i = 0; i < count; i++) {
            int fd = open(paths[i], O_RDWR | O_CREAT | O_CLOEXEC, 0666);
            if (fd < 0)
                return io_error(e, "open", paths[i]);
            if (!flock(fd, LOCK_EX | LOCK_NB)) {
                *out_fd = fd;
                return ERR_OK;
            }
            close(fd);
        }
        if (atomic_load(cancelled))
            return err_set(e, CANCELLED, "cancelled while waiting for another build");
        nanosleep(&(struct timespec){0, WAIT_MS * 1000000}, NULL);
    }
}

/* The tree first, a slot then: nobody holds a slot while waiting. */
static enum err_code take_locks(struct arena *a, const char *builds, const char *tree,
                                const atomic_bool *cancelled, struct build_tree *t, struct err *e)
{
    const char *slots[BUILDS_AT_ONCE], *lock = arena_printf(a, "%s/lock", tree);
    for (size_t i = 0; i < BUILDS_AT_ONCE; i++)
        slots[i] = arena_printf(a, "%s/slot-%zu", builds, i);
    enum err_code code = wait_for(&lock, 1, cancelled, &t->lock_fd, e);
    return code ? code : wait_for(slots, BUILDS_AT_ONCE, cancelled, &t->slot_fd, e);
}

/* ---- the tree ---- */

static int drop_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type;
    return at->level ? remove(path) : 0; /* the folder itself stays */
}

/* Not emptied here: who was cut off may still have to be stopped. */
static enum err_code begin_build(struct build_tree *t, struct err *e)
{
    t->cut_off = !access(t->dirty, F_OK);
    int fd = open(t->dirty, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return io_error(e, "write", t->dirty);
    close(fd);
    return ERR_OK;
}

enum err_code build_tree_empty(const struct build_tree *t, struct err *e)
{
    enum { OPEN_FOLDERS = 16 };
    return nftw(t->out, drop_entry, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS)
               ? io_error(e, "empty", t->out)
               : ERR_OK;
}

void build_tree_settle(const struct build_tree *t)
{
    unlink(t->dirty);
}

static enum err_code fill(struct arena *a, const struct build_tree_wish *wish,
                          const atomic_bool *cancelled, struct build_tree *t, struct err *e)
{
    struct sync s = {a, cancelled, sha256_new(), e, 0};
    sha256_add(s.hash, wish->salt, strlen(wish->salt) + 1);
    enum err_code code = sync_folder(&s, wish->source, t->src, 0);
    if (!code && wish->header)
        code = sync_file(&s, wish->header, t->header);
    sha256_text(s.hash, t->content);
    sha256_free(s.hash);
    return code;
}

enum err_code build_tree_enter(struct arena *a, const struct build_tree_wish *wish,
                               const atomic_bool *cancelled, struct build_tree *out, struct err *e)
{
    char key[SHA256_TEXT_BYTES];
    sha256_of(wish->key, strlen(wish->key), key);
    const char *builds = arena_printf(a, "%s/builds", wish->data_dir);
    const char *tree = arena_printf(a, "%s/%.*s", builds, KEY_DIGITS, key);
    const char *images = arena_printf(a, "%s/images", tree);
    struct build_tree t = {.src = arena_printf(a, "%s/src", tree),
                           .out = arena_printf(a, "%s/out", tree),
                           .header = arena_printf(a, "%s/model.h", tree),
                           .dirty = arena_printf(a, "%s/dirty", tree),
                           .lock_fd = -1,
                           .slot_fd = -1};
    char path_hash[SHA256_TEXT_BYTES];
    sha256_of(tree, strlen(tree), path_hash);
    snprintf(t.id, sizeof(t.id), "%.16s", path_hash);
    const char *const folders[] = {builds, tree, images, t.out};
    enum err_code code = ERR_OK;
    for (size_t i = 0; !code && i < COUNT(folders); i++)
        code = make_folder(folders[i], e);
    if (!code)
        code = take_locks(a, builds, tree, cancelled, &t, e);
    if (!code)
        code = fill(a, wish, cancelled, &t, e);
    if (code) {
        build_tree_leave(&t);
        return code;
    }
    t.image = arena_printf(a, "%s/%s.elf", images, t.content);
    t.built = !access(t.image, R_OK);
    if (!t.built && (code = begin_build(&t, e))) {
        build_tree_leave(&t);
        return code;
    }
    *out = t;
    return ERR_OK;
}

/* The one that was not used for the longest time goes. */
static void drop_oldest(const char *image)
{
    char folder[PATH_MAX], path[PATH_MAX + NAME_MAX + 2], oldest[sizeof(path)] = "";
    struct timespec least = {0};
    int count = 0;
    snprintf(folder, sizeof(folder), "%s", image);
    *strrchr(folder, '/') = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        struct stat st;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (lstat(path, &st) || !S_ISREG(st.st_mode))
            continue;
        count++;
        if (!*oldest || st.st_mtim.tv_sec < least.tv_sec) {
            least = st.st_mtim;
            memcpy(oldest, path, strlen(path) + 1);
        }
    }
    if (dir)
        closedir(dir);
    if (count > BUILD_IMAGES_KEPT)
        unlink(oldest);
}

enum err_code build_tree_keep(const struct build_tree *t, const char *elf, struct err *e)
{
    enum err_code code = build_copy(elf, t->image, e);
    if (!code)
        drop_oldest(t->image);
    return code;
}

void build_tree_leave(struct build_tree *t)
{
    if (t->slot_fd >= 0)
        close(t->slot_fd);
    if (t->lock_fd >= 0) {
        flock(t->lock_fd, LOCK_UN); /* whoever inherited it */
        close(t->lock_fd);
    }
    t->lock_fd = t->slot_fd = -1;
}
