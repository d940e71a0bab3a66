#include "server/db/notify.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "server/db/connection.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"

/* GATHER: how long news wait for more.  COUNT: how often it is looked whether others went away. */
enum { GATHER_MS = 5, AGAIN_MS = 1000, COUNT_MS = 60000 };
#define APPLICATION "switchyard-news"

static const char listen_script[] = "SET application_name = '" APPLICATION "'; "
                                    "SET synchronous_commit = off; LISTEN switchyard; "
                                    "SELECT pg_notify('switchyard', 'hello ')";

struct notify {
    struct server *server;
    const struct notify_row *rows;
    size_t count;
    pthread_t thread;
    pthread_mutex_t lock;
    int wake_fd;
    char (*waiting)[NOTIFY_TEXT_MAX]; /* what is to be sent */
    size_t waiting_count;
    bool lost; /* there was more than fits: the others are to look for themselves */
    atomic_bool stopping, peers;
};

static void wake(struct notify *n)
{
    uint64_t one = 1;
    (void)!write(n->wake_fd, &one, sizeof(one));
}

bool notify_has_peers(struct notify *n)
{
    return n && atomic_load(&n->peers);
}

static bool is_waiting(const struct notify *n, const char *text)
{
    for (size_t i = 0; i < n->waiting_count; i++)
        if (!strcmp(n->waiting[i], text))
            return true;
    return false;
}

void notify_send(struct notify *n, const char *kind, const char *rest)
{
    char text[NOTIFY_TEXT_MAX];

    if (!notify_has_peers(n))
        return;
    int len = snprintf(text, sizeof(text), "%s %s", kind, rest);
    pthread_mutex_lock(&n->lock);
    bool first = !n->waiting_count && !n->lost;
    if (len >= NOTIFY_TEXT_MAX || n->waiting_count == NOTIFY_WAITING_MAX)
        n->lost = true;
    else if (!is_waiting(n, text))
        memcpy(n->waiting[n->waiting_count++], text, (size_t)len + 1);
    pthread_mutex_unlock(&n->lock);
    if (first)
        wake(n);
}

/* ---- sending ---- */

static enum err_code send_waiting(struct notify *n, struct work *w)
{
    const char **texts = arena_array(&w->arena, const char *, NOTIFY_WAITING_MAX + 1);
    size_t count = 0;
    struct rows none;

    pthread_mutex_lock(&n->lock);
    for (size_t i = 0; i < n->waiting_count; i++)
        texts[count++] = arena_printf(&w->arena, "%s", n->waiting[i]);
    if (n->lost)
        texts[count++] = "hello ";
    n->waiting_count = 0;
    n->lost = false;
    pthread_mutex_unlock(&n->lock);
    if (!count)
        return ERR_OK;
    return db_query_text(w, "SELECT pg_notify('switchyard', t) FROM unnest($1::text[]) t", 1,
                         PARAMS(param_array(w, texts, count)), &none);
}

static enum err_code count_peers(struct notify *n, struct work *w)
{
    struct rows rows;
    enum err_code rc =
        db_query_text(w,
                      "SELECT count(*) FROM pg_stat_activity WHERE application_name = '" APPLICATION
                      "' AND datname = current_database() AND pid <> pg_backend_pid()",
                      0, NULL, &rows);
    if (!rc)
        atomic_store(&n->peers, rows_i64(&rows, 0, 0) > 0);
    return rc;
}

/* ---- hearing ---- */

static void tell_all(struct notify *n)
{
    for (size_t i = 0; i < n->count; i++)
        n->rows[i].handler(n->server, NULL);
}

static void hear(struct notify *n, const char *text)
{
    const char *blank = strchr(text, ' ');
    size_t len = blank ? (size_t)(blank - text) : 0;

    atomic_store(&n->peers, true);
    if (len == strlen("hello") && !memcmp(text, "hello", len)) {
        tell_all(n);
        return;
    }
    for (size_t i = 0; i < n->count && blank; i++)
        if (strlen(n->rows[i].kind) == len && !memcmp(n->rows[i].kind, text, len))
            n->rows[i].handler(n->server, blank + 1);
}

static enum err_code take_news(struct notify *n, struct work *w)
{
    PGconn *conn = w->db->conn;
    PGnotify *news;

    if (!conn || !PQconsumeInput(conn))
        return err_set(&w->err, DB, "the connection for news was lost");
    while ((news = PQnotifies(conn))) {
        if (news->be_pid != PQbackendPID(conn))
            hear(n, news->extra);
        PQfreemem(news);
    }
    return ERR_OK;
}

/* ---- the thread ---- */

/* Waits for something to send, something to hear, or until the time is over. */
static void wait_for(struct notify *n, struct work *w, int timeout_ms)
{
    struct pollfd fds[2] = {{n->wake_fd, POLLIN, 0},
                            {w->db->conn ? PQsocket(w->db->conn) : -1, POLLIN, 0}};
    uint64_t woken;

    poll(fds, COUNT(fds), timeout_ms);
    if (fds[0].revents) {
        (void)!read(n->wake_fd, &woken, sizeof(woken));
        if (!atomic_load(&n->stopping))
            usleep(GATHER_MS * 1000);
    }
}

static enum err_code serve(struct notify *n, struct work *w)
{
    int64_t counted_us = clock_monotonic_us();
    enum err_code rc = db_script(w, listen_script);

    if (!rc)
        rc = count_peers(n, w);
    if (!rc)
        tell_all(n);
    while (!rc && !atomic_load(&n->stopping)) {
        wait_for(n, w, notify_has_peers(n) ? COUNT_MS : -1);
        rc = send_waiting(n, w);
        if (!rc)
            rc = take_news(n, w);
        if (!rc && notify_has_peers(n) &&
            clock_monotonic_us() - counted_us > COUNT_MS * INT64_C(1000)) {
            counted_us = clock_monotonic_us();
            rc = count_peers(n, w);
        }
        arena_reset(&w->arena);
    }
    return rc;
}

static void *run(void *notify)
{
    struct notify *n = notify;
    struct work w = {.server = n->server, .db = db_open(n->server->conninfo)};

    while (!atomic_load(&n->stopping)) {
        if (!serve(n, &w))
            break;
        log_warn("news", KV_E(&w.err));
        connection_drop(w.db);
        arena_reset(&w.arena);
        wait_for(n, &w, AGAIN_MS);
    }
    db_close(w.db);
    arena_reset(&w.arena);
    return NULL;
}

struct notify *notify_start(struct server *server, const struct notify_row *rows, size_t count)
{
    struct notify *n = calloc(1, sizeof(*n));
    if (!n || !(n->waiting = calloc(NOTIFY_WAITING_MAX, NOTIFY_TEXT_MAX)) ||
        (n->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
        abort();
    n->server = server;
    n->rows = rows;
    n->count = count;
    pthread_mutex_init(&n->lock, NULL);
    if (pthread_create(&n->thread, NULL, run, n))
        abort();
    return n;
}

void notify_stop(struct notify *n)
{
    if (!n)
        return;
    atomic_store(&n->stopping, true);
    wake(n);
    pthread_join(n->thread, NULL);
    close(n->wake_fd);
    pthread_mutex_destroy(&n->lock);
    free(n->waiting);
    free(n);
}
