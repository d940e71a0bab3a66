#include "server/reset.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/http/loop_calls.h"
#include "server/http/websocket.h"
#include "server/store/block_types.h"
#include "server/store/reset.h"
#include "shared/base/log.h"

/* A name of so many lower-case hexadecimal digits. */
static bool is_hex(const char *name, size_t digits)
{
    return strlen(name) == digits && strspn(name, "0123456789abcdef") == digits;
}

/* Only what the file store made itself, FOLDER/ab/abcd...: anything else is somebody's and stays.
 */
static void remove_contents(int folder)
{
    DIR *d = fdopendir(folder);
    struct dirent *entry;

    while (d && (entry = readdir(d))) {
        int inner = is_hex(entry->d_name, 2)
                        ? openat(folder, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
                        : -1;
        if (inner >= 0)
            remove_contents(inner);
        else if (is_hex(entry->d_name, 64) && unlinkat(folder, entry->d_name, 0))
            log_warn("file not removed", KV_S("name", entry->d_name));
    }
    if (d)
        closedir(d);
    else
        close(folder);
}

enum err_code reset_database(struct work *w, const char *files, struct err *e)
{
    enum err_code rc = reset_tables(w);

    if (!rc && settings_bool(&w->server->config.settings, SETTING_SERVER_REGISTER_BLOCKS_ON_START))
        rc = block_types_install_system(w);
    *e = w->err;
    int folder = !rc && files ? open(files, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (folder >= 0)
        remove_contents(folder);
    return rc;
}

struct sockets_end {
    struct loop_call call;
    struct server *server;
};

static void end_sockets(struct loop_call *call)
{
    struct sockets_end *end = (struct sockets_end *)call;

    websockets_close_all(end->server, 1012, "the database was reset");
    free(end);
}

void reset_heard(struct server *server, const char *rest)
{
    struct sockets_end *end = rest ? calloc(1, sizeof(*end)) : NULL;

    if (!end)
        return;
    log_warn("database was reset", KV_S("sockets", "closed"));
    end->call.run = end_sockets;
    end->server = server;
    loop_call(server->loop_calls, &end->call);
}
