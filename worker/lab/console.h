/* A board's console: whole lines with the time at which their first byte came.
 *
 * It is opened before the supply comes on, so that nothing is missed; console_restart() is the
 * moment of power-on: time counts from there, and what was heard before is dropped.
 *
 * Between two steps of a run it stays open on the run's shelf and gathers lines, which the next
 * step hears first:
 *
 *   console_open() ──> heard by a step ──console_keep()──> gathers ──console_resume()──> heard ...
 *                             └──console_close()    └── console_drop(), the run is over
 *
 * Owns:   the port and itself until console_close().  Bytes that are no UTF-8 text become `?`; a
 *         line is cut at CONSOLE_LINE_BYTES; a shelf forgets the oldest lines beyond
 *         CONSOLE_KEPT_LINES and says so.
 * Errors: as uv_serial_open(), usb_resolve().  Thread: the loop's. */
#pragma once
#include "worker/io/uv_serial.h"

enum {
    CONSOLE_LINE_BYTES = 1024,
    CONSOLE_BAUD = 115200,
    CONSOLE_REST_MS = 150,
    CONSOLE_KEPT_LINES = 20000,
};

struct console;

struct console_listener {
    void *ctx;
    /* `whole`: its end has come.  Else it is what stands there after CONSOLE_REST_MS of silence, as
     * a prompt does; it comes again with what follows, unless console_take_rest() is called. */
    void (*line)(void *ctx, double at_s, const char *text, bool whole);
    void (*gone)(void *ctx, const char *why);
};

/* Those that a run keeps open between its steps. */
struct console_shelf {
    struct console *first;
};

MUST_CHECK enum err_code console_open(uv_loop_t *loop, const char *port, unsigned baud,
                                      struct console_listener listener, struct console **out,
                                      struct err *e);
void console_restart(struct console *c);
/* The line that has not ended yet was used: what follows is another one. */
void console_take_rest(struct console *c);
MUST_CHECK enum err_code console_write(struct console *c, const void *bytes, size_t len,
                                       struct err *e);
/* NULL is accepted.  No callback comes after this. */
void console_close(struct console *c);

/* No callback comes after this, either.  `shelf` NULL: closes it. */
void console_keep(struct console *c, struct console_shelf *shelf);
/* The one of this port, or NULL; console_replay() then tells what it has gathered. */
struct console *console_resume(struct console_shelf *shelf, const char *port, unsigned baud,
                               struct console_listener listener);
void console_replay(struct console *c);
/* Somebody else needs the port, or the run is over (`port` NULL: all of them); `tell` gets what was
 * gathered. */
void console_drop(struct console_shelf *shelf, const char *port,
                  void (*tell)(void *ctx, double at_s, const char *text), void *ctx);
