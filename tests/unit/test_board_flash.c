/* board.flash and board.off against the real simulator of meter and board; QEMU is a script that
 * sends what stands in the image behind the ELF mark. */
#include <sys/stat.h>
#include <unistd.h>

#include "shared/base/fault.h"
#include "tests/unit/bench_harness.h"
#include "tests/unit/step_harness.h"

#define BENCH  "[{\"name\": \"b1\", \"target\": \"netduino2\", \"emulated\": true}]"
#define BANNER "SY-BOOT build=b7 target=netduino2 model=m\r\n"

static void write_file(const char *name, const char *text, int mode)
{
    char path[200];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
    chmod(path, (mode_t)mode);
}

/* `qemu` is the script that stands in for it. */
static void open_bench(const char *qemu, const char *fault)
{
    char path[4096], simulator[600], wrapper[800];
    bench_folder();
    snprintf(path, sizeof(path), "%s:%s", folder, getenv("PATH"));
    setenv("PATH", path, 1);
    write_file("qemu-system-arm", qemu, 0755);
    sim_program("switchyard-benchsim", simulator, sizeof(simulator));
    snprintf(wrapper, sizeof(wrapper), "#!/bin/sh\nexec %s \"$@\" %s\n", simulator, fault);
    write_file("sim", wrapper, 0755);
    snprintf(path, sizeof(path), "%s/sim", folder);
    bench_open(BENCH, path);
}

#define GOOD_QEMU "#!/bin/sh\nsed -n '2,$p' \"$4\"\nexec cat >/dev/null\n"
#define DEAF_ONCE                                                                                  \
    "#!/bin/sh\n[ -e \"$4.seen\" ] && sed -n '2,$p' \"$4\"\ntouch \"$4.seen\"\nexec cat "          \
    ">/dev/null\n"

static const struct {
    const char *qemu, *sim_fault;
    const char *image, *point; /* point: a fault of this side */
    enum err_code code;
    const char *text; /* in the log, or in the error */
} rows[] = {
    /* clang-format off */
    {GOOD_QEMU, "",                   "\177ELF\n" BANNER,   NULL, ERR_OK, "SY-BOOT build=b7 target=netduino2 model=m"},
    {GOOD_QEMU, "",                   "\177ELF\nhello\r\n" BANNER, NULL, ERR_OK, "SY-BOOT build=b7"},
    {DEAF_ONCE, "",                   "\177ELF\n" BANNER,   NULL, ERR_OK, "no banner in 0.5 s: cutting the supply"},
    {GOOD_QEMU, "",                   "\177ELF\nSY-BOOT build=b8 target=x model=m\r\n", NULL, ERR_CONFLICT,
     "bench b1: the board runs build b8, expected b7"},
    {GOOD_QEMU, "",                   "\177ELF\npanic 7\r\n", NULL, ERR_TIMEOUT,
     "bench b1: the board did not boot: no line `SY-BOOT build=b7 ...` within 0.5 s; last heard: panic 7"},
    {GOOD_QEMU, "",                   "\177ELF\n",          NULL, ERR_TIMEOUT, "last heard: nothing"},
    {GOOD_QEMU, "",                   "text\n",             NULL, ERR_INVALID, "is not an ELF file"},
    {GOOD_QEMU, "",                   "",                   NULL, ERR_INVALID, "is empty"},
    {GOOD_QEMU, "",                   NULL,                 NULL, ERR_NOT_FOUND, "cannot read the image"},
    {GOOD_QEMU, "",                   "\177ELF\n" BANNER,   "board.write", ERR_IO, "cannot write the board's flash"},
    {GOOD_QEMU, "--fault ack-never@pwr", "\177ELF\n" BANNER, NULL, ERR_COUNT, "pwr"},
    /* clang-format on */
};

static void run_flash(struct harness *h, const char *image)
{
    char path[200];
    snprintf(path, sizeof(path), "%s/image.elf", folder);
    if (image)
        write_file("image.elf", image, 0644);
    h->run.lab = lab;
    h->run.devices = json_pack("{s:{s:s}}", "bench", "name", "b1");
    harness_run(h, &board_flash_step,
                json_pack("{s:s,s:s,s:f}", "image", path, "build_id", "b7", "boot_timeout", 0.5));
    json_decref((json_t *)(uintptr_t)h->run.devices);
}

START_TEST(flashing_is_proven_by_the_banner)
{
    struct harness h = {0};
    open_bench(rows[_i].qemu, rows[_i].sim_fault);
    if (rows[_i].point)
        fault_arm(rows[_i].point, 1);
    run_flash(&h, rows[_i].image);
    if (rows[_i].code == ERR_COUNT) /* some error */
        ck_assert_int_ne(h.code, ERR_OK);
    else
        ck_assert_msg(h.code == rows[_i].code, "%d %s\n%s", h.code, h.call.err.detail, h.log);
    ck_assert_msg(strstr(h.code ? h.call.err.detail : h.log, rows[_i].text) != NULL, "%s\n%s",
                  h.call.err.detail, h.log);
    if (!h.code)
        ck_assert(json_is_true(json_object_get(h.call.outputs, "emulated")));
    harness_free(&h);
    bench_close();
}
END_TEST

START_TEST(the_supply_can_be_cut)
{
    struct harness flash = {0}, off = {0};
    open_bench("#!/bin/sh\necho $$ >\"$4.pid\"\nsed -n '2,$p' \"$4\"\nexec cat >/dev/null\n", "");
    run_flash(&flash, "\177ELF\n" BANNER);
    ck_assert_int_eq(flash.code, ERR_OK);
    off.run.lab = lab;
    off.run.devices = json_pack("{s:{s:s}}", "bench", "name", "b1");
    harness_run(&off, &board_off_step, json_object());
    ck_assert_msg(off.code == ERR_OK, "%s", off.call.err.detail);
    json_decref((json_t *)(uintptr_t)off.run.devices);
    char command[200];
    snprintf(command, sizeof(command), "! kill -0 $(cat %s/benches/b1/flash.elf.pid) 2>/dev/null",
             folder);
    ck_assert_msg(system(command) == 0, "the board still runs");
    harness_free(&flash);
    harness_free(&off);
    bench_close();
}
END_TEST

static const struct {
    const char *devices, *detail;
} refusals[] = {
    {"{}", "board.flash needs the device `bench`, and this run has none"},
    {"{\"bench\": {\"name\": \"b9\"}}", "this agent has no bench named b9"},
};

START_TEST(a_run_without_a_bench_is_refused)
{
    struct harness h = {0};
    h.run.devices = json_loads(refusals[_i].devices, 0, NULL);
    harness_run(&h, &board_flash_step, json_pack("{s:s,s:s}", "image", "x", "build_id", "b7"));
    ck_assert_msg(strstr(h.call.err.detail, refusals[_i].detail) != NULL, "%s", h.call.err.detail);
    json_decref((json_t *)(uintptr_t)h.run.devices);
    harness_free(&h);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("board_flash");
    TCase *tc = tcase_create("flash");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, flashing_is_proven_by_the_banner, 0, COUNT(rows));
    tcase_add_test(tc, the_supply_can_be_cut);
    tcase_add_loop_test(tc, a_run_without_a_bench_is_refused, 0, COUNT(refusals));
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
