/* From POST /flow_runs/ to the first instruction of the run's process:
 *
 *   trigger HOST PORT POOL FLOW_ID RUNS FOLDER   prints a line as load.c does
 *   trigger stamp FIFO                           is that process: writes the time and ends
 *
 * One run after the other; the agent of the pool is on this machine.  It uses the C library only:
 * what a larger program's start takes would be counted too. */
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

static int stamp(const char *fifo)
{
    int64_t now_us = clock_monotonic_us();
    int fd = open(fifo, O_WRONLY);
    if (fd < 0 || write(fd, &now_us, sizeof(now_us)) != sizeof(now_us))
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
static void deploy(int fd, const char *flow, const char *pool, const char *command,
                   char out_id[static 37])
{
    char body[2 * PATH_MAX], reply[REPLY_MAX];
    snprintf(body, sizeof(body),
             "{\"name\":\"trigger\",\"flow_id\":\"%s\",\"work_pool_name\":\"%s\",\"enforce_"
             "parameter_schema\":false,"
             "\"job_variables\":{\"command\":\"%s\"}}",
             flow, pool, command);
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

/* What one run took, -1 when its process was not seen. */
static int64_t run_once(int fd, int fifo, const char *deployment)
{
    static char reply[REPLY_MAX];
    char path[128];
    int64_t stamp_us, start_us = clock_monotonic_us();

    snprintf(path, sizeof(path), "/api/deployments/%s/create_flow_run", deployment);
    if (post(fd, path, "{\"state\":{\"type\":\"SCHEDULED\"}}", reply) >= 300)
        return -1;
    struct pollfd news = {.fd = fifo, .events = POLLIN};
    if (poll(&news, 1, WAIT_MS) != 1 || read(fifo, &stamp_us, sizeof(stamp_us)) != sizeof(stamp_us))
        return -1;
    return stamp_us - start_us;
}

static int compare(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

int main(int argc, char **argv)
{
    static int64_t took_us[RUNS_MAX];
    char fifo_path[PATH_BYTES], self[PATH_MAX], command[PATH_MAX + PATH_BYTES + 16], deployment[37];

    if (argc == 3 && strcmp(argv[1], "stamp") == 0)
        return stamp(argv[2]);
    if (argc != 7 || atoi(argv[5]) < 1 || atoi(argv[5]) > RUNS_MAX || !realpath(argv[0], self))
        return fprintf(stderr, "usage: trigger HOST PORT POOL FLOW_ID RUNS FOLDER\n"), 2;
    snprintf(fifo_path, sizeof(fifo_path), "%s/stamps", argv[6]);
    if (mkfifo(fifo_path, 0600))
        die(fifo_path);
    int fifo = open(fifo_path, O_RDWR | O_CLOEXEC), fd = connect_to(argv[1], argv[2]);
    int runs = atoi(argv[5]), count = 0;

    snprintf(command, sizeof(command), "%s stamp %s", self, fifo_path);
    deploy(fd, argv[4], argv[3], command, deployment);
    int64_t begin_us = clock_monotonic_us();
    for (int i = 0; i < runs; i++, usleep(PAUSE_US)) {
        took_us[count] = run_once(fd, fifo, deployment);
        count += took_us[count] >= 0;
    }
    double seconds = (double)(clock_monotonic_us() - begin_us) / 1e6;
    qsort(took_us, (size_t)count, sizeof(*took_us), compare);
    printf("%-12s %4d %10.1f %8.2f %8.2f %6d\n", "trigger-exec", 1, count / seconds,
           (double)took_us[count / 2] / 1e3, (double)took_us[count * 99 / 100] / 1e3, runs - count);
    return count == runs ? EXIT_SUCCESS : EXIT_FAILURE;
}
