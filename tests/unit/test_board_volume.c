/* board.flash by a copy onto the probe's volume, which is fake_volume.sh. */
#include "tests/unit/flash_harness.h"

#define PAGE                                                                                       \
    "<html><meta http-equiv=\"refresh\" content=\"0; "                                             \
    "url=https://os.mbed.com/?code=%s0221\"/></html>"

static const struct {
    const char *scenario, *code_of_board;
    double timeout_s;
    enum err_code code;
    int runs;
    const char *says;
} volumes[] = {
    /* clang-format off */
    {"good",       "0886", 30, ERR_OK,       1,         "build=b7"},
    {"good",       "0765", 30, ERR_OK,       1,         "the volume is that of a board 0765, a NUCLEO_U575ZI_Q is 0886"},
    {"slow",       "0886", 30, ERR_OK,       1,         "build=b7"},
    {"stays",      "0886", 30, ERR_OK,       1,         "build=b7"},
    {"fail-once",  "0886", 30, ERR_OK,       2,         "recovery: retry"},
    {"fail",       "0886", 30, ERR_IO,       FLASH_ALL_RUNGS, "the probe says in FAIL.TXT (as before): The interface firmware FAILED to reset/halt"},
    {"fail-late",  "0886", 30, ERR_IO,       FLASH_ALL_RUNGS, "error: flash timeout"},
    {"keeps",      "0886", 1,  ERR_TIMEOUT,  1,         "its volume did not come anew"},
    {"gone",       "0886", 1,  ERR_TIMEOUT,  1,         "no MBED.HTM in "},
    /* clang-format on */
};

static pid_t start_volume(const struct sim *sim, int row)
{
    char path[200], page[200];
    snprintf(path, sizeof(path), "%s/volume", sim->dir);
    ck_assert_int_eq(mkdir(path, 0755), 0);
    snprintf(page, sizeof(page), PAGE, volumes[row].code_of_board);
    sim_file(sim, "volume/MBED.HTM", page, 0644);
    pid_t pid = fork();
    if (!pid) {
        execl("tests/unit/fake_volume.sh", "fake_volume.sh", volumes[row].scenario, (char *)NULL);
        _exit(127);
    }
    return pid;
}

START_TEST(a_volume_has_no_exit_code)
{
    struct stand s = {0};
    flash_prepare(&s.sim);
    pid_t volume = start_volume(&s.sim, _i);
    s.lab = flash_lab(&s.loop, &s.sim, "msd", "{}");
    flash_run(&s.h, &s.sim, s.lab, volumes[_i].timeout_s);
    kill(volume, SIGKILL);
    waitpid(volume, NULL, 0);
    flash_check(&s, volumes[_i].code, volumes[_i].runs, volumes[_i].says);
}
END_TEST

/* The copy itself fails: a volume that is full, or write-protected (so it is there for root as
 * well: a folder stands in the way). */
START_TEST(a_volume_that_cannot_be_written)
{
    struct stand s = {0};
    char path[200];
    flash_prepare(&s.sim);
    snprintf(path, sizeof(path), "%s/volume", s.sim.dir);
    ck_assert_int_eq(mkdir(path, 0755), 0);
    sim_file(&s.sim, "volume/MBED.HTM", "", 0644);
    snprintf(path, sizeof(path), "%s/volume/firmware.bin", s.sim.dir);
    ck_assert_int_eq(_i ? symlink("/dev/full", path) : mkdir(path, 0755), 0);
    s.lab = flash_lab(&s.loop, &s.sim, "msd", "{}");
    flash_run(&s.h, &s.sim, s.lab, 30);
    flash_check(&s, ERR_IO, 0, _i ? "No space left on device" : "cannot copy the image to");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("board_volume");
    TCase *t = tcase_create("volume");
    tcase_set_timeout(t, 90);
    tcase_add_loop_test(t, a_volume_has_no_exit_code, 0, COUNT(volumes));
    tcase_add_loop_test(t, a_volume_that_cannot_be_written, 0, 2);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
