/* board.flash with the tools that people flash boards with.  The tools are scripts that behave as
 * the reference says (exit codes that lie included); meter and board are the simulator; QEMU is a
 * script that sends what stands in the image behind the ELF mark. */
#include "tests/unit/sim_harness.h"
#include "tests/unit/step_harness.h"
#include "worker/lab/board.h"
#include "worker/lab/recovery.h"
#include "worker/lab/usb.h"

#define BANNER "SY-BOOT build=b7 target=t model=m\n"

/* Writes the board's flash: $1 is a file whose bytes are to be run. */
#define WRITE_IT "{ printf '\\177ELF\\n'; cat \"$1\"; } >$SIM/part; mv $SIM/part $SIM/flash.elf; "
#define QEMU     "#!/bin/sh\nsed -n '2,$p' \"$4\"\nexec cat >/dev/null\n"
/* Counts how often it ran. */
#define COUNT_RUNS "echo \"$0 $*\" >>$SIM/runs; n=$(grep -c . $SIM/runs); "

#define OPENOCD(body)                                                                              \
    "#!/bin/sh\n" COUNT_RUNS "for a; do case $a in program*) elf=$(echo \"$a\" | sed 's/program "  \
    "{\\(.*\\)} verify.*/\\1/');; esac; done\n" body
#define COPY_ELF "tail -c 34 \"$elf\" >$SIM/plain; set -- $SIM/plain; " WRITE_IT
#define PLAIN(body)                                                                                \
    "#!/bin/sh\n" COUNT_RUNS "for a; do case $a in *.bin) set -- \"$a\"; break;; esac; "           \
    "done\n" body

static const struct {
    const char *backend, *tool, *hooks; /* hooks: JSON of `recovery` */
    enum err_code code;
    const char *says;     /* in the log, or in the error */
    int runs;             /* of the tool */
    const char *argument; /* that the tool was given */
} rows[] = {
    /* clang-format off */
    {"openocd", OPENOCD(COPY_ELF "echo '** Verified OK **'"), "{}", ERR_OK, "build=b7", 1, "adapter serial SN7"},
    {"openocd", OPENOCD("exit 0"), "{}", ERR_IO, "never said `** Verified OK **`", 6, "target/stm32u5x.cfg"},
    {"openocd", OPENOCD("echo 'Error: open failed'; exit 1"), "{}", ERR_IO, "Error: open failed", 6, "verify reset exit"},
    {"openocd", OPENOCD("echo '** Verified OK **'; echo 'Error: timed out while waiting'; exit 0"), "{}", ERR_IO, "timed out while", 6, "SN7"},
    {"openocd", OPENOCD("[ $n -lt 3 ] && { echo 'Error: open failed'; exit 1; }; " COPY_ELF "echo '** Verified OK **'"), "{}", ERR_OK,
     "recovery: retry", 3, "SN7"},
    {"openocd", OPENOCD("[ -e $SIM/cured ] || exit 1; " COPY_ELF "echo '** Verified OK **'"),
     "{\"usb_reset\": \"touch $SIM/cured; echo cured $SWITCHYARD_BENCH $SWITCHYARD_SERIAL\"}", ERR_OK, "cured b1 SN7", 5, "SN7"},
    {"openocd", OPENOCD("echo SY-BOOT build=b6 >$SIM/other; set -- $SIM/other; " WRITE_IT "echo '** Verified OK **'"), "{}", ERR_CONFLICT,
     "the board runs build b6, expected b7", 6, "SN7"},
    {"st-flash", PLAIN(WRITE_IT "echo 'Flash written and verified! jolly good!'"), "{}", ERR_OK, "build=b7", 1, "--serial SN7 write"},
    {"st-flash", PLAIN("exit 255"), "{}", ERR_IO, "st-flash ended with status 255", 6, "0x08000000"},
    {"st-flash", PLAIN("echo 'ERROR common.c: LIBUSB_ERROR_TIMEOUT'; exit 0"), "{}", ERR_IO, "LIBUSB_ERROR_TIMEOUT", 6, "SN7"},
    {"pyocd", PLAIN(WRITE_IT "exit 0"), "{}", ERR_OK, "build=b7", 1, "-u SN7 -t stm32u575zitxq"},
    {"pyocd", PLAIN("echo '0000345 C No connected debug probes'; exit 0"), "{}", ERR_IO, "No connected debug probes", 6, "SN7"},
    {"STM32_Programmer_CLI", PLAIN(WRITE_IT "echo 'File download complete'"), "{}", ERR_OK, "build=b7", 1, "sn=SN7 mode=UR"},
    {"STM32_Programmer_CLI", PLAIN("echo 'Error: No STM32 target found!'; exit 0"), "{}", ERR_IO, "No STM32 target found", 6, "SN7"},
    {"teleport", "", "{}", ERR_INVALID, "there is no flash back-end teleport", 0, NULL},
    /* clang-format on */
};

static void put(uint8_t *at, uint32_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

/* An image of one segment at 0x08000000: the banner. */
static size_t make_elf(uint8_t out[static 256], uint32_t address)
{
    size_t len = strlen(BANNER);
    memset(out, 0, 256);
    memcpy(out, "\177ELF\1\1\1", 7);
    put(out + 28, 52, 4);
    put(out + 42, 32, 2);
    put(out + 44, 1, 2);
    put(out + 52, 1, 4);
    put(out + 56, 84, 4);
    put(out + 64, address, 4);
    put(out + 68, (uint32_t)len, 4);
    memcpy(out + 84, BANNER, len);
    return 84 + len;
}

static struct lab *open_lab(uv_loop_t *loop, const struct sim *sim, size_t row)
{
    char text[1000];
    struct lab *lab;
    struct err e = {0};
    snprintf(
        text, sizeof(text),
        "[{\"name\": \"b1\", \"target\": \"NUCLEO_U575ZI_Q\", \"board\": {\"backend\": \"%s\", "
        "\"serial\": \"SN7\", \"volume\": \"%s/volume\", \"uart\": \"%s\"}, \"meter\": "
        "{\"port\": \"%s\"}, \"recovery\": %s}]",
        rows[row].backend, sim->dir, sim->uart, sim->meter, rows[row].hooks);
    json_t *config = json_loads(text, 0, NULL);
    ck_assert_ptr_nonnull(config);
    uv_loop_init(loop);
    ck_assert_msg(!lab_open(&lab, loop, config, sim->dir, NULL, &e), "%s", e.detail);
    json_decref(config);
    return lab;
}

static void prepare(struct sim *sim, size_t row)
{
    char path[5000], image[200];
    uint8_t elf[256];
    sim_make_dir(sim);
    snprintf(path, sizeof(path), "%s:%s", sim->dir, getenv("PATH"));
    setenv("PATH", path, 1);
    setenv("SIM", sim->dir, 1);
    sim_file(sim, "qemu-system-arm", QEMU, 0755);
    if (*rows[row].tool)
        sim_file(sim, rows[row].backend, rows[row].tool, 0755);
    sim_run(sim, "");
    snprintf(image, sizeof(image), "%s/image.elf", sim->dir);
    FILE *f = fopen(image, "wb");
    fwrite(elf, 1, make_elf(elf, 0x08000000), f);
    fclose(f);
}

static void flash(struct harness *h, const struct sim *sim, struct lab *lab)
{
    char image[200];
    snprintf(image, sizeof(image), "%s/image.elf", sim->dir);
    h->run.lab = lab;
    h->run.devices = json_pack("{s:{s:s}}", "bench", "name", "b1");
    harness_run(h, &board_flash_step,
                json_pack("{s:s,s:s,s:f}", "image", image, "build_id", "b7", "boot_timeout", 1.0));
    json_decref((json_t *)(uintptr_t)h->run.devices);
}

static void check_runs(const struct sim *sim, size_t row)
{
    char path[200], text[8000] = "";
    snprintf(path, sizeof(path), "%s/runs", sim->dir);
    FILE *f = fopen(path, "r");
    size_t len = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
    int runs = 0;
    for (size_t i = 0; i < len; i++)
        runs += text[i] == '\n';
    if (f)
        fclose(f);
    ck_assert_int_eq(runs, rows[row].runs);
    if (rows[row].argument)
        ck_assert_msg(strstr(text, rows[row].argument), "%s", text);
}

START_TEST(a_tool_is_believed_when_it_proves_itself)
{
    struct harness h = {0};
    struct sim sim;
    uv_loop_t loop;
    prepare(&sim, (size_t)_i);
    struct lab *lab = open_lab(&loop, &sim, (size_t)_i);
    flash(&h, &sim, lab);
    ck_assert_msg(h.code == rows[_i].code, "%s\n%s", h.call.err.detail, h.log);
    ck_assert_msg(strstr(h.code ? h.call.err.detail : h.log, rows[_i].says), "%s\n%s",
                  h.call.err.detail, h.log);
    check_runs(&sim, (size_t)_i);
    const struct bench_health *health = lab_health(lab, lab_at(lab, 0));
    bool tried_all = rows[_i].runs == 6;
    ck_assert(health->quarantined == tried_all);
    ck_assert_uint_eq(health->rungs[RUNG_RETRY], rows[_i].runs > 2 ? 2 : 0);
    ck_assert_uint_eq(health->rungs[RUNG_HUB_CYCLE], tried_all);
    harness_free(&h);
    lab_close(lab, NULL, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    sim_stop(&sim);
}
END_TEST

/* ---- mass storage ---- */

static const struct {
    const char *after; /* what the probe does with the file */
    enum err_code code;
    const char *says;
} volumes[] = {
    {"{ printf '\\177ELF\\n'; cat $v/firmware.bin; } >$SIM/part; mv $SIM/part $SIM/flash.elf; "
     "rm $v/MBED.HTM $v/firmware.bin; sleep 0.3; touch $v/MBED.HTM",
     ERR_OK, "build=b7"},
    {"rm $v/firmware.bin; echo 'The interface firmware FAILED to reset/halt the target MCU' "
     ">$v/FAIL.TXT",
     ERR_IO, "FAILED to reset/halt"},
};

START_TEST(a_volume_has_no_exit_code)
{
    struct sim sim;
    struct arena arena = {0};
    struct bench bench = {.name = "b1", .board_serial = "SN7"};
    char command[1200], volume[100], bin[100];
    sim_make_dir(&sim);
    setenv("SIM", sim.dir, 1);
    snprintf(volume, sizeof(volume), "%s/volume", sim.dir);
    snprintf(bin, sizeof(bin), "%s/image", sim.dir);
    mkdir(volume, 0755);
    sim_file(&sim, "volume/MBED.HTM", "", 0644);
    sim_file(&sim, "image", BANNER, 0644);
    bench.volume = volume;
    snprintf(command, sizeof(command),
             "v=%s; (while ! [ -s $v/firmware.bin ]; do sleep 0.05; done; %s) &", volume,
             volumes[_i].after);
    ck_assert_int_eq(system(command), 0);
    struct board_flash flash = {.bench = &bench, .bin = bin};
    struct step_work work = {.arg = &flash, .arena = &arena};
    enum err_code code = board_write_msd(&work);
    ck_assert_msg(code == volumes[_i].code, "%s", work.err.detail);
    if (code)
        ck_assert_msg(strstr(work.err.detail, volumes[_i].says), "%s", work.err.detail);
    else
        ck_assert_int_eq(system("grep -q SY-BOOT $SIM/flash.elf"), 0);
    arena_reset(&arena);
    snprintf(command, sizeof(command), "rm -rf %s", sim.dir);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

/* ---- images ---- */

START_TEST(damaged_images_are_refused)
{
    char folder[] = "/tmp/image-XXXXXX", path[64], bin[64];
    uint8_t elf[256];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/elf", folder);
    snprintf(bin, sizeof(bin), "%s/bin", folder);
    size_t len = make_elf(elf, 0x08004000), accepted = 0;
    for (size_t cut = 0; cut <= len; cut++) {
        struct arena arena = {0};
        struct board_flash flash = {.image = path, .bin = bin};
        struct step_work work = {.arg = &flash, .arena = &arena};
        FILE *f = fopen(path, "wb");
        fwrite(elf, 1, cut, f);
        fclose(f);
        if (!board_make_bin(&work)) {
            accepted++;
            ck_assert_uint_eq(flash.address, 0x08004000);
        } else
            ck_assert_ptr_nonnull(strstr(work.err.detail, "is not an ELF file"));
        arena_reset(&arena);
    }
    ck_assert_uint_eq(accepted, 1); /* the whole one */
    unlink(path);
    unlink(bin);
    rmdir(folder);
}
END_TEST

/* ---- USB ---- */

START_TEST(ports_are_found_by_serial)
{
    struct usb_device devices[USB_DEVICES_MAX];
    char path[USB_PATH_BYTES], root[] = "/tmp/usb-XXXXXX", command[3000];
    struct err e = {0};
    ck_assert_ptr_nonnull(mkdtemp(root));
    snprintf(command, sizeof(command),
             "cd %s; dev() { mkdir -p $1; echo 0483 >$1/idVendor; echo $2 >$1/idProduct; echo $3 "
             ">$1/serial; echo $4 >$1/product; echo 0 >$1/authorized; }\n"
             "dev 1-4 3757 V3P STLINK-V3PWR; mkdir -p 1-4/1-4:1.1/tty/ttyACM1 "
             "1-4/1-4:1.4/tty/ttyACM7\n"
             "dev 1-5.2 374e SN7 STLINK-V3; mkdir -p 1-5.2/1-5.2:1.2/tty/ttyACM0\n"
             "dev 1-6 5740 LPM 'PowerShield (Virtual ComPort in FS Mode)'; mkdir -p "
             "1-6/1-6:1.0/tty/ttyACM4\n"
             "dev 1-7 5740 ELSE 'something else'; dev 1-8 374b SN8 STM32; dev 1-9 374b SN8 STM32\n"
             "mkdir -p 2-1; echo 1d6b >2-1/idVendor",
             root);
    ck_assert_int_eq(system(command), 0);
    ck_assert_uint_eq(usb_list(root, devices), 5);
    ck_assert_int_eq(usb_port(root, "V3P", -1, path, &e), ERR_OK);
    ck_assert_str_eq(path, "/dev/ttyACM7");
    ck_assert_int_eq(usb_port(root, "V3P", 1, path, &e), ERR_OK);
    ck_assert_str_eq(path, "/dev/ttyACM1");
    ck_assert_int_eq(usb_port(root, "SN7", -1, path, &e), ERR_OK);
    ck_assert_str_eq(path, "/dev/ttyACM0");
    ck_assert_int_eq(usb_port(root, "LPM", -1, path, &e), ERR_OK);
    ck_assert_str_eq(path, "/dev/ttyACM4");
    ck_assert_int_eq(usb_port(root, "SN8", -1, path, &e), ERR_CONFLICT);
    ck_assert_int_eq(usb_port(root, "SN9", -1, path, &e), ERR_NOT_FOUND);
    ck_assert_int_eq(usb_cycle(root, "SN7", &e), ERR_OK);
    snprintf(command, sizeof(command), "grep -q 1 %s/1-5.2/authorized && rm -rf %s", root, root);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("board_tools");
    TCase *t = tcase_create("tools");
    tcase_set_timeout(t, 90);
    tcase_add_loop_test(t, a_tool_is_believed_when_it_proves_itself, 0, COUNT(rows));
    tcase_add_loop_test(t, a_volume_has_no_exit_code, 0, COUNT(volumes));
    tcase_add_test(t, damaged_images_are_refused);
    tcase_add_test(t, ports_are_found_by_serial);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
