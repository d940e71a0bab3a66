#include "cli/cli.h"

#include "shared/base/clock.h"

#include <unistd.h>

enum { QUIET_US = 1000000, REDRAW_US = 100000 };

void progress(struct cli *cli, const char *what, size_t done, size_t total)
{
    int64_t now_us = clock_now_us();

    if (!cli->progress_from_us)
        cli->progress_from_us = now_us;
    if (now_us - cli->progress_from_us < QUIET_US || now_us - cli->progress_drawn_us < REDRAW_US ||
        !isatty(STDERR_FILENO))
        return;
    cli->progress_drawn_us = now_us;
    if (total)
        fprintf(stderr, "\r\033[K  %zu of %zu %s", done, total, what);
    else
        fprintf(stderr, "\r\033[K  %zu %s", done, what);
}

void progress_end(struct cli *cli)
{
    if (cli->progress_drawn_us)
        fputs("\r\033[K", stderr);
    cli->progress_from_us = cli->progress_drawn_us = 0;
}
