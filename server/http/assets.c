#include "server/http/assets.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

#include "server/http/reply.h"

enum { PLAIN_MAX_BYTES = 4 << 20 };

static const struct asset *find(const char *path)
{
    if (strcmp(path, "/") == 0)
        path = "/index.html";
    for (size_t i = 0; i < asset_count; i++)
        if (strcmp(assets[i].path, path) == 0)
            return &assets[i];
    return NULL;
}

/* The few clients that do not take gzip get it unpacked; the last four bytes say how large it is.
 */
static bool unpack(struct buf *b, const struct asset *a)
{
    const unsigned char *end = a->gz_end;
    size_t len =
        (size_t)end[-4] | (size_t)end[-3] << 8 | (size_t)end[-2] << 16 | (size_t)end[-1] << 24;
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    char *plain = len <= PLAIN_MAX_BYTES ? malloc(len + 1) : NULL;
    bool ok = d && plain &&
              libdeflate_gzip_decompress(d, a->gz, (size_t)(end - a->gz), plain, len, NULL) ==
                  LIBDEFLATE_SUCCESS;

    if (ok)
        buf_add(b, plain, len);
    free(plain);
    libdeflate_free_decompressor(d);
    return ok;
}

bool assets_add(struct buf *b, const char *path)
{
    const struct asset *a = find(path);
    return a && unpack(b, a);
}

bool assets_reply(struct request *rq)
{
    const struct asset *a = rq->method == GET ? find(rq->path) : NULL;
    const char *known = request_header(rq, "If-None-Match");

    if (!a)
        return false;
    reply_header(rq, "ETag", a->etag);
    reply_header(rq, "Cache-Control", "no-cache");
    reply_header(rq, "Content-Security-Policy",
                 "default-src 'self'; img-src 'self' data: blob:; style-src 'self' "
                 "'unsafe-inline'; frame-src 'self' blob:");
    reply_header(rq, "X-Content-Type-Options", "nosniff");
    rq->reply.content_type = a->mime;
    if (known && strcmp(known, a->etag) == 0) {
        rq->reply.status = 304;
        return true;
    }
    rq->reply.status = 200;
    if (rq->accepts_gzip) {
        reply_header(rq, "Content-Encoding", "gzip");
        buf_add(&rq->reply.body, a->gz, (size_t)(a->gz_end - a->gz));
        return true;
    }
    return unpack(&rq->reply.body, a);
}
