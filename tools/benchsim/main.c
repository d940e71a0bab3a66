#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "sim.h"

static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
    (void)number;
    stopping = 1;
}

uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

bool pty_open(int *out_master, int *out_slave, const char *link)
{
    char name[128];
    struct termios raw;
    int master, slave;
    if (openpty(&master, &slave, name, NULL, NULL))
        return false;
    tcgetattr(slave, &raw);
    cfmakeraw(&raw);
    tcsetattr(slave, TCSANOW, &raw);
    fcntl(master, F_SETFL, O_NONBLOCK);
    fcntl(master, F_SETFD, FD_CLOEXEC);
    fcntl(slave, F_SETFD, FD_CLOEXEC);
    unlink(link);
    if (symlink(name, link)) {
        close(master);
        close(slave);
        return false;
    }
    *out_master = master;
    *out_slave = slave;
    return true;
}

static void usage(FILE *out)
{
    fprintf(
        out,
        "usage: switchyard-benchsim --dir DIR --machine netduinoplus2|netduino2\n"
        "         [--personality v3pwr|lpm01a-1.0.0|lpm01a-1.0.7] [--seed N]\n"
        "         [--fault NAME[=VALUE][@WHEN] ...] [--replay MLPERF_DIR] [--speed X] "
        "[--no-board]\n"
        "\n"
        "Makes DIR/meter and DIR/uart (serial ports) and DIR/truth.json; boots DIR/flash.elf in "
        "QEMU\n"
        "while the meter supplies the board.  WHEN is [ACQUISITION:]SECONDS, or a command's name.\n"
        "Faults:\n");
    fault_list(out);
}

static bool parse_personality(const char *text, enum personality *out)
{
    static const struct {
        const char *name;
        enum personality value;
    } names[] = {{"v3pwr", V3PWR}, {"lpm01a-1.0.0", LPM01A_100}, {"lpm01a-1.0.7", LPM01A_107}};
    for (size_t i = 0; i < COUNT(names); i++)
        if (!strcmp(text, names[i].name)) {
            *out = names[i].value;
            return true;
        }
    return false;
}

/* NULL, or what is wrong. */
static const char *parse(struct sim *s, int argc, char **argv)
{
    static const struct option longs[] = {
        {"dir", required_argument, NULL, 'd'},
        {"machine", required_argument, NULL, 'm'},
        {"personality", required_argument, NULL, 'p'},
        {"seed", required_argument, NULL, 's'},
        {"fault", required_argument, NULL, 'f'},
        {"replay", required_argument, NULL, 'r'},
        {"speed", required_argument, NULL, 'x'},
        {"no-board", no_argument, NULL, 'n'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    const char *wrong = NULL;
    for (int c; !wrong && (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        if (c == 'd')
            snprintf(s->dir, sizeof(s->dir), "%.480s", optarg);
        else if (c == 'm')
            s->board.machine = optarg;
        else if (c == 'p')
            wrong = parse_personality(optarg, &s->meter.personality) ? NULL : "no such personality";
        else if (c == 's')
            s->current.random = strtoull(optarg, NULL, 10) * 2654435761u + 88172645463325252u;
        else if (c == 'f')
            wrong = fault_parse(&s->faults, optarg);
        else if (c == 'r')
            wrong = current_load(&s->current, optarg) ? NULL : "cannot read the trace to replay";
        else if (c == 'x')
            s->speed = atof(optarg);
        else if (c == 'n')
            s->board.present = false;
        else
            wrong = c == 'h' ? "" : "wrong option";
    }
    if (!wrong && (!*s->dir || !s->board.machine || !(s->speed > 0)))
        wrong = "--dir and --machine are needed";
    return wrong;
}

static void turn(struct sim *s)
{
    struct pollfd fds[] = {
        {s->meter.fd, POLLIN, 0},
        {s->board.uart_fd, POLLIN, 0},
        {s->board.qemu_fd, POLLIN, 0},
        {s->board.inotify_fd, POLLIN, 0},
    };
    static void (*const handlers[])(struct sim *) = {meter_input, board_from_uart, board_from_qemu,
                                                     board_image_changed};
    bool busy = s->board.release_at_ns || s->meter.mode >= METER_ARMED || s->meter.reply_count ||
                s->meter.tx_len;
    bool planned = s->board.reboot_at_ns || s->meter.replug_at_ns;
    poll(fds, COUNT(fds), busy ? 1 : planned ? 5 : 500);
    for (size_t i = 0; i < COUNT(fds); i++)
        if (fds[i].revents & (POLLIN | POLLHUP))
            handlers[i](s);
    meter_tick(s, now_ns());
    board_tick(s);
}

int main(int argc, char **argv)
{
    static struct sim s = {.speed = 1};
    s.meter.personality = V3PWR;
    s.board.present = true;
    s.current.random = 88172645463325252u;
    const char *wrong = parse(&s, argc, argv);
    if (wrong) {
        if (*wrong)
            fprintf(stderr, "switchyard-benchsim: %s\n", wrong);
        usage(*wrong ? stderr : stdout);
        return *wrong ? 2 : 0;
    }
    s.current.gain = 1 + ((double)(s.current.random % 601) - 300) * 1e-5;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    signal(SIGPIPE, SIG_IGN);
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_signal}, NULL);
    sigaction(SIGINT, &(struct sigaction){.sa_handler = on_signal}, NULL);
    if (!board_open(&s) || !meter_open(&s)) {
        perror("switchyard-benchsim: cannot make the ports");
        return 1;
    }
    truth_write(&s);
    puts("ready");
    fflush(stdout);
    while (!stopping)
        turn(&s);
    truth_write(&s);
    board_close(&s);
    meter_close(&s);
    return 0;
}
