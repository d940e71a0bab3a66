#include "worker/report/html.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

void html_put(struct buf *b, const char *fmt, ...)
{
    char text[2048];
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (len < 0 || (size_t)len >= sizeof text)
        b->full =
            true; /* a caller that puts unbounded text here is a bug; html_text() is for that */
    else
        buf_add(b, text, (size_t)len);
}

void html_base64(struct buf *b, const struct buf *bytes)
{
    enum { PIECE = 3 * 1024 };
    unsigned char text[PIECE / 3 * 4 + 1];
    for (size_t at = 0; at < bytes->len; at += PIECE) {
        size_t left = bytes->len - at;
        int len = EVP_EncodeBlock(text, (const unsigned char *)bytes->bytes + at,
                                  (int)(left < PIECE ? left : PIECE));
        buf_add(b, text, (size_t)len);
    }
}
