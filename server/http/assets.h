/* The files of web/, compressed, inside the program: the dashboard at `/`. */
#pragma once
#include "server/http/request.h"

struct asset {
    const char *path, *mime, *etag;
    const unsigned char *gz, *gz_end;
};

extern const struct asset assets[];
extern const size_t asset_count;

/* Answers GET of a file, 304 if the browser has it.  False: there is no such file. */
bool assets_reply(struct request *rq);

/* Appends the content of a file; false: there is none. */
bool assets_add(struct buf *b, const char *path);

/* For the file that tools/embed.sh writes. */
#define ASSET(n, file)                                                                             \
    __asm__(".section .rodata\n.balign 16\n"                                                       \
            "asset_" #n ": .incbin \"" file "\"\nasset_" #n "_end:\n.previous");                   \
    extern const unsigned char asset_##n[], asset_##n##_end[];
