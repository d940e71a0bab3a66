/* Object trees that outlive a run: one per (tool, target, flags, compiler's version), so that
 * a new model is one compile and a link.
 *
 *   DATA/builds/KEY/src       the sources; a file is written only when its content differs, so that
 *                           what did not change keeps its time and is not compiled again
 *   DATA/builds/KEY/out       objects and image        .../model.h  the header with the model
 *   DATA/builds/KEY/images    images by content: the same sources and model are built once
 *   DATA/builds/KEY/dirty     a build is under way, or was cut off: its objects are thrown away
 *   DATA/builds/KEY/lock      one build at a time;     DATA/builds/slot-N  bounds all of them
 *
 * Owns:   the locks, until build_tree_leave() or the end of the process.
 * Thread: all of it blocks: a step_work() thread.
 * Errors: IO names the file; CANCELLED; TOO_LARGE: more than BUILD_FILES_MAX files. */
#pragma once
#include <stdatomic.h>

#include "shared/base/arena.h"
#include "shared/base/err.h"
#include "shared/base/sha256.h"

enum { BUILD_ID_BYTES = 17 };
enum { BUILDS_AT_ONCE = 2, BUILD_FILES_MAX = 50000, BUILD_IMAGES_KEPT = 200 };

struct build_tree {
    const char *src, *out, *header, *dirty; /* absolute paths, made by build_tree_enter() */
    const char *image;                      /* where the image of this content is kept */
    char content[SHA256_TEXT_BYTES];        /* of sources and header */
    bool built;                             /* `image` is there */
    bool cut_off;                           /* the build before did not end by itself */
    char id[BUILD_ID_BYTES];                /* one word for this folder on this machine */
    int lock_fd, slot_fd; /* the tools inherit lock_fd: those of a killed agent keep their tree */
};

struct build_tree_wish {
    const char *data_dir, *key;  /* key: any text that tells trees apart */
    const char *source, *header; /* folder; header may be NULL */
    const char *salt;            /* what else makes the image: the build id */
};

MUST_CHECK enum err_code build_tree_enter(struct arena *a, const struct build_tree_wish *wish,
                                          const atomic_bool *cancelled, struct build_tree *out,
                                          struct err *e);
/* Of one that was cut off: it may have left half an object. */
MUST_CHECK enum err_code build_tree_empty(const struct build_tree *t, struct err *e);
/* The build ended by itself, well or not: its objects can be used again. */
void build_tree_settle(const struct build_tree *t);
/* Keeps the image that was built, and drops the oldest beyond BUILD_IMAGES_KEPT. */
MUST_CHECK enum err_code build_tree_keep(const struct build_tree *t, const char *elf,
                                         struct err *e);
void build_tree_leave(struct build_tree *t);
/* A file becomes `to` at once or not at all. */
MUST_CHECK enum err_code build_copy(const char *from, const char *to, struct err *e);
