/* What build tools print about flash and RAM. */
#include <check.h>
#include <string.h>

#include "worker/lab/firmware_size.h"

static const struct {
    const char *text;
    int64_t flash, ram, overflow;
    const char *region;
} rows[] = {
    /* clang-format off */
    {"   text\t   data\t    bss\t    dec\t    hex\tfilename\n 286640\t      8\t  46004\t 332652\t  51364\tbuild/firmware.elf",
     286648, 46012, 0, ""},
    {"Total Static RAM memory (data + bss): 10160(+0) bytes\nTotal Flash memory (text + data): 48231(+12) bytes",
     48231, 10160, 0, ""},
    {"ld: region `FLASH' overflowed by 13428 bytes", -1, -1, 13428, "FLASH"},
    {"ld: region `RAM' overflowed by 9 bytes\nld: region `FLASH' overflowed by 4 bytes", -1, -1, 9, "RAM"},
    {"ld: region `RAM' overflowed by 1 byte", -1, -1, 1, "RAM"},
    {"   text    data     bss     dec     hex filename\nno such file", -1, -1, 0, ""},
    {"text without columns\n 1 2 3", -1, -1, 0, ""},
    {"region `a name of more than thirty-two characters' overflowed by 7 bytes", -1, -1, 0, ""},
    {"region `FLASH' overflowed by 99999999999999999999 bytes", -1, -1, 0, ""},
    {"region `FLASH' overflowed by many bytes", -1, -1, 0, ""},
    {"", -1, -1, 0, ""},
    /* clang-format on */
};

START_TEST(sizes_are_found)
{
    struct firmware_size size = FIRMWARE_SIZE_UNKNOWN;
    char text[400], *rest = text, *line;
    strcpy(text, rows[_i].text);
    while ((line = strsep(&rest, "\n")))
        firmware_size_line(&size, line);
    ck_assert_int_eq(size.flash_bytes, rows[_i].flash);
    ck_assert_int_eq(size.ram_bytes, rows[_i].ram);
    ck_assert_int_eq(size.overflow_bytes, rows[_i].overflow);
    ck_assert_str_eq(size.region, rows[_i].region);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("firmware_size");
    TCase *tc = tcase_create("lines");
    tcase_add_loop_test(tc, sizes_are_found, 0, sizeof(rows) / sizeof(rows[0]));
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
