#include "worker/io/uv_serial.h"

#include "worker/io/tty_raw.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { WRITE_MAX = 4096, READ_BYTES = 64 << 10, READS_PER_TURN = 4 };

struct uv_serial {
    uv_poll_t poll;
    int fd;
    struct uv_serial_listener listener;
    bool closing, lost;
    size_t waiting;
    uint8_t out[WRITE_MAX];
};

static enum err_code open_port(const char *path, unsigned baud, int *out_fd, struct err *e)
{
    int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == EBUSY)
        return err_set(e, LOCKED, "%s is in use by another program", path);
    if (fd < 0)
        return err_set(e, IO, "cannot open %s: %s", path, strerror(errno));
    enum err_code code = ERR_OK;
    if (!isatty(fd))
        code = err_set(e, IO, "%s is not a serial port", path);
    else if (flock(fd, LOCK_EX | LOCK_NB))
        code = err_set(e, LOCKED, "%s is in use by another program", path);
    else if (ioctl(fd, TIOCEXCL) || tty_make_raw(fd, baud))
        code = err_set(e, IO, "cannot set up %s: %s", path, strerror(errno));
    if (code) {
        close(fd);
        return code;
    }
    *out_fd = fd;
    return ERR_OK;
}

static void lose(struct uv_serial *s, const char *why)
{
    if (s->closing || s->lost)
        return;
    s->lost = true;
    uv_poll_stop(&s->poll);
    s->listener.gone(s->listener.ctx, why);
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void watch(struct uv_serial *s)
{
    int events = UV_READABLE | UV_DISCONNECT | (s->waiting ? UV_WRITABLE : 0);
    if (!s->closing && !s->lost)
        uv_poll_start(&s->poll, events, on_poll);
}

static void flush(struct uv_serial *s)
{
    ssize_t n = s->waiting ? write(s->fd, s->out, s->waiting) : 0;
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        lose(s, strerror(errno));
        return;
    }
    if (n > 0) {
        s->waiting -= (size_t)n;
        memmove(s->out, s->out + n, s->waiting);
    }
    watch(s);
}

static void take(struct uv_serial *s)
{
    static _Thread_local uint8_t bytes[READ_BYTES];
    for (int i = 0; i < READS_PER_TURN && !s->closing && !s->lost; i++) {
        ssize_t n = read(s->fd, bytes, sizeof(bytes));
        if (n > 0)
            s->listener.bytes(s->listener.ctx, bytes, (size_t)n);
        else if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        else
            lose(s, n ? strerror(errno) : "hang-up");
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct uv_serial *s = poll->data;
    if (status < 0) {
        take(s); /* what came before the hang-up still counts */
        lose(s, uv_strerror(status));
        return;
    }
    if (events & (UV_READABLE | UV_DISCONNECT))
        take(s);
    if (!s->closing && !s->lost && (events & UV_WRITABLE))
        flush(s);
}

enum err_code uv_serial_open(uv_loop_t *loop, const char *path, unsigned baud,
                             struct uv_serial_listener listener, struct uv_serial **out,
                             struct err *e)
{
    int fd = -1;
    enum err_code code = open_port(path, baud, &fd, e);
    if (code)
        return code;
    struct uv_serial *s = calloc(1, sizeof(*s));
    int rc = s ? uv_poll_init(loop, &s->poll, fd) : UV_ENOMEM;
    if (rc) {
        free(s);
        close(fd);
        return err_set(e, IO, "cannot watch %s: %s", path, uv_strerror(rc));
    }
    s->fd = fd;
    s->listener = listener;
    s->poll.data = s;
    watch(s);
    *out = s;
    return ERR_OK;
}

enum err_code uv_serial_write(struct uv_serial *s, const void *bytes, size_t len, struct err *e)
{
    if (s->lost)
        return err_set(e, IO, "the port went away");
    if (len > WRITE_MAX - s->waiting)
        return err_set(e, TOO_LARGE, "the device does not take what it is sent (%zu bytes wait)",
                       s->waiting);
    memcpy(s->out + s->waiting, bytes, len);
    s->waiting += len;
    flush(s);
    return ERR_OK;
}

static void on_closed(uv_handle_t *handle)
{
    struct uv_serial *s = handle->data;
    close(s->fd);
    free(s);
}

void uv_serial_close(struct uv_serial *s)
{
    if (!s || s->closing)
        return;
    s->closing = true;
    uv_poll_stop(&s->poll);
    ioctl(s->fd, TIOCNXCL); /* free at once: the next step may open it in this loop round */
    flock(s->fd, LOCK_UN);
    uv_close((uv_handle_t *)&s->poll, on_closed);
}
