/* The firmware's model reader and arithmetic, on the host: sums that TensorFlow Lite's reference
 * kernels give for the same inputs, and reasons for files that are refused. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/demo/firmware/network.c"
#include "deploy/demo/firmware/tflite.c"
#include "shared/base/base.h"

static struct network net;
static uint8_t file[512 << 10];

static uint32_t load(const char *name)
{
    char path[200];
    snprintf(path, sizeof(path), "deploy/demo/models/%s.tflite", name);
    FILE *f = fopen(path, "rb");
    ck_assert_msg(f != NULL, "%s cannot be opened", path);
    size_t size = fread(file, 1, sizeof(file), f);
    fclose(f);
    return (uint32_t)size;
}

static uint32_t checksum(uint32_t count)
{
    static int8_t in[MAX_WIDTH], out[MAX_WIDTH];
    uint32_t crc = 0;
    for (uint32_t k = 0; k < count; k++) {
        network_input(&net, k, in);
        network_run(&net, in, out);
        crc = crc32_add(crc, out, network_outputs(&net));
    }
    return crc;
}

static const struct {
    const char *model;
    uint32_t count, check; /* by tflite_runtime 2.14, BUILTIN_REF */
    uint16_t layers;
} sums[] = {
    {"ad01", 10, 0x6cf0d91d, 10},    {"ad01", 1000, 0x19c319d6, 10},
    {"fc-large", 50, 0xb7ca4ff6, 3}, {"fc-medium", 50, 0x886cc955, 3},
    {"fc-small", 50, 0xf7216e4d, 3}, {"fc-tiny", 50, 0x2a70e48b, 2},
    {"fc-wide", 50, 0x720470f4, 2},
};

START_TEST(sums_are_tensorflows)
{
    uint32_t size = load(sums[_i].model);
    const char *wrong = network_read(&net, file, size);
    ck_assert_msg(!wrong, "%s: %s", sums[_i].model, wrong);
    ck_assert_uint_eq(net.layer_count, sums[_i].layers);
    ck_assert_uint_eq(checksum(sums[_i].count), sums[_i].check);
}
END_TEST

/* Replaces bytes of ad01 and looks at the reason. */
static const struct {
    const char *find;
    size_t find_len;
    const char *put;
    size_t len;
    const char *reason;
} refusals[] = {
    /* clang-format off */
    {"TFL3", 4, "TFL2", 4, "the file has no TFL3 id"},
    {"\x80\0\0\0\x80\x02\0\0", 8, "\x81\0\0", 3, "weights have not the size of their shape"},
    {"\x80\0\0\0\x80\x02\0\0", 8, "\0\0\0",   3, "a layer is empty or too wide"},
    {"\x26\x33\xc8\x3e", 4, "\0\0\0", 4, "a scale is not in (2^-32, 1)"},
    {"\0\0\0\x09\x04\0\0\0", 8, "\0\0\0\x08", 4, "an operator is not FULLY_CONNECTED"},
    /* clang-format on */
};

START_TEST(bad_files_have_reasons)
{
    uint32_t size = load("ad01");
    uint8_t *at = memmem(file, size, refusals[_i].find, refusals[_i].find_len);
    ck_assert_ptr_nonnull(at);
    memcpy(at, refusals[_i].put, refusals[_i].len);
    const char *wrong = network_read(&net, file, size);
    ck_assert_ptr_nonnull(wrong);
    ck_assert_str_eq(wrong, refusals[_i].reason);
}
END_TEST

/* Whatever is cut off, the reader refuses it or the layers lie inside what is left. */
START_TEST(truncated_files_are_refused)
{
    uint32_t size = load("fc-tiny");
    for (uint32_t left = 0; left < size; left++) {
        uint8_t *cut = malloc(left ? left : 1);
        memcpy(cut, file, left);
        if (!network_read(&net, cut, left))
            (void)checksum(1);
        free(cut);
    }
    ck_assert_ptr_nonnull(network_read(&net, file, size / 2));
}
END_TEST

static const struct {
    double value;
    int32_t factor;
    int shift; /* -1: refused */
} multipliers[] = {
    {0.5, 1 << 30, 0},      {0.75, 3 << 29, 0}, {0.25, 1 << 30, 1},
    {0x1p-31, 1 << 30, 30}, {1.0, 0, -1},       {0.0, 0, -1},
    {-0.5, 0, -1},          {0x1p-40, 0, -1},   {0x1.ffffffffffp-1, 0, -1},
};

START_TEST(multipliers_are_normalised)
{
    struct scale s = {0, 99};
    const char *wrong = quantise(multipliers[_i].value, &s);
    ck_assert_int_eq(wrong != NULL, multipliers[_i].shift < 0);
    if (wrong)
        return;
    ck_assert_int_eq(s.factor, multipliers[_i].factor);
    ck_assert_int_eq(s.shift, multipliers[_i].shift);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("firmware");
    TCase *tc = tcase_create("model");
    tcase_add_loop_test(tc, sums_are_tensorflows, 0, COUNT(sums));
    tcase_add_loop_test(tc, bad_files_have_reasons, 0, COUNT(refusals));
    tcase_add_test(tc, truncated_files_are_refused);
    tcase_add_loop_test(tc, multipliers_are_normalised, 0, COUNT(multipliers));
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
