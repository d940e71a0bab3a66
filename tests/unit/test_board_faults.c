/* board.flash when tools and probes do what they do in the field: fake_probe.sh. Each outcome is
 * honest, names the cause and, where a person is needed, the remedy. */
#include "tests/unit/flash_harness.h"
#include "worker/lab/recovery.h"

static const char *const tools[] = {"openocd", "st-flash", "pyocd", "STM32_Programmer_CLI"};

/* Of each tool.  `says`: in the error, else in the log. */
static const struct {
    const char *scenario;
    enum err_code code;
    int runs;
    const char *says;
} cases[] = {
    /* clang-format off */
    {"good",      ERR_OK, 1,         "build=b7"},
    {"busy-once", ERR_OK, 2,         "recovery: retry"},
    {"no-probe",  ERR_IO, FLASH_ALL_RUNGS, "no probe of that serial number is plugged in"},
    {"unpowered", ERR_IO, FLASH_ALL_RUNGS, "IDD jumper"},
    {"locked",    ERR_IO, 1,         "(the chip"},
    {"mismatch",  ERR_IO, FLASH_ALL_RUNGS, "(status "},
    {"error-0",   ERR_IO, FLASH_ALL_RUNGS, "(status 0)"},
    /* clang-format on */
};
enum { CASES = COUNT(cases) };

static void set_up(struct stand *s, const char *backend, const char *scenario)
{
    char link[200], self[500] = "";
    flash_prepare(&s->sim);
    ck_assert_ptr_nonnull(realpath("tests/unit/fake_probe.sh", self));
    snprintf(link, sizeof(link), "%s/%s", s->sim.dir, backend);
    ck_assert_int_eq(symlink(self, link), 0);
    sim_file(&s->sim, "scenario", scenario, 0644);
    s->lab = flash_lab(&s->loop, &s->sim, backend, "{}");
}

START_TEST(each_tool_in_each_case)
{
    struct stand s = {0};
    int n = _i % CASES;
    set_up(&s, tools[_i / CASES], cases[n].scenario);
    flash_run(&s.h, &s.sim, s.lab, strcmp(cases[n].scenario, "hang-once") ? 120 : 1);
    flash_check(&s, cases[n].code, cases[n].runs, cases[n].says);
}
END_TEST

/* Those that end differently with each tool, or are enough to see with one. */
static const struct {
    const char *tool, *scenario;
    double timeout_s;
    enum err_code code;
    int runs;
    const char *says;
} singles[] = {
    /* clang-format off */
    {"openocd",              "stderr",    120, ERR_OK,       1,         "build=b7"},
    {"st-flash",             "binary",    120, ERR_OK,       1,         "build=b7"},
    {"openocd",              "cut",       120, ERR_OK,       1,         "build=b7"},
    {"pyocd",                "hang-once", 1,   ERR_OK,       2,         "did not end in time"},
    {"openocd",              "unknown",   120, ERR_IO,       1,         "does not know the chip (0.12 no STM32U5A5)"},
    {"st-flash",             "unknown",   120, ERR_IO,       1,         "does not know the chip (1.7 no STM32U5)"},
    {"pyocd",                "unknown",   120, ERR_IO,       1,         "pyocd pack install"},
    {"STM32_Programmer_CLI", "good-and-error-0", 120, ERR_IO, FLASH_ALL_RUNGS, "(status 0)"},
    {"STM32_Programmer_CLI", "good-1",    120, ERR_IO,       FLASH_ALL_RUNGS, "ended with status 1"},
    {"pyocd",                "silent-1",  120, ERR_IO,       FLASH_ALL_RUNGS, "ended with status 1"},
    {"st-flash",             "other",     120, ERR_CONFLICT, FLASH_ALL_RUNGS, "the board runs build b6, expected b7"},
    {"openocd",              "half",      120, ERR_IO,       FLASH_ALL_RUNGS, "ended by signal 9"},
    {"pyocd",                "unplugged", 120, ERR_IO,       FLASH_ALL_RUNGS, "left the bus"},
    {"openocd",              "silent-0", 120, ERR_IO,      FLASH_ALL_RUNGS, "never said `** Verified OK **`"},
    {"st-flash",             "silent-0", 120, ERR_IO,      FLASH_ALL_RUNGS, "never said `verified`"},
    {"STM32_Programmer_CLI", "silent-0", 120, ERR_IO,      FLASH_ALL_RUNGS, "never said `File download complete`"},
    {"openocd",              "busy",     120, ERR_IO,      FLASH_ALL_RUNGS, "another program holds the probe"},
    {"pyocd",                "busy",     120, ERR_IO,      FLASH_ALL_RUNGS, "another program holds the probe"},
    {"STM32_Programmer_CLI", "busy",     120, ERR_IO,      FLASH_ALL_RUNGS, "another program holds the probe"},
    {"st-flash",             "busy",     120, ERR_IO,      FLASH_ALL_RUNGS, "the probe hangs"},
    {"openocd",              "huge",     120, ERR_OK,      1,         "build=b7"},
    {"openocd",              "mismatch", 120, ERR_IO,      FLASH_ALL_RUNGS, "checksum mismatch"},
    {"STM32_Programmer_CLI", "mismatch", 120, ERR_IO,      FLASH_ALL_RUNGS, "Data mismatch found at address"},
    /* clang-format on */
};

START_TEST(a_tool_in_a_case)
{
    struct stand s = {0};
    set_up(&s, singles[_i].tool, singles[_i].scenario);
    flash_run(&s.h, &s.sim, s.lab, singles[_i].timeout_s);
    flash_check(&s, singles[_i].code, singles[_i].runs, singles[_i].says);
}
END_TEST

/* Says all is well and writes nothing: the board of that serial number still runs nothing at all.
 */
START_TEST(a_lazy_tool_is_found_out)
{
    struct stand s = {0};
    set_up(&s, tools[_i], "lazy");
    flash_run(&s.h, &s.sim, s.lab, 120);
    ck_assert_int_eq(s.h.code, ERR_TIMEOUT);
    ck_assert_ptr_nonnull(strstr(s.h.call.err.detail, "did not boot: no line `SY-BOOT build=b7"));
    flash_over(&s.h, &s.sim, s.lab, &s.loop);
}
END_TEST

/* A tool that ignores TERM is killed, and the ladder ends with the first cancel. */
static bool while_it_hangs(struct harness *h, const char *line)
{
    (void)h;
    return strstr(line, "waiting for the target") != NULL;
}

START_TEST(a_tool_that_hangs_can_be_cancelled)
{
    struct stand s = {.h = {.cancel_on = while_it_hangs}};
    set_up(&s, "openocd", "hang");
    flash_run(&s.h, &s.sim, s.lab, 120);
    ck_assert_int_eq(s.h.code, ERR_CANCELLED);
    ck_assert(!lab_health(s.lab, lab_at(s.lab, 0))->quarantined);
    flash_over(&s.h, &s.sim, s.lab, &s.loop);
}
END_TEST

START_TEST(a_tool_that_is_not_there)
{
    struct stand s = {0};
    flash_prepare(&s.sim);
    setenv("PATH", s.sim.dir, 1);
    s.lab = flash_lab(&s.loop, &s.sim, "pyocd", "{}");
    flash_run(&s.h, &s.sim, s.lab, 120);
    setenv("PATH", "/usr/bin:/bin", 1);
    ck_assert_int_eq(s.h.code, ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(
        strstr(s.h.call.err.detail, "cannot start pyocd: there is no such program"));
    flash_over(&s.h, &s.sim, s.lab, &s.loop);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("board_faults");
    TCase *t = tcase_create("tools");
    tcase_set_timeout(t, 90);
    tcase_add_loop_test(t, each_tool_in_each_case, 0, CASES * (int)COUNT(tools));
    tcase_add_loop_test(t, a_tool_in_a_case, 0, COUNT(singles));
    tcase_add_loop_test(t, a_lazy_tool_is_found_out, 0, COUNT(tools));
    tcase_add_test(t, a_tool_that_hangs_can_be_cancelled);
    tcase_add_test(t, a_tool_that_is_not_there);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
