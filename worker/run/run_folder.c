#include "worker/run/run_folder.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { OPEN_FOLDERS_MAX = 16 };

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st, (void)where;
    if (type == FTW_DNR)
        chmod(path, 0700);
    remove(path);
    return 0;
}

void run_folder_remove(const char *path)
{
    nftw(path, remove_entry, OPEN_FOLDERS_MAX, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

enum err_code run_folder_make(const char *path, struct err *e)
{
    if (mkdir(path, 0700) == 0)
        return ERR_OK;
    if (errno == EEXIST) {
        run_folder_remove(path);
        if (mkdir(path, 0700) == 0)
            return ERR_OK;
    }
    return err_set(e, IO, "cannot make the work folder %s: %s", path, strerror(errno));
}

struct removal {
    uv_work_t work;
    char path[];
};

static void do_remove(uv_work_t *work)
{
    run_folder_remove(((struct removal *)work->data)->path);
}

static void on_removed(uv_work_t *work, int status)
{
    (void)status;
    free(work->data);
}

void run_folder_remove_later(uv_loop_t *loop, const char *path)
{
    struct removal *r = malloc(sizeof(*r) + strlen(path) + 1);
    if (!r)
        return; /* the next start of the agent removes it */
    memcpy(r->path, path, strlen(path) + 1);
    r->work.data = r;
    if (uv_queue_work(loop, &r->work, do_remove, on_removed))
        free(r);
}
