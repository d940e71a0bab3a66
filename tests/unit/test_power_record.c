/* `switchyard-worker power record` against the simulator: for each fault the exact answer, or a
 * refusal that names it.  The programs are the real ones. */
#include <math.h>
#include <time.h>

#include "shared/base/base.h"
#include "tests/unit/sim_harness.h"

enum { EXACT = 0, LOCAL = 1, USAGE = 2, REFUSED = 3, NO_METER = 4, AT_ONCE = 8 };

static const struct {
    const char *options, *arguments; /* NULL: 10 kS/s for 0.6 s */
    int status;
    const char *says; /* on stderr; with EXACT: in a warning, NULL: there is none */
} rows[] = {
    /* clang-format off */
    {"",                                  NULL, EXACT, NULL},
    {"--personality lpm01a-1.0.0",        NULL, EXACT, NULL},
    {"--personality lpm01a-1.0.7",        NULL, EXACT, NULL},
    {"",                                  "--rate 100k --seconds 0.5", EXACT, NULL},
    {"",                                  "--rate 1k --seconds 1", EXACT, NULL},
    {"",                                  "--rate 10k --seconds 0.6 --trigger hw", EXACT, NULL},
    {"--personality lpm01a-1.0.7",        "--rate 10k --seconds 0.6 --trigger hw", EXACT, NULL},
    {"--fault ascii-only",                "--rate 10k --seconds 0.6 --trigger hw", EXACT, NULL},
    {"--fault drop-byte@2:0.3",           "--rate 10k --seconds 0.6 --trigger hw", REFUSED, "the block at 0.200 s"},
    {"--fault ack-never@trigsrc",         "--rate 10k --seconds 0.6 --trigger hw", NO_METER, "did not acknowledge `trigsrc"},
    {"--fault ascii-only",                NULL, EXACT, NULL},
    {"--fault ascii-only",                "--rate 100k --seconds 1", REFUSED, "ASCII carries at most"},
    {"--fault bin-hex",                   NULL, EXACT, NULL},
    {"--fault residual-prompt",           NULL, EXACT, NULL},
    {"--fault reply-shift",               NULL, EXACT, NULL},
    {"--fault err-word --fault ack-never@power_monitor", NULL, EXACT, NULL},
    {"--fault ack-never@freq",            NULL, NO_METER, "did not acknowledge `freq 10k`"},
    {"--fault ack-never@start",           NULL, NO_METER, "did not acknowledge `start`"},
    {"--fault refuse@pwr",                NULL, REFUSED, "refused `pwr on`"},
    {"--fault stale",                     NULL, EXACT, NULL},
    {"--fault odd-start",                 NULL, EXACT, NULL},
    {"--fault bias",                      NULL, EXACT, NULL},
    {"--fault drop-byte@2:0.3",           NULL, REFUSED, "the block at 0.200 s"},
    {"--fault dup-byte@2:0.3",            NULL, REFUSED, "the stream is damaged"},
    {"--fault flip-byte=64@2:0.3",        NULL, REFUSED, "more than the meter can carry"},
    {"--fault no-stamp@2:0.3",            NULL, EXACT, "a time stamp is missing"},
    {"--fault short-block@2:0.3",         NULL, REFUSED, "has 999 samples, 1000 expected"},
    {"--fault long-block@2:0.3",          NULL, REFUSED, "has 1001 samples, 1000 expected"},
    {"--fault f0f0f3@2:0.3",              NULL, EXACT, NULL},
    {"--fault stamp-f0f3@2:0",            NULL, EXACT, NULL},
    {"--fault wrap@2:0",                  NULL, EXACT, NULL},
    {"--fault unknown-tag=2@2:0.3",       NULL, EXACT, "a frame of unknown kind F0 FC"},
    {"--fault unknown-tag=0@2:0.3",       NULL, EXACT, "a frame of unknown kind F0 FA"},
    {"--fault unknown-tag=1@2:0.3",       NULL, EXACT, "a frame of unknown kind F0 FB"},
    {"--fault unknown-tag=4@2:0.3",       NULL, EXACT, "a frame of unknown kind F0 FE"},
    {"--fault split-summary",             NULL, EXACT, NULL},
    {"--personality lpm01a-1.0.0 --fault split-summary", NULL, EXACT, NULL},
    {"--fault slow-powerup",              NULL, EXACT, NULL},
    {"--personality lpm01a-1.0.0 --fault slow-powerup=1", NULL, EXACT, NULL},
    {"--fault skew=0.0001@2:0",           "--rate 10k --seconds 1", EXACT, NULL},
    {"--personality lpm01a-1.0.7 --fault err-word --fault refuse@volt", NULL, REFUSED, "refused `volt"},
    {"--personality lpm01a-1.0.0 --fault overcurrent@2:0.03", NULL, REFUSED, "overcurrent: the meter ended"},
    {"--fault overcurrent@2:0.03",        NULL, REFUSED, "overcurrent: the meter ended"},
    {"--fault overcurrent-4@2:0.3",       NULL, REFUSED, "overcurrent: the meter ended"},
    {"--fault overcurrent-8@2:0.3",       NULL, REFUSED, "overcurrent: the meter ended"},
    {"--fault error-text@2:0.3",          NULL, REFUSED, "ADC calibration lost"},
    {"--fault early-end@2:0.3",           NULL, REFUSED, "Supply output lost"},
    {"--fault overflow@2:0.3",            NULL, REFUSED, "Buffer overflow"},
    {"--fault brown-out@2:0.3",           NULL, REFUSED, "brown-out"},
    {"--fault stuck@2:0.3",               NULL, REFUSED, "stuck at exactly"},
    {"--fault stuck@2:0",                 NULL, REFUSED, "stuck at exactly"},
    {"--fault stuck@1:0 --fault stuck@2:0", NULL, EXACT, "a stuck meter?"},
    {"--fault zero@2:0",                  NULL, REFUSED, "jumper is out"},
    {"--fault skew@2:0",                  "--rate 10k --seconds 1", REFUSED, "contradicts the meter's own clock"},
    {"--fault idle-step@2:0.3",           NULL, EXACT, NULL},
    {"--fault drift@2:0.1",               NULL, EXACT, NULL},
    {"--fault buffer-99@2:0.3",           NULL, EXACT, "buffer was 99 % full"},
    {"--fault stall@2:0.3",               NULL, NO_METER, "stopped after"},
    {"--fault unplug@2:0.3",              NULL, NO_METER, "was unplugged after"},
    {"--fault replug@2:0.3",              NULL, NO_METER, "was unplugged after"},
    {"",                                  "--rate 3k --seconds 1", USAGE, "one of the meter's rates"},
    {"",                                  "--rate 10k --seconds 0.2 --trace /dev/full", LOCAL, "No space left"},
    /* clang-format on */
};

struct job {
    struct sim sim;
    pid_t pid;
};

static void begin(size_t row, struct job *j)
{
    char worker[600], command[1200];
    char options[300];
    snprintf(options, sizeof(options), "--no-board %s", rows[row].options);
    sim_start(&j->sim, options);
    sim_program("switchyard-worker", worker, sizeof(worker));
    const char *arguments = rows[row].arguments ? rows[row].arguments : "--rate 10k --seconds 0.6";
    snprintf(command, sizeof(command),
             "exec %s power record --port %s --volts 3.3 --json %s >%s/out 2>%s/err", worker,
             j->sim.meter, arguments, j->sim.dir, j->sim.dir);
    j->pid = fork();
    if (j->pid == 0) {
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
}

/* The answer against the charge that the simulator has sent, block by block. */
static void check_answer(size_t row, const struct job *j)
{
    char path[100];
    snprintf(path, sizeof(path), "%s/out", j->sim.dir);
    json_t *out = json_load_file(path, 0, NULL), *truth = sim_truth(&j->sim);
    double charge_c = json_real_value(json_object_get(out, "charge_c"));
    double energy_j = json_real_value(json_object_get(out, "energy_j"));
    size_t samples = (size_t)json_integer_value(json_object_get(out, "samples"));
    double sent_c =
        json_real_value(json_array_get(json_object_get(truth, "blocks_c"), samples / 1000 - 1));
    ck_assert_uint_eq(samples % 1000, 0);
    ck_assert_int_eq(json_integer_value(json_object_get(out, "lost")), 0);
    ck_assert_msg(fabs(charge_c / sent_c - 1) < 1e-9, "%s: %.12g C, sent %.12g C",
                  rows[row].options, charge_c, sent_c);
    ck_assert_double_eq_tol(energy_j, 3.3 * charge_c, 1e-12);
    json_t *warnings = json_object_get(out, "warnings");
    ck_assert_msg(json_array_size(warnings) == (rows[row].says != NULL), "%s: %zu warnings",
                  rows[row].options, json_array_size(warnings));
    if (rows[row].says)
        ck_assert_ptr_nonnull(
            strstr(json_string_value(json_array_get(warnings, 0)), rows[row].says));
    json_decref(out);
    json_decref(truth);
}

static void check_refusal(size_t row, const struct job *j)
{
    char path[100], text[2000] = "";
    struct stat st;
    snprintf(path, sizeof(path), "%s/out", j->sim.dir);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_msg(st.st_size == 0, "%s: figures were printed", rows[row].options);
    snprintf(path, sizeof(path), "%s/err", j->sim.dir);
    FILE *f = fopen(path, "r");
    ck_assert_uint_gt(fread(text, 1, sizeof(text) - 1, f), 0);
    fclose(f);
    ck_assert_msg(strstr(text, rows[row].says), "%s: \"%s\" lacks \"%s\"", rows[row].options, text,
                  rows[row].says);
}

static void end(size_t row, struct job *j)
{
    int status;
    waitpid(j->pid, &status, 0);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == rows[row].status,
                  "%s %s: status %d, expected %d", rows[row].options,
                  rows[row].arguments ? rows[row].arguments : "", WEXITSTATUS(status),
                  rows[row].status);
    if (rows[row].status == EXACT)
        check_answer(row, j);
    else
        check_refusal(row, j);
    sim_stop(&j->sim);
}

/* They mostly wait, so several run at once. */
START_TEST(exact_or_refused)
{
    struct job jobs[AT_ONCE];
    for (size_t i = 0; i < AT_ONCE; i++)
        if ((size_t)_i * AT_ONCE + i < COUNT(rows))
            begin((size_t)_i * AT_ONCE + i, &jobs[i]);
    for (size_t i = 0; i < AT_ONCE; i++)
        if ((size_t)_i * AT_ONCE + i < COUNT(rows))
            end((size_t)_i * AT_ONCE + i, &jobs[i]);
}
END_TEST

START_TEST(a_port_has_one_user)
{
    char worker[600], command[1400];
    struct sim sim;
    sim_start(&sim, "--no-board");
    sim_program("switchyard-worker", worker, sizeof(worker));
    snprintf(command, sizeof(command),
             "flock %s %s power record --port %s --volts 3.3 --rate 1k --seconds 1 2>&1 | grep -q "
             "'in use by another'",
             sim.meter, worker, sim.meter);
    ck_assert_int_eq(system(command), 0);
    sim_stop(&sim);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("power_record");
    TCase *t = tcase_create("record");
    tcase_set_timeout(t, 90);
    tcase_add_loop_test(t, exact_or_refused, 0, (int)((COUNT(rows) + AT_ONCE - 1) / AT_ONCE));
    tcase_add_test(t, a_port_has_one_user);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
