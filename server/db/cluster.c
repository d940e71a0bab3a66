#include "server/db/cluster.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/log.h"

enum { VERSION_MIN = 14, START_TIMEOUT_S = 60, STOP_TIMEOUT_S = 20 };

static void nap_ms(int ms)
{
    usleep((useconds_t)ms * 1000);
}

/* Debian keeps versions side by side; elsewhere initdb is in the PATH. */
static const char *find_binaries(struct arena *a)
{
    glob_t found = {0};
    const char *best = NULL;
    int best_version = VERSION_MIN - 1;

    glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        int version = (int)strtol(found.gl_pathv[i] + strlen("/usr/lib/postgresql/"), NULL, 10);
        if (version > best_version) {
            best_version = version;
            best =
                arena_strndup(a, found.gl_pathv[i], strlen(found.gl_pathv[i]) - strlen("/initdb"));
        }
    }
    globfree(&found);
    static const char *const others[] = {"/usr/local/bin", "/usr/bin", "/usr/local/pgsql/bin"};
    for (size_t i = 0; i < COUNT(others) && !best; i++)
        if (access(arena_printf(a, "%s/initdb", others[i]), X_OK) == 0)
            best = others[i];
    return best;
}

static enum err_code choose_account(struct cluster *c, struct err *e)
{
    c->uid = geteuid();
    c->gid = getegid();
    if (c->uid != 0)
        return ERR_OK;
    struct passwd *account = getpwnam("postgres");
    if (!account)
        account = getpwnam("nobody");
    if (!account)
        return err_set(
            e, INVALID,
            "PostgreSQL does not run as root and there is no account postgres or nobody: "
            "start the server as another user");
    c->uid = account->pw_uid;
    c->gid = account->pw_gid;
    return ERR_OK;
}

/* In the child, between fork and exec. */
static void become(const struct cluster *c)
{
    if (geteuid() == 0 && (setgroups(0, NULL) || setgid(c->gid) || setuid(c->uid)))
        _exit(126);
    prctl(PR_SET_PDEATHSIG, SIGINT); /* fast shutdown when the server dies */
    setsid();
}

static enum err_code make_folder(const struct cluster *c, const char *path, struct err *e)
{
    if (mkdir(path, 0700) && errno != EEXIST)
        return err_set(e, IO, "%s: %s", path, strerror(errno));
    if (geteuid() == 0 && chown(path, c->uid, c->gid))
        return err_set(e, IO, "%s: %s", path, strerror(errno));
    return ERR_OK;
}

/* The numbers of the two folders in PostgreSQL's processes. */
enum { FOLDER_FD = 8, SOCKETS_FD = 9 };
#define FOLDER_BY_FD  "/proc/self/fd/8"
#define SOCKETS_BY_FD "/proc/self/fd/9"

/* How the account names the folders. */
static const char *folder_of(const struct cluster *c)
{
    return c->folder_fd >= 0 ? FOLDER_BY_FD : c->folder;
}

static const char *sockets_of(const struct cluster *c)
{
    return c->sockets_fd >= 0 ? SOCKETS_BY_FD : c->sockets;
}

static void take_folders(const struct cluster *c)
{
    if (c->folder_fd >= 0)
        dup2(c->folder_fd, FOLDER_FD);
    if (c->sockets_fd >= 0)
        dup2(c->sockets_fd, SOCKETS_FD);
}

static bool can_enter(const struct cluster *c)
{
    pid_t child = fork();
    int status = 0;

    if (child == 0) {
        take_folders(c);
        become(c);
        _exit(access(folder_of(c), R_OK | W_OK | X_OK) ||
              access(sockets_of(c), R_OK | W_OK | X_OK));
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

/* A data folder below /root is out of reach for the account by name, but not through a descriptor
 * that it inherits. */
static enum err_code check_reach(struct cluster *c, struct err *e)
{
    if (can_enter(c))
        return ERR_OK;
    c->folder_fd = open(c->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    c->sockets_fd = open(c->sockets, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (c->folder_fd >= 0 && c->sockets_fd >= 0 && can_enter(c))
        return ERR_OK;
    const struct passwd *account = getpwuid(c->uid);
    return err_set(
        e, INVALID,
        "the account %s, under which PostgreSQL runs, cannot enter %s: choose another --data "
        "or give it access (chmod a+x on the folders above)",
        account ? account->pw_name : "?", c->folder);
}

/* Runs to the end; its output goes to `log`. */
static enum err_code run_initdb(const struct cluster *c, const char *log, struct err *e)
{
    char program[512];
    snprintf(program, sizeof(program), "%s/initdb", c->binaries);
    log_info("initdb", KV_S("folder", c->folder));
    pid_t child = fork();
    int status = 0;

    if (child == 0) {
        int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        dup2(fd, 1);
        dup2(fd, 2);
        take_folders(c);
        become(c);
        if (chdir("/"))
            _exit(125);
        execl(program, program, "-D", folder_of(c), "-U", "switchyard", "-A", "trust", "-E", "UTF8",
              "--locale=C.UTF-8", "--no-instructions", (char *)NULL);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
        return err_set(e, IO, "initdb could not make a database in %s: see %s (a full disk?)",
                       c->folder, log);
    return ERR_OK;
}

static pid_t read_pid(const struct cluster *c)
{
    char path[512], text[32] = "";
    snprintf(path, sizeof(path), "%s/postmaster.pid", c->folder);
    FILE *f = fopen(path, "re");
    if (!f)
        return 0;
    if (!fgets(text, sizeof(text), f))
        text[0] = '\0';
    fclose(f);
    return (pid_t)strtol(text, NULL, 10);
}

/* A stale postmaster.pid may name a process that is somebody else's by now. */
static bool is_postmaster(const struct cluster *c, pid_t pid)
{
    char path[64], cwd[512] = "";
    snprintf(path, sizeof(path), "/proc/%d/cwd", (int)pid);
    ssize_t n = readlink(path, cwd, sizeof(cwd) - 1);
    char folder[512];
    return pid > 0 && n > 0 && realpath(c->folder, folder) && strcmp(cwd, folder) == 0;
}

static enum err_code wait_gone(const struct cluster *c, struct err *e)
{
    int64_t deadline = clock_monotonic_us() + STOP_TIMEOUT_S * INT64_C(1000000);
    pid_t pid = read_pid(c);

    if (!is_postmaster(c, pid))
        return ERR_OK;
    log_info("stopping_old_postgres", KV_I("pid", pid));
    kill(pid, SIGINT);
    while (is_postmaster(c, pid) && clock_monotonic_us() < deadline)
        nap_ms(10);
    if (is_postmaster(c, pid))
        return err_set(
            e, CONFLICT,
            "PostgreSQL (process %d) still runs in %s: is another switchyard-server using this "
            "--data?",
            (int)pid, c->folder);
    return ERR_OK;
}

static void spawn(struct cluster *c)
{
    char program[512], log[512];
    snprintf(program, sizeof(program), "%s/postgres", c->binaries);
    snprintf(log, sizeof(log), "%s/server.log", c->folder);
    c->pid = fork();
    if (c->pid != 0)
        return;
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600), null = open("/dev/null", O_RDONLY);
    dup2(null, 0);
    dup2(fd, 1);
    dup2(fd, 2);
    take_folders(c);
    become(c);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execl(program, program, "-D", folder_of(c), "-k", sockets_of(c), "-c",
          "listen_addresses=", "-c", "max_connections=100", "-c", "wal_level=minimal", "-c",
          "max_wal_senders=0", "-c", "max_wal_size=2GB", "-c", "checkpoint_timeout=15min", "-c",
          "jit=off", "-c", "log_min_messages=warning", "-c", "restart_after_crash=on",
          (char *)NULL);
    _exit(127);
}

static bool answers(const struct cluster *c, const char *database)
{
    char conninfo[600];
    snprintf(conninfo, sizeof(conninfo), "host=%s user=switchyard dbname=%s connect_timeout=5",
             c->sockets, database);
    return PQping(conninfo) == PQPING_OK;
}

static enum err_code wait_ready(struct cluster *c, struct err *e)
{
    int64_t deadline = clock_monotonic_us() + START_TIMEOUT_S * INT64_C(1000000);
    int status;

    while (!answers(c, "postgres")) {
        if (waitpid(c->pid, &status, WNOHANG) == c->pid) {
            /* Backends of a killed postmaster hold its memory for a moment. */
            nap_ms(100);
            spawn(c);
        }
        if (clock_monotonic_us() > deadline)
            return err_set(e, DB, "PostgreSQL does not start: see %s/server.log", c->folder);
        nap_ms(5);
    }
    return ERR_OK;
}

static enum err_code make_database(const struct cluster *c, struct err *e)
{
    char conninfo[600];
    snprintf(conninfo, sizeof(conninfo), "host=%s user=switchyard dbname=postgres", c->sockets);
    PGconn *conn = PQconnectdb(conninfo);
    PGresult *res = PQexec(conn, "SELECT 1 FROM pg_database WHERE datname = 'switchyard'");
    bool there = PQntuples(res) == 1;

    PQclear(res);
    enum err_code rc = ERR_OK;
    if (!there) {
        res = PQexec(conn, "CREATE DATABASE switchyard");
        if (PQresultStatus(res) != PGRES_COMMAND_OK)
            rc = err_set(e, DB, "%.300s", PQerrorMessage(conn));
        PQclear(res);
    }
    PQfinish(conn);
    return rc;
}

/* Unix socket names have at most 107 bytes, so a deep data folder needs its sockets elsewhere. */
static const char *socket_folder(struct arena *a, const struct cluster *c, const char *data)
{
    if (strlen(data) + strlen("/run/.s.PGSQL.5432.lock") <
        sizeof(((struct sockaddr_un *)NULL)->sun_path))
        return arena_printf(a, "%s/run", data);
    struct stat st;
    if (stat(c->folder, &st))
        return "/tmp";
    return arena_printf(a, "/tmp/switchyard-%llx-%llx", (unsigned long long)st.st_dev,
                        (unsigned long long)st.st_ino);
}

const char *cluster_conninfo(struct arena *a, const char *data)
{
    const struct cluster c = {.folder = arena_printf(a, "%s/pg", data)};
    return arena_printf(a, "host=%s user=switchyard dbname=switchyard", socket_folder(a, &c, data));
}

enum err_code cluster_start(struct arena *a, const char *data, struct cluster *out, struct err *e)
{
    struct cluster c = {.folder = arena_printf(a, "%s/pg", data),
                        .binaries = find_binaries(a),
                        .folder_fd = -1,
                        .sockets_fd = -1};
    enum err_code rc;

    if (!c.binaries)
        return err_set(
            e, INVALID,
            "PostgreSQL %d or newer is not installed: apt-get install postgresql, or use "
            "--database URI",
            VERSION_MIN);
    if ((rc = choose_account(&c, e)) || (rc = make_folder(&c, c.folder, e)))
        return rc;
    c.sockets = socket_folder(a, &c, data);
    if ((rc = make_folder(&c, c.sockets, e)) || (rc = check_reach(&c, e)) ||
        (rc = wait_gone(&c, e)))
        return rc;
    if (access(arena_printf(a, "%s/PG_VERSION", c.folder), F_OK) &&
        (rc = run_initdb(&c, arena_printf(a, "%s/initdb.log", data), e)))
        return rc;
    spawn(&c);
    if ((rc = wait_ready(&c, e)) || (rc = make_database(&c, e))) {
        cluster_stop(&c);
        return rc;
    }
    c.conninfo = cluster_conninfo(a, data);
    *out = c;
    return ERR_OK;
}

bool cluster_revive(struct cluster *c)
{
    int status;

    if (c->pid <= 0 || waitpid(c->pid, &status, WNOHANG) != c->pid)
        return false;
    log_warn("postgres_died", KV_I("pid", c->pid), KV_I("status", status));
    spawn(c);
    return true;
}

void cluster_stop(struct cluster *c)
{
    static const int signals[] = {SIGINT, SIGQUIT, SIGKILL};
    int status;

    for (size_t i = 0; i < COUNT(signals) && c->pid > 0; i++) {
        int64_t deadline = clock_monotonic_us() + STOP_TIMEOUT_S * INT64_C(1000000);
        kill(c->pid, signals[i]);
        while (clock_monotonic_us() < deadline) {
            if (waitpid(c->pid, &status, WNOHANG) == c->pid) {
                c->pid = 0;
                return;
            }
            nap_ms(2);
        }
    }
}
