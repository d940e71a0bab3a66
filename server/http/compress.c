#include "server/http/compress.h"

#include <libdeflate.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "server/http/reply.h"

enum { COMPRESS_FROM_BYTES = 500, LEVEL = 1 };

static bool is_encoded(const struct reply *r)
{
    for (size_t i = 0; i < r->header_count; i++)
        if (strcmp(r->headers[i].name, "Content-Encoding") == 0)
            return true;
    return false;
}

static pthread_key_t key;

static void free_compressor(void *compressor)
{
    libdeflate_free_compressor(compressor);
}

static void make_key(void)
{
    if (pthread_key_create(&key, free_compressor))
        abort();
}

/* One for each thread, freed when it ends. */
static struct libdeflate_compressor *thread_compressor(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_key);
    struct libdeflate_compressor *compressor = pthread_getspecific(key);

    if (!compressor && (compressor = libdeflate_alloc_compressor(LEVEL)) &&
        pthread_setspecific(key, compressor)) {
        libdeflate_free_compressor(compressor);
        compressor = NULL;
    }
    return compressor;
}

void compress_reply(struct request *rq)
{
    struct libdeflate_compressor *compressor = thread_compressor();
    struct buf *body = &rq->reply.body;

    if (body->len < COMPRESS_FROM_BYTES || is_encoded(&rq->reply))
        return;
    if (!compressor)
        return;
    size_t room = libdeflate_gzip_compress_bound(compressor, body->len);
    char *packed = malloc(room);
    size_t len =
        packed ? libdeflate_gzip_compress(compressor, body->bytes, body->len, packed, room) : 0;
    if (!len) {
        free(packed);
        return;
    }
    buf_free(body);
    *body = (struct buf){.bytes = packed, .len = len, .cap = room, .max_bytes = body->max_bytes};
    reply_header(rq, "Content-Encoding", "gzip");
    reply_header(rq, "Vary", "Accept-Encoding");
}
