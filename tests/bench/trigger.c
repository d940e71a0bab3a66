/* From POST /flow_runs/ to the first instruction of the run's process, and from the time of a
 * schedule to it:
 *
 *   trigger HOST PORT POOL FLOW_ID RUNS FOLDER   prints two lines as load.c does
 *   trigger stamp FIFO                           is that process: writes the time and ends
 *
 * One run after the other, then a tenth as many by a schedule of every second; the agent of the
 * pool is on this machine.  It uses the C library only: what a larger program's start takes would
 * be counted too. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/base/base.h"
#include "shared/base/clock.h"

enum {
    RUNS_MAX = 10000,
    REPLY_MAX = 64 << 10,
    PATH_BYTES = 1024,
    WAIT_MS = 20000,
    PAUSE_US = 30000
};

static void die(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

/* When a process ran its first instruction. */
struct stamp {
    int64_t monotonic_us, clock_us;
};

static int stamp(const char *fifo)
{
    struct stamp now = {clock_monotonic_us(), clock_now_us()};
    int fd = open(fifo, O_WRONLY);
    if (fd < 0 || write(fd, &now, sizeof(now)) != sizeof(now))
        return EXIT_FAILURE;
    return EXIT_SUCCESS;
}

static int connect_to(const char *host, const char *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (inet_pton(AF_INET, host, &at.sin_addr) != 1 || connect(fd, (void *)&at, sizeof(at)))
        die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return fd;
}

/* The whole reply has come: its head says how long it is. */
static bool complete(const char *reply, size_t len)
{
    const char *body = strstr(reply, "\r\n\r\n"),
               *length = strcasestr(reply, "\r\ncontent-length:");
    return body && length && len >= (size_t)(body + 4 - reply) + strtoul(length + 17, NULL, 10);
}

/* The status; the reply stays until the next call. */
static int post(int fd, const char *path, const char *body, char reply[static REPLY_MAX])
{
    char request[3 * PATH_MAX];
    size_t len = 0;
    int n = snprintf(request, sizeof(request),
                     "POST %s HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
                     "Content-Length: %zu\r\n\r\n%s",
                     path, strlen(body), body);
    if (write(fd, request, (size_t)n) != n)
        die("request");
    for (*reply = '\0'; !complete(reply, len); reply[len] = '\0') {
        ssize_t got = read(fd, reply + len, REPLY_MAX - 1 - len);
        if (got <= 0)
            die("reply");
        len += (size_t)got;
    }
    return atoi(reply + strcspn(reply, " "));
}

/* The command must be known when the agent looks; the pool comes with the agent. */
static void deploy(int fd, const char *own, const char *more, char out_id[static 37])
{
    char body[3 * PATH_MAX], reply[REPLY_MAX];
    snprintf(body, sizeof(body), "{\"enforce_parameter_schema\":false,%s,%s}", own, more);
    for (int64_t end_us = clock_monotonic_us() + WAIT_MS * INT64_C(1000);
         post(fd, "/api/deployments/", body, reply) >= 300; usleep(PAUSE_US))
        if (clock_monotonic_us() > end_us) {
            fprintf(stderr, "%s\n", reply);
            exit(EXIT_FAILURE);
        }
    const char *id = strstr(reply, "\"id\":\"");
    if (!id)
        die("deployment");
    snprintf(out_id, 37, "%.36s", id + 6);
}

static bool wait_for(int fifo, struct stamp *out)
{
    struct pollfd news = {.fd = fifo, .events = POLLIN};
    return poll(&news, 1, WAIT_MS) == 1 && read(fifo, out, sizeof(*out)) == sizeof(*out);
}

/* What one run took, -1 when its process was not seen. */
static int64_t run_once(int fd, int fifo, const char *deployment)
{
    static char reply[REPLY_MAX];
    char path[128];
    struct stamp seen;
    int64_t start_us = clock_monotonic_us();

    snprintf(path, sizeof(path), "/api/deployments/%s/create_flow_run", deployment);
    if (post(fd, path, "{\"state\":{\"type\":\"SCHEDULED\"}}", reply) >= 300)
        return -1;
    return wait_for(fifo, &seen) ? seen.monotonic_us - start_us : -1;
}

/* How long after its full second; a process that starts early counts as almost a second late. */
static int64_t skew_once(int fifo)
{
    struct stamp seen;
    return wait_for(fifo, &seen) ? seen.clock_us % 1000000 : -1;
}

static int compare(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void print_row(const char *name, int64_t *took_us, int count, double seconds, int errors)
{
    qsort(took_us, (size_t)count, sizeof(*took_us), compare);
    printf("%-12s %4d %10.1f %8.2f %8.2f %6d\n", name, 1, count / seconds,
           (double)took_us[count / 2] / 1e3, (double)took_us[count * 99 / 100] / 1e3, errors);
}

static int64_t took_us[RUNS_MAX + 1];

static int measure_triggers(int fd, int fifo, int runs, const char *more)
{
    char deployment[37];
    int count = 0;

    deploy(fd, "\"name\":\"trigger\"", more, deployment);
    int64_t begin_us = clock_monotonic_us();
    for (int i = 0; i < runs; i++, usleep(PAUSE_US)) {
        took_us[count] = run_once(fd, fifo, deployment);
        count += took_us[count] >= 0;
    }
    print_row("trigger-exec", took_us, count, (double)(clock_monotonic_us() - begin_us) / 1e6,
              runs - count);
    return runs - count;
}

static int measure_schedule(int fd, int fifo, int runs, const char *more)
{
    char deployment[37];
    int count = 0;

    deploy(fd,
           "\"name\":\"every-second\",\"schedules\":[{\"active\":true,\"schedule\":{\"interval\":1,"
           "\"anchor_date\":\"2026-01-01T00:00:00Z\"}}]",
           more, deployment);
    int64_t begin_us = clock_monotonic_us();
    for (int i = 0; i < runs; i++) {
        took_us[count] = skew_once(fifo);
        count += took_us[count] >= 0;
    }
    print_row("due-exec", took_us, count, (double)(clock_monotonic_us() - begin_us) / 1e6,
              runs - count);
    return runs - count;
}

int main(int argc, char **argv)
{
    char fifo_path[PATH_BYTES], self[PATH_MAX], more[2 * PATH_MAX];

    if (argc == 3 && strcmp(argv[1], "stamp") == 0)
        return stamp(argv[2]);
    if (argc != 7 || atoi(argv[5]) < 1 || atoi(argv[5]) > RUNS_MAX || !realpath(argv[0], self))
        return fprintf(stderr, "usage: trigger HOST PORT POOL FLOW_ID RUNS FOLDER\n"), 2;
    snprintf(fifo_path, sizeof(fifo_path), "%s/stamps", argv[6]);
    if (mkfifo(fifo_path, 0600))
        die(fifo_path);
    int fifo = open(fifo_path, O_RDWR | O_CLOEXEC), fd = connect_to(argv[1], argv[2]);
    int runs = atoi(argv[5]);

    snprintf(more, sizeof(more),
             "\"flow_id\":\"%s\",\"work_pool_name\":\"%s\",\"job_variables\":{\"command\":\"%s "
             "stamp %s\"}",
             argv[4], argv[3], self, fifo_path);
    int missing = measure_triggers(fd, fifo, runs, more);
    missing += measure_schedule(fd, fifo, runs / 10, more);
    return missing ? EXIT_FAILURE : EXIT_SUCCESS;
}
