/* A serial port on the loop: raw bytes, exclusive, any baud rate, also a pty.
 *
 * Owns:   the descriptor; uv_serial_close() frees the object when the loop lets go of its handle.
 * Errors: IO from open (missing, no permission), LOCKED (another program holds the port).  A port
 *         that vanishes later is reported once through `gone`; nothing follows.
 * Thread: the loop's. */
#pragma once
#include <uv.h>

#include "shared/base/err.h"

struct uv_serial;

struct uv_serial_listener {
    void *ctx;
    void (*bytes)(void *ctx, const uint8_t *bytes, size_t len);
    void (*gone)(void *ctx, const char *why);
};

MUST_CHECK enum err_code uv_serial_open(uv_loop_t *loop, const char *path, unsigned baud,
                                        struct uv_serial_listener listener, struct uv_serial **out,
                                        struct err *e);
/* Queued; TOO_LARGE when more than 4 KB wait for a device that does not read. */
MUST_CHECK enum err_code uv_serial_write(struct uv_serial *s, const void *bytes, size_t len,
                                         struct err *e);
/* NULL is accepted.  No callback comes after this. */
void uv_serial_close(struct uv_serial *s);
