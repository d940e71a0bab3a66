/* board.flash with the tools that people flash boards with.  The tools are scripts that behave as
 * the reference says (exit codes that lie included); meter and board are the simulator; QEMU is a
 * script that sends what stands in the image behind the ELF mark. */
#include "tests/unit/flash_harness.h"
#include "worker/lab/recovery.h"
#include "worker/lab/usb.h"

/* Writes the board's flash: $1 is a file whose bytes are to be run. */
#define WRITE_IT "{ printf '\\177ELF\\n'; cat \"$1\"; } >$SIM/part; mv $SIM/part $SIM/flash.elf; "
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
    /* each rung may be a hook, the last too; the error is that of the tool */
    {"openocd", OPENOCD("echo 'Error: open failed'; exit 1"),
     "{\"retry\": \"echo h-retry\", \"power_cycle\": \"echo h-power\", \"usb_reset\": \"exit 3\", \"hub_cycle\": \"echo h-hub\", \"quarantine\": \"echo h-last $SWITCHYARD_BENCH >>$SIM/runs\"}",
     ERR_IO, "Error: open failed", 7, "h-last b1"},
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

START_TEST(a_tool_is_believed_when_it_proves_itself)
{
    struct harness h = {0};
    struct sim sim;
    uv_loop_t loop;
    char runs[8000];
    flash_prepare(&sim);
    if (*rows[_i].tool)
        sim_file(&sim, rows[_i].backend, rows[_i].tool, 0755);
    struct lab *lab = flash_lab(&loop, &sim, rows[_i].backend, rows[_i].hooks);
    flash_run(&h, &sim, lab, 120);
    ck_assert_msg(h.code == rows[_i].code, "%s\n%s", h.call.err.detail, h.log);
    ck_assert_msg(strstr(h.code ? h.call.err.detail : h.log, rows[_i].says), "%s\n%s",
                  h.call.err.detail, h.log);
    ck_assert_int_eq(flash_runs(&sim, runs, sizeof(runs)), rows[_i].runs);
    if (rows[_i].argument)
        ck_assert_msg(strstr(runs, rows[_i].argument), "%s", runs);
    const struct bench_health *health = lab_health(lab, lab_at(lab, 0));
    bool tried_all = rows[_i].runs >= 6;
    ck_assert(health->quarantined == tried_all);
    ck_assert_uint_eq(health->rungs[RUNG_RETRY], rows[_i].runs > 2 ? 2 : 0);
    ck_assert_uint_eq(health->rungs[RUNG_HUB_CYCLE], tried_all);
    flash_over(&h, &sim, lab, &loop);
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
    size_t len = flash_elf(elf, 0x08004000), accepted = 0;
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
    tcase_add_test(t, damaged_images_are_refused);
    tcase_add_test(t, ports_are_found_by_serial);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
