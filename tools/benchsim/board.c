#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim.h"

static const double bit_s = 1.0 / 115200;

bool board_open(struct sim *s)
{
    struct board *b = &s->board;
    char link[PATH_MAX_BYTES + 8];
    snprintf(link, sizeof(link), "%s/uart", s->dir);
    snprintf(b->image, sizeof(b->image), "%.490s/flash.elf", s->dir);
    b->qemu_fd = -1;
    b->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (b->inotify_fd < 0 ||
        inotify_add_watch(b->inotify_fd, s->dir, IN_MOVED_TO | IN_CLOSE_WRITE) < 0)
        return false;
    return pty_open(&b->uart_fd, &b->uart_slave, link);
}

static void set_state(struct sim *s, enum board_state state, uint64_t at_ns)
{
    stream_advance(s, at_ns); /* samples up to then belong to the old state */
    s->board.state = state;
    s->board.since_ns = at_ns;
}

static void run_qemu(struct board *b, int fd)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(fd, STDIN_FILENO);
    dup2(fd, STDOUT_FILENO);
    int null = open("/dev/null", O_WRONLY);
    if (null >= 0)
        dup2(null, STDERR_FILENO);
    /* 64 or 128 ns per instruction: much slower than even a busy host emulates, see hold() */
    const char *pace = strstr(b->machine, "plus") ? "shift=6" : "shift=7";
    execlp("qemu-system-arm", "qemu-system-arm", "-M", b->machine, "-kernel", b->image, "-icount",
           pace, "-display", "none", "-monitor", "none", "-chardev", "stdio,id=uart,signal=off",
           "-serial", "chardev:uart", (char *)NULL);
    _exit(127);
}

static void stop_qemu(struct board *b)
{
    if (b->qemu > 0) {
        kill(b->qemu, SIGKILL);
        waitpid(b->qemu, NULL, 0);
    }
    if (b->qemu_fd >= 0)
        close(b->qemu_fd);
    b->qemu = 0;
    b->qemu_fd = -1;
    b->line_len = b->line_sent = 0;
    b->release_at_ns = 0;
}

static void start_qemu(struct sim *s)
{
    struct board *b = &s->board;
    int pair[2];
    if (access(b->image, R_OK) || fault_for_command(s, "no-boot", "boot") ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        return;
    b->qemu = fork();
    if (b->qemu == 0)
        run_qemu(b, pair[1]);
    close(pair[1]);
    b->qemu_fd = pair[0];
    fcntl(b->qemu_fd, F_SETFL, O_NONBLOCK);
}

void board_power(struct sim *s, bool on)
{
    struct board *b = &s->board;
    if (!b->present || b->powered == on)
        return;
    b->powered = on;
    stop_qemu(b);
    set_state(s, on ? BOARD_BOOTING : BOARD_OFF, now_ns());
    if (on)
        start_qemu(s);
}

void board_brown_out(struct sim *s, uint64_t dark_ns)
{
    if (!s->board.powered)
        return;
    board_power(s, false);
    s->board.reboot_at_ns = now_ns() + dark_ns;
}

static double model_active_a(const char *machine, const char *banner)
{
    const char *model = strstr(banner, "model=");
    uint32_t hash = 2166136261u;
    for (const char *p = model ? model : ""; *p && *p != ' '; p++)
        hash = (hash ^ (uint8_t)*p) * 16777619u;
    double base_a = strstr(machine, "plus") ? 0.022 : 0.0165;
    return base_a * (0.9 + 0.2 * (hash % 1000) / 1000.0);
}

static void open_window(struct sim *s, const char *line)
{
    struct truth_run *run = truth_run(s);
    const char *n = strstr(line, "n=");
    set_state(s, BOARD_INFERRING, now_ns());
    meter_edge(s, now_ns());
    s->board.window_n = n ? atol(n + 2) : 0;
    if (run && s->meter.mode == METER_RUNNING && run->window_count < WINDOWS_MAX)
        run->windows[run->window_count++] =
            (struct truth_window){s->meter.samples, 0, s->board.window_n, 0, 0};
}

static void close_window(struct sim *s, uint64_t at_ns)
{
    struct truth_run *run = truth_run(s);
    set_state(s, BOARD_IDLE, at_ns);
    if (run && run->window_count && !run->windows[run->window_count - 1].end)
        run->windows[run->window_count - 1].end = s->meter.samples;
}

static void take_mark(struct sim *s, const char *line)
{
    if (!strncmp(line, "SY-BOOT", 7)) {
        s->board.active_a = model_active_a(s->board.machine, line);
        set_state(s, BOARD_IDLE, now_ns());
    } else if (!strncmp(line, "SY-START", 8))
        open_window(s, line);
    else if (!strncmp(line, "SY-END", 6))
        close_window(s, now_ns());
}

static void to_uart(struct sim *s, const char *bytes, size_t len)
{
    s->board.uart_until_ns = now_ns() + (uint64_t)((double)len * 10 * bit_s * 1e9);
    if (write(s->board.uart_fd, bytes, len) < (ssize_t)len)
        return; /* nobody reads the UART: a real one loses bytes too */
}

/* QEMU counts instructions (-icount), so the firmware's own time does not depend on this machine,
 * but it runs ahead of the wall clock.  The end mark waits until the time that it tells is over,
 * and the board draws its current until then. */
static bool hold(struct sim *s, const char *line)
{
    struct board *b = &s->board;
    const char *us = strstr(line, " us=");
    if (b->state != BOARD_INFERRING || strncmp(line, "SY-END", 6) != 0 || !us)
        return false;
    b->release_at_ns = b->since_ns + strtoull(us + 4, NULL, 10) * 1000;
    snprintf(b->held, sizeof(b->held), "%.250s\r\n", line);
    return true;
}

void board_release(struct sim *s)
{
    uint64_t at_ns = s->board.release_at_ns;
    s->board.release_at_ns = 0;
    close_window(s, at_ns);
    to_uart(s, s->board.held, strlen(s->board.held));
}

void board_from_qemu(struct sim *s)
{
    struct board *b = &s->board;
    char bytes[4096];
    ssize_t n = read(b->qemu_fd, bytes, sizeof(bytes));
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        stop_qemu(b);
        return;
    }
    for (ssize_t i = 0; i < n; i++) {
        if (bytes[i] != '\n' && bytes[i] != '\r' && b->line_len < sizeof(b->line) - 3)
            b->line[b->line_len++] = bytes[i];
        if (bytes[i] != '\n')
            continue;
        b->line[b->line_len] = 0;
        if (b->line_sent || !hold(s, b->line)) {
            take_mark(s, b->line);
            memcpy(b->line + b->line_len, "\r\n", 2);
            to_uart(s, b->line + b->line_sent, b->line_len + 2 - b->line_sent);
        }
        b->line_len = b->line_sent = 0;
    }
    if (b->line_len > b->line_sent &&
        strncmp(b->line, "SY-", b->line_len < 3 ? b->line_len : 3) != 0) {
        to_uart(s, b->line + b->line_sent, b->line_len - b->line_sent);
        b->line_sent = b->line_len; /* a prompt; marks go as whole lines */
    }
}

void board_from_uart(struct sim *s)
{
    char bytes[1024];
    ssize_t n = read(s->board.uart_fd, bytes, sizeof(bytes));
    if (n > 0 && s->board.qemu_fd >= 0 && write(s->board.qemu_fd, bytes, (size_t)n) < n)
        return;
}

void board_image_changed(struct sim *s)
{
    _Alignas(struct inotify_event) char events[4096];
    bool ours = false;
    for (ssize_t n; (n = read(s->board.inotify_fd, events, sizeof(events))) > 0;)
        for (char *p = events; p < events + n;) {
            struct inotify_event *event = (void *)p;
            ours |= event->len && !strcmp(event->name, "flash.elf");
            p += sizeof(*event) + event->len;
        }
    if (!ours || !s->board.powered)
        return;
    stop_qemu(&s->board);
    set_state(s, BOARD_BOOTING, now_ns());
    start_qemu(s);
}

void board_tick(struct sim *s)
{
    struct board *b = &s->board;
    if (b->release_at_ns && now_ns() >= b->release_at_ns)
        board_release(s);
    if (b->reboot_at_ns && now_ns() >= b->reboot_at_ns) {
        b->reboot_at_ns = 0;
        board_power(s, true);
    }
}

void board_close(struct sim *s)
{
    stop_qemu(&s->board);
}
