#include "worker/lab/console.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "worker/lab/usb.h"

struct console {
    struct uv_serial *serial;
    uv_timer_t rest;
    struct console_listener listener;
    int64_t origin_us, line_us; /* of the open line's first byte */
    size_t len;
    bool closing;
    char line[CONSOLE_LINE_BYTES];
};

static void end_line(struct console *c)
{
    size_t len = c->len;
    c->line[len] = 0;
    c->len = 0;
    uv_timer_stop(&c->rest);
    if (len)
        c->listener.line(c->listener.ctx, (double)(c->line_us - c->origin_us) / 1e6, c->line);
}

static void on_rest(uv_timer_t *timer)
{
    end_line(timer->data);
}

static void on_bytes(void *ctx, const uint8_t *bytes, size_t len)
{
    struct console *c = ctx;
    int64_t now_us = clock_monotonic_us();
    for (size_t i = 0; i < len && !c->closing; i++) {
        uint8_t byte = bytes[i];
        if (byte == '\n' || byte == '\r') {
            end_line(c);
            continue;
        }
        if (!byte)
            continue;
        if (!c->len)
            c->line_us = now_us;
        bool text = byte == '\t' || (byte >= ' ' && byte < 0x7F);
        c->line[c->len++] = (char)(text ? byte : '?');
        if (c->len == sizeof(c->line) - 1)
            end_line(c);
    }
    if (!c->closing && c->len)
        uv_timer_start(&c->rest, on_rest, CONSOLE_REST_MS, 0);
}

static void on_gone(void *ctx, const char *why)
{
    struct console *c = ctx;
    end_line(c);
    if (!c->closing)
        c->listener.gone(c->listener.ctx, why);
}

enum err_code console_open(uv_loop_t *loop, const char *port, unsigned baud,
                           struct console_listener listener, struct console **out, struct err *e)
{
    char path[USB_PATH_BYTES];
    enum err_code code = usb_resolve(port, path, e);
    if (code)
        return code;
    struct console *c = calloc(1, sizeof(*c));
    if (!c)
        return err_set(e, INTERNAL, "no memory for a console");
    c->listener = listener;
    code = uv_serial_open(loop, path, baud ? baud : CONSOLE_BAUD,
                          (struct uv_serial_listener){c, on_bytes, on_gone}, &c->serial, e);
    if (code) {
        free(c);
        return code;
    }
    uv_timer_init(loop, &c->rest);
    c->rest.data = c;
    c->origin_us = clock_monotonic_us();
    *out = c;
    return ERR_OK;
}

void console_restart(struct console *c)
{
    c->len = 0;
    uv_timer_stop(&c->rest);
    c->origin_us = clock_monotonic_us();
}

enum err_code console_write(struct console *c, const void *bytes, size_t len, struct err *e)
{
    return uv_serial_write(c->serial, bytes, len, e);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void console_close(struct console *c)
{
    if (!c || c->closing)
        return;
    c->closing = true;
    uv_serial_close(c->serial);
    uv_close((uv_handle_t *)&c->rest, on_closed);
}
