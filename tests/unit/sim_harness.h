/* Starts the simulator of meter and board for a test, in a folder of its own.
 *
 *   struct sim sim;
 *   sim_start(&sim, "--no-board --fault drop-byte@0.5");   ... sim.meter, sim.uart, sim.dir
 *   sim_stop(&sim); */
#pragma once
#include <check.h>
#include <jansson.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct sim {
    char dir[64], meter[80], uart[80];
    pid_t pid;
};

/* A program of the build that this test belongs to. */
static inline void sim_program(const char *name, char *out, size_t size)
{
    char self[500];
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
    ck_assert_int_gt(len, 0);
    self[len] = 0;
    snprintf(out, size, "%s/%s", dirname(dirname(dirname(self))), name);
    ck_assert_msg(!access(out, X_OK), "%s is not there", out);
}

static inline void sim_file(const struct sim *s, const char *name, const char *text, mode_t mode)
{
    char path[128], part[136];
    snprintf(path, sizeof(path), "%s/%s", s->dir, name);
    snprintf(part, sizeof(part), "%s.part", path);
    FILE *f = fopen(part, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
    chmod(part, mode);
    ck_assert_int_eq(rename(part, path), 0);
}

static inline void sim_make_dir(struct sim *s)
{
    strcpy(s->dir, "/tmp/sim-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(s->dir));
    snprintf(s->meter, sizeof(s->meter), "%s/meter", s->dir);
    snprintf(s->uart, sizeof(s->uart), "%s/uart", s->dir);
}

/* In a folder that exists already. */
static inline void sim_run(struct sim *s, const char *options)
{
    char program[600], command[1400], line[32] = "";
    int pipes[2];
    sim_program("switchyard-benchsim", program, sizeof(program));
    snprintf(command, sizeof(command), "exec %s --dir %s --machine netduinoplus2 %s", program,
             s->dir, options);
    ck_assert_int_eq(pipe(pipes), 0);
    s->pid = fork();
    if (s->pid == 0) {
        dup2(pipes[1], STDOUT_FILENO);
        close(pipes[0]);
        close(pipes[1]);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    close(pipes[1]);
    FILE *out = fdopen(pipes[0], "r");
    ck_assert_msg(fgets(line, sizeof(line), out) && !strcmp(line, "ready\n"), "%s did not start",
                  command);
    fclose(out);
}

static inline void sim_start(struct sim *s, const char *options)
{
    sim_make_dir(s);
    sim_run(s, options);
}

/* What really was sent: the last acquisition of truth.json; free with json_decref(). */
static inline json_t *sim_truth(const struct sim *s)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/truth.json", s->dir);
    json_t *truth = json_load_file(path, 0, NULL), *runs = json_object_get(truth, "runs");
    json_t *last = json_incref(json_array_get(runs, json_array_size(runs) - 1));
    json_decref(truth);
    return last;
}

static inline void sim_stop(struct sim *s)
{
    char command[100];
    kill(s->pid, SIGTERM);
    waitpid(s->pid, NULL, 0);
    snprintf(command, sizeof(command), "rm -rf %s", s->dir);
    ck_assert_int_eq(system(command), 0);
}
