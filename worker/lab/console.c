#include "worker/lab/console.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/utf8.h"
#include "worker/lab/usb.h"

struct kept_line {
    struct kept_line *next;
    double at_s;
    char text[];
};

struct console {
    struct uv_serial *serial;
    uv_timer_t rest;
    struct console_listener listener; /* of a kept one: its own */
    int64_t origin_us, line_us;       /* of the open line's first byte */
    size_t len;
    bool closing;
    char *port;
    unsigned baud;
    struct console *next; /* on the shelf */
    struct kept_line *kept, **kept_tail;
    size_t kept_count, forgotten;
    char lost[100]; /* why the port of a kept one is gone */
    char line[CONSOLE_LINE_BYTES];
};

static void give(struct console *c, bool whole)
{
    char text[CONSOLE_LINE_BYTES];
    memcpy(text, c->line, c->len);
    text[c->len] = 0;
    text_clean(text);
    double at_s = (double)(c->line_us - c->origin_us) / 1e6;
    if (whole)
        c->len = 0;
    uv_timer_stop(&c->rest);
    if (*text)
        c->listener.line(c->listener.ctx, at_s, text, whole);
}

static void on_rest(uv_timer_t *timer)
{
    give(timer->data, false);
}

static void take_byte(struct console *c, uint8_t byte, int64_t now_us)
{
    if (byte == '\n' || byte == '\r') {
        give(c, true);
        return;
    }
    if (!byte)
        return;
    if (!c->len)
        c->line_us = now_us;
    c->line[c->len++] = (char)byte;
    if (c->len == sizeof(c->line) - 1)
        give(c, true);
}

static void on_bytes(void *ctx, const uint8_t *bytes, size_t len)
{
    struct console *c = ctx;
    int64_t now_us = clock_monotonic_us();
    for (size_t i = 0; i < len && !c->closing; i++)
        take_byte(c, bytes[i], now_us);
    if (!c->closing && c->len)
        uv_timer_start(&c->rest, on_rest, CONSOLE_REST_MS, 0);
}

static void on_gone(void *ctx, const char *why)
{
    struct console *c = ctx;
    give(c, true);
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
    if (!c || !(c->port = strdup(port))) {
        free(c);
        return err_set(e, INTERNAL, "no memory for a console");
    }
    c->listener = listener;
    c->baud = baud ? baud : CONSOLE_BAUD;
    c->kept_tail = &c->kept;
    code = uv_serial_open(loop, path, c->baud, (struct uv_serial_listener){c, on_bytes, on_gone},
                          &c->serial, e);
    if (code) {
        free(c->port);
        free(c);
        return code;
    }
    uv_timer_init(loop, &c->rest);
    c->rest.data = c;
    c->origin_us = clock_monotonic_us();
    *out = c;
    return ERR_OK;
}

static struct kept_line *pop(struct console *c)
{
    struct kept_line *line = c->kept;
    if (!line)
        return NULL;
    c->kept = line->next;
    if (!c->kept)
        c->kept_tail = &c->kept;
    c->kept_count--;
    return line;
}

static void forget_all(struct console *c)
{
    for (struct kept_line *line; (line = pop(c));)
        free(line);
    c->forgotten = 0;
}

void console_restart(struct console *c)
{
    forget_all(c);
    c->len = 0;
    uv_timer_stop(&c->rest);
    c->origin_us = clock_monotonic_us();
}

void console_take_rest(struct console *c)
{
    c->len = 0;
}

enum err_code console_write(struct console *c, const void *bytes, size_t len, struct err *e)
{
    return uv_serial_write(c->serial, bytes, len, e);
}

static void on_closed(uv_handle_t *handle)
{
    struct console *c = handle->data;
    free(c->port);
    free(c);
}

void console_close(struct console *c)
{
    if (!c || c->closing)
        return;
    c->closing = true;
    forget_all(c);
    uv_serial_close(c->serial);
    uv_close((uv_handle_t *)&c->rest, on_closed);
}

/* ---- between two steps ---- */

static void on_kept_line(void *ctx, double at_s, const char *text, bool whole)
{
    struct console *c = ctx;
    if (!whole)
        return;
    struct kept_line *line = malloc(sizeof(*line) + strlen(text) + 1);
    if (!line)
        abort();
    line->next = NULL;
    line->at_s = at_s;
    memcpy(line->text, text, strlen(text) + 1);
    *c->kept_tail = line;
    c->kept_tail = &line->next;
    if (++c->kept_count > CONSOLE_KEPT_LINES) {
        free(pop(c));
        c->forgotten++;
    }
}

static void on_kept_gone(void *ctx, const char *why)
{
    struct console *c = ctx;
    snprintf(c->lost, sizeof(c->lost), "%s", why);
}

void console_keep(struct console *c, struct console_shelf *shelf)
{
    if (!c || c->closing)
        return;
    if (!shelf) {
        console_close(c);
        return;
    }
    c->listener = (struct console_listener){c, on_kept_line, on_kept_gone};
    c->next = shelf->first;
    shelf->first = c;
}

struct console *console_resume(struct console_shelf *shelf, const char *port, unsigned baud,
                               struct console_listener listener)
{
    for (struct console **at = shelf ? &shelf->first : NULL, *c; at && (c = *at); at = &c->next) {
        if (strcmp(c->port, port) != 0)
            continue;
        *at = c->next;
        if (c->baud == (baud ? baud : CONSOLE_BAUD)) {
            c->listener = listener;
            return c;
        }
        console_close(c);
        return NULL;
    }
    return NULL;
}

void console_replay(struct console *c)
{
    const struct console_listener listener = c->listener;
    char note[80];
    if (c->forgotten) {
        snprintf(note, sizeof(note), "(%zu lines were heard between two steps and not kept)",
                 c->forgotten);
        c->forgotten = 0;
        listener.line(listener.ctx, (double)(clock_monotonic_us() - c->origin_us) / 1e6, note,
                      true);
    }
    while (!c->closing && c->listener.ctx == listener.ctx && c->kept) {
        struct kept_line *line = pop(c);
        listener.line(listener.ctx, line->at_s, line->text, true);
        free(line);
    }
    if (c->closing || c->listener.ctx != listener.ctx)
        return;
    if (c->len)
        uv_timer_start(&c->rest, on_rest, CONSOLE_REST_MS, 0);
    if (c->lost[0])
        listener.gone(listener.ctx, c->lost);
}

void console_drop(struct console_shelf *shelf, const char *port,
                  void (*tell)(void *ctx, double at_s, const char *text), void *ctx)
{
    for (struct console **at = shelf ? &shelf->first : NULL; at && *at;) {
        struct console *c = *at;
        if (port && strcmp(c->port, port) != 0) {
            at = &c->next;
            continue;
        }
        *at = c->next;
        for (struct kept_line *line; (line = pop(c)); free(line))
            tell(ctx, line->at_s, line->text);
        console_close(c);
    }
}
