/* A board's console: whole lines with the time at which their first byte came.
 *
 * It is opened before the supply comes on, so that nothing is missed; console_restart() is the
 * moment of power-on: time counts from there, and what was heard before is dropped.
 *
 * Owns:   the port and itself until console_close().  Bytes that are no text become `?`; a line is
 *         cut at CONSOLE_LINE_BYTES.  A rest without its end is handed over as a line after
 *         CONSOLE_REST_MS of silence: prompts have none.
 * Errors: as uv_serial_open(), usb_resolve().  Thread: the loop's. */
#pragma once
#include "worker/io/uv_serial.h"

enum { CONSOLE_LINE_BYTES = 1024, CONSOLE_BAUD = 115200, CONSOLE_REST_MS = 150 };

struct console;

struct console_listener {
    void *ctx;
    void (*line)(void *ctx, double at_s, const char *text);
    void (*gone)(void *ctx, const char *why);
};

MUST_CHECK enum err_code console_open(uv_loop_t *loop, const char *port, unsigned baud,
                                      struct console_listener listener, struct console **out,
                                      struct err *e);
void console_restart(struct console *c);
MUST_CHECK enum err_code console_write(struct console *c, const void *bytes, size_t len,
                                       struct err *e);
/* NULL is accepted.  No callback comes after this. */
void console_close(struct console *c);
