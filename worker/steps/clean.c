/* clean: removes what a run no longer needs, as an `always:` task.  Only what lies below the run's
 * work folder. */
#include <errno.h>
#include <fts.h>
#include <string.h>
#include <unistd.h>

#include "worker/steps.h"

static const struct step_param params[] = {
    {"paths", FLOW_LIST, true, NULL, "files and folders below the run's work folder"},
};

static const struct step_output outputs[] = {
    {"bytes", FLOW_INTEGER, "how much was removed"},
};

struct clean {
    const char **paths;
    size_t count;
    int64_t bytes;
};

static enum err_code remove_tree(struct step_work *work, struct clean *c, const char *path)
{
    char *const roots[] = {(char *)(uintptr_t)path, NULL};
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    enum err_code code = ERR_OK;

    for (FTSENT *at; tree && !code && (at = fts_read(tree));) {
        int rc = 0;
        if (atomic_load(&work->cancelled))
            code = err_set(&work->err, CANCELLED, "cancelled while removing %s", path);
        else if (at->fts_info == FTS_DP)
            rc = rmdir(at->fts_accpath);
        else if (at->fts_info != FTS_D && at->fts_info != FTS_NS)
            rc = unlink(at->fts_accpath);
        if (rc && errno != ENOENT)
            code = err_set(&work->err, IO, "cannot remove %s: %s", at->fts_path, strerror(errno));
        else if (at->fts_info == FTS_F)
            c->bytes += at->fts_statp->st_size;
    }
    if (tree)
        fts_close(tree);
    return code;
}

static enum err_code remove_all(struct step_work *work)
{
    struct clean *c = work->arg;
    for (size_t i = 0; i < c->count; i++) {
        enum err_code code = remove_tree(work, c, c->paths[i]);
        if (code)
            return code;
    }
    return ERR_OK;
}

static void removed(struct step_call *call, enum err_code code)
{
    const struct clean *c = call->state;
    step_output(call, "bytes", json_integer(c->bytes));
    step_done(call, code);
}

/* Relative, and without a part that leads upwards. */
static bool stays_below(const char *path)
{
    if (!path || !path[0] || path[0] == '/')
        return false;
    for (const char *part = path; part; part = strchr(part, '/') ? strchr(part, '/') + 1 : NULL)
        if (!strncmp(part, "..", 2) && (part[2] == '/' || !part[2]))
            return false;
    return true;
}

static void start(struct step_call *call)
{
    const json_t *paths = json_object_get(call->with, "paths");
    struct clean *c = arena_new(call->arena, struct clean);

    call->state = c;
    c->paths = arena_array(call->arena, const char *, json_array_size(paths) + 1);
    for (size_t i = 0; i < json_array_size(paths); i++) {
        const char *path = json_string_value(json_array_get(paths, i));
        if (!stays_below(path)) {
            step_done(call, err_set(&call->err, INVALID,
                                    "`paths`: %.100s is not below the run's work folder",
                                    path ? path : "an entry that is no text"));
            return;
        }
        c->paths[c->count++] = step_path(call, path);
    }
    step_work(call, remove_all, removed, c);
}

const struct step clean_step = {
    .schema = {.name = "clean",
               .doc = "Removes files and folders of the run.",
               STEP_PARAMS(params),
               STEP_OUTPUTS(outputs)},
    .start = start,
};
