/* What it costs to follow N meters at 100 kS/s in one agent: meters SECONDS [N].
 *
 * A child plays the meters on ptys: it acknowledges every command and sends time-stamped blocks on
 * the clock, every 2 ms.  This process follows them twice: with driver and recorder, as the agent
 * does, and with a bare read().  Printed are the CPU seconds (user + system) of both. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "worker/lab/recorder.h"

enum { METERS_MAX = 16, RATE_HZ = 100000, BLOCK_BYTES = 2000 + 9, TICK_NS = 2000000 };

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static double cpu_s(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/* ---- the child: meters ---- */

struct source {
    int fd;
    bool streaming;
    uint64_t began_ns, sent; /* bytes since then */
    char line[128];
    size_t len;
};

static void say(struct source *s, const char *text)
{
    if (write(s->fd, text, strlen(text)) < 0)
        s->streaming = false;
}

static void take_line(struct source *s)
{
    char answer[200];
    s->line[s->len] = 0;
    s->len = 0;
    if (!*s->line)
        return;
    bool stop = !strcmp(s->line, "stop");
    snprintf(answer, sizeof(answer), "ack %s\r\n\r\n",
             strcmp(s->line, "powershield") ? s->line : "STLINK-V3PWR 0001");
    if (stop && s->streaming && write(s->fd, "\xF0\xF4\xFF\xFF", 4) < 0)
        return;
    if (!stop)
        say(s, answer);
    s->streaming = !strcmp(s->line, "start");
    s->began_ns = now_ns();
    s->sent = 0;
    if (s->streaming && write(s->fd, "\xF0\xF3\0\0\0\0\0\xFF\xFF", 9) < 0)
        s->streaming = false;
}

static void listen_to(struct source *s)
{
    char bytes[256];
    ssize_t n = read(s->fd, bytes, sizeof(bytes));
    for (ssize_t i = 0; i < n; i++)
        if (bytes[i] == '\n' || bytes[i] == '\r')
            take_line(s);
        else if (s->len < sizeof(s->line) - 1)
            s->line[s->len++] = bytes[i];
}

/* Samples of noise around 22 mA; the stamp of the block closes it. */
static void fill_block(uint8_t *block, uint64_t index)
{
    uint32_t ms = (uint32_t)((index + 1) * 10);
    const uint8_t stamp[9] = {
        0xF0, 0xF3, (uint8_t)(ms >> 24), (uint8_t)(ms >> 16), (uint8_t)(ms >> 8), (uint8_t)ms, 1,
        0xFF, 0xFF};
    for (size_t k = 0; k < 1000; k++) {
        uint16_t raw = (uint16_t)(0x4500 + (k * 7919 + index * 31) % 200);
        block[2 * k] = (uint8_t)(raw >> 8);
        block[2 * k + 1] = (uint8_t)raw;
    }
    memcpy(block + 2000, stamp, sizeof(stamp));
}

static void feed(struct source *s, uint64_t now)
{
    uint64_t samples = (now - s->began_ns) * RATE_HZ / 1000000000u;
    uint64_t due = samples / 1000 * BLOCK_BYTES + samples % 1000 * 2;
    while (s->streaming && s->sent < due) {
        uint8_t block[BLOCK_BYTES];
        uint64_t index = s->sent / BLOCK_BYTES, at = s->sent % BLOCK_BYTES;
        fill_block(block, index);
        uint64_t left = BLOCK_BYTES - at < due - s->sent ? BLOCK_BYTES - at : due - s->sent;
        ssize_t n = write(s->fd, block + at, left);
        if (n <= 0)
            return; /* the reader is late; a real meter has a buffer, too */
        s->sent += (uint64_t)n;
    }
}

_Noreturn static void play(int *fds, size_t count)
{
    struct source sources[METERS_MAX] = {0};
    struct pollfd polls[METERS_MAX];
    for (size_t i = 0; i < count; i++) {
        sources[i].fd = fds[i];
        fcntl(fds[i], F_SETFL, O_NONBLOCK);
        polls[i] = (struct pollfd){fds[i], POLLIN, 0};
    }
    for (uint64_t next = now_ns();; next += TICK_NS) {
        uint64_t now = now_ns();
        struct timespec wait = {0, next > now ? (long)(next - now) : 0};
        nanosleep(&wait, NULL);
        poll(polls, count, 0);
        for (size_t i = 0; i < count; i++) {
            if (polls[i].revents & POLLIN)
                listen_to(&sources[i]);
            feed(&sources[i], now_ns());
        }
    }
}

/* ---- the agent's way ---- */

struct follower {
    struct meter *meter;
    struct recorder recorder;
    struct meter_config config;
    struct fleet *fleet;
    bool powered, over;
};

struct fleet {
    uv_loop_t loop;
    uv_timer_t timer;
    struct follower followers[METERS_MAX];
    size_t count, started, over;
    double seconds, cpu_s;
    char failure[300];
};

static void on_time(uv_timer_t *timer)
{
    struct fleet *f = timer->data;
    f->cpu_s = cpu_s() - f->cpu_s;
    for (size_t i = 0; i < f->count; i++)
        v3pwr_meter.stop(f->followers[i].meter);
}

static void on_ready(struct follower *w)
{
    if (!w->powered) {
        w->powered = true;
        recorder_init(&w->recorder, v3pwr_meter.info(w->meter), &w->config, 0);
        v3pwr_meter.power(w->meter, true);
    } else if (!w->over && !trace_count(&w->recorder.trace))
        v3pwr_meter.start(w->meter);
    else {
        w->over = true;
        v3pwr_meter.close(w->meter);
        if (++w->fleet->over == w->fleet->count)
            uv_close((uv_handle_t *)&w->fleet->timer, NULL);
    }
}

static void on_news(void *ctx, const struct meter_news *news)
{
    struct follower *w = ctx;
    struct fleet *f = w->fleet;
    if (news->kind == METER_FAILED) {
        fprintf(stderr, "meters: %s\n", news->err->detail);
        exit(1);
    }
    if (news->kind == METER_READY)
        on_ready(w);
    else if (news->kind == METER_STREAMING && ++f->started == f->count) {
        f->cpu_s = cpu_s(); /* all run: from here on it is measured */
        uv_timer_start(&f->timer, on_time, (uint64_t)(f->seconds * 1000), 0);
    } else
        recorder_take(&w->recorder, news);
}

static double follow(char (*ports)[64], size_t count, double seconds, uint64_t *out_samples,
                     uint64_t *out_lost)
{
    static struct fleet f;
    f = (struct fleet){.count = count, .seconds = seconds};
    uv_loop_init(&f.loop);
    uv_timer_init(&f.loop, &f.timer);
    f.timer.data = &f;
    for (size_t i = 0; i < count; i++) {
        struct follower *w = &f.followers[i];
        struct err e = {0};
        *w = (struct follower){.fleet = &f};
        w->config = (struct meter_config){.port = ports[i], .volts_v = 3.3, .rate_hz = RATE_HZ};
        if (v3pwr_meter.open(&f.loop, &w->config, (struct meter_listener){w, on_news}, &w->meter,
                             &e)) {
            fprintf(stderr, "meters: %s\n", e.detail);
            exit(1);
        }
    }
    uv_run(&f.loop, UV_RUN_DEFAULT);
    uv_loop_close(&f.loop);
    *out_samples = *out_lost = 0;
    for (size_t i = 0; i < count; i++) {
        *out_samples += trace_count(&f.followers[i].recorder.trace);
        *out_lost += f.followers[i].recorder.trace.lost;
        recorder_free(&f.followers[i].recorder);
    }
    return f.cpu_s;
}

/* ---- the bare way ---- */

static double bare(char (*ports)[64], size_t count, double seconds, uint64_t *out_bytes)
{
    static char bytes[64 << 10];
    struct pollfd polls[METERS_MAX];
    for (size_t i = 0; i < count; i++) {
        polls[i] = (struct pollfd){open(ports[i], O_RDWR | O_NOCTTY | O_NONBLOCK), POLLIN, 0};
        if (write(polls[i].fd, "start\r\n", 7) != 7)
            exit(1);
    }
    double began_s = cpu_s();
    uint64_t end = now_ns() + (uint64_t)(seconds * 1e9);
    *out_bytes = 0;
    while (now_ns() < end) {
        poll(polls, count, 100);
        for (size_t i = 0; i < count; i++) {
            ssize_t n = polls[i].revents & POLLIN ? read(polls[i].fd, bytes, sizeof(bytes)) : 0;
            *out_bytes += n > 0 ? (uint64_t)n : 0;
        }
    }
    double used_s = cpu_s() - began_s;
    for (size_t i = 0; i < count; i++) {
        if (write(polls[i].fd, "stop\r\n", 6) != 6)
            exit(1);
        close(polls[i].fd);
    }
    return used_s;
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 5;
    size_t count = argc > 2 ? (size_t)atoi(argv[2]) : 8;
    int masters[METERS_MAX], slaves[METERS_MAX];
    char ports[METERS_MAX][64];
    if (!(seconds > 0) || count < 1 || count > METERS_MAX)
        return 2;
    for (size_t i = 0; i < count; i++) {
        struct termios raw;
        if (openpty(&masters[i], &slaves[i], ports[i], NULL, NULL))
            return 1;
        tcgetattr(slaves[i], &raw);
        cfmakeraw(&raw);
        tcsetattr(slaves[i], TCSANOW, &raw);
    }
    pid_t child = fork();
    if (!child)
        play(masters, count);
    uint64_t bytes, samples, lost;
    double bare_s = bare(ports, count, seconds, &bytes);
    double agent_s = follow(ports, count, seconds, &samples, &lost);
    printf(
        "%zu meters at 100 kS/s, %g s: driver and recorder %.3f s of CPU, %.2f %% of a core each, "
        "%llu samples, %llu lost\n"
        "the same streams by bare read(): %.3f s of CPU (%.1f MB): ratio %.2f\n",
        count, seconds, agent_s, 100 * agent_s / seconds / (double)count,
        (unsigned long long)samples, (unsigned long long)lost, bare_s, (double)bytes / 1e6,
        agent_s / bare_s);
    kill(child, SIGTERM);
    waitpid(child, NULL, 0);
    bool enough = (double)samples > 0.98 * seconds * RATE_HZ * (double)count;
    return lost || !enough || agent_s / seconds / (double)count > 0.03;
}
