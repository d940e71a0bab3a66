/* The work folder of a run: <data>/runs/<flow run id>. */
#pragma once
#include <uv.h>

#include "shared/base/err.h"

/* An empty folder, with what an earlier attempt left there gone. */
MUST_CHECK enum err_code run_folder_make(const char *path, struct err *e);

/* With all its content.  Blocks. */
void run_folder_remove(const char *path);

/* The same on libuv's thread pool; nobody waits for it. */
void run_folder_remove_later(uv_loop_t *loop, const char *path);
