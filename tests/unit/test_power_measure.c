/* power.measure on an emulated bench: the demo's firmware, built here, evaluates a real model in
 * QEMU. Skipped where the cross compiler or QEMU is missing. */
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/bench_harness.h"
#include "tests/unit/step_harness.h"

#define BENCH "[{\"name\": \"b1\", \"target\": \"netduinoplus2\", \"emulated\": true}]"

static void run(const char *command)
{
    ck_assert_msg(system(command) == 0, "%s", command);
}

/* The model as a header, the image as the board's flash. */
static void build_firmware(void)
{
    char header[128], command[800];
    snprintf(header, sizeof(header), "%s/model.h", folder);
    FILE *model = fopen("deploy/demo/models/fc-small.tflite", "rb"), *out = fopen(header, "w");
    ck_assert(model && out);
    fprintf(out, "#define MODEL_NAME \"fc-small\"\n"
                 "static const unsigned char g_model[] __attribute__((aligned(16))) = {");
    for (int c; (c = fgetc(model)) != EOF;)
        fprintf(out, "%d,", c);
    fprintf(out, "};\n");
    fclose(model);
    fclose(out);
    snprintf(command, sizeof(command),
             "make -s -C deploy/demo/firmware TARGET=netduinoplus2 MODEL_HEADER=%s BUILD_ID=b42 "
             "OUT=%s/fw >/dev/null 2>&1",
             header, folder);
    run(command);
    snprintf(command, sizeof(command),
             "cp %s/fw/firmware.elf %s/benches/b1/flash.part && mv %s/benches/b1/flash.part "
             "%s/benches/b1/flash.elf",
             folder, folder, folder, folder);
    run(command);
}

static void open_bench(void)
{
    char simulator[600];
    bench_folder();
    sim_program("switchyard-benchsim", simulator, sizeof(simulator));
    bench_open(BENCH, simulator);
}

static double number(const json_t *record, const char *name)
{
    const json_t *value = json_object_get(record, name);
    ck_assert_msg(json_is_number(value), "%s is not a number", name);
    return json_number_value(value);
}

static void check_record(const struct harness *h)
{
    json_t *record = json_object_get(h->call.outputs, "measurement");
    json_t *artifact = json_array_get(h->artifacts, 0);
    ck_assert_str_eq(json_string_value(json_object_get(artifact, "type")), "measurement");
    ck_assert(json_equal(json_object_get(artifact, "data"), record));
    ck_assert(json_is_true(json_object_get(record, "emulated")));
    ck_assert_uint_eq(json_array_size(json_object_get(record, "windows")), 3);
    ck_assert_uint_eq(json_array_size(json_object_get(record, "gates")), 10);
    ck_assert_int_eq(json_integer_value(json_object_get(record, "flash_bytes")), 1234);
    ck_assert(json_is_null(json_object_get(record, "ram_bytes")));
    const json_t *provenance = json_object_get(record, "provenance");
    ck_assert_double_eq(number(provenance, "meter_temperature_c"), 27);
    ck_assert_str_eq(json_string_value(json_object_get(provenance, "agent_version")), VERSION);
    ck_assert_str_eq(json_string_value(json_object_get(provenance, "meter_model")), "STLINK-V3PWR");
    ck_assert_double_ge(number(record, "dynamic_uncertainty_rel"),
                        number(record, "uncertainty_rel"));
    double latency_s = number(record, "latency_s"),
           energy_j = number(record, "median_energy_per_inference_j");
    ck_assert_double_gt(latency_s, 1e-5);
    /* about 22 mA at 3 V, 7.1 mA of it idle */
    ck_assert_double_gt(energy_j, 3.0 * 0.015 * latency_s);
    ck_assert_double_lt(energy_j, 3.0 * 0.03 * latency_s);
    ck_assert_double_eq_tol(number(record, "baseline_a"), 0.0071, 0.0002);
    double share = number(record, "median_dynamic_energy_per_inference_j") / energy_j;
    ck_assert_double_eq_tol(share, 1 - 3.0 * 0.0071 * latency_s / energy_j, 0.02);
    struct stat st;
    const char *trace = json_string_value(json_object_get(h->call.outputs, "trace"));
    ck_assert_int_eq(stat(trace, &st), 0);
    ck_assert_int_eq(st.st_size, (off_t)number(json_object_get(record, "trace"), "bytes"));
}

START_TEST(a_board_is_measured)
{
    if (system("command -v qemu-system-arm arm-none-eabi-gcc >/dev/null")) {
        printf("power_measure: skipped, no cross compiler or QEMU\n");
        return;
    }
    struct harness h = {0};
    open_bench();
    build_firmware();
    h.run.lab = lab;
    h.run.devices = json_pack("{s:{s:s}}", "bench", "name", "b1");
    harness_run(&h, &power_measure_step,
                json_pack("{s:s,s:s,s:f,s:s,s:i,s:f,s:f,s:i}", "model", "fc-small", "build_id",
                          "b42", "volts", 3.0, "rate", "50k", "windows", 3, "window", 0.3,
                          "baseline", 0.3, "flash_bytes", 1234));
    ck_assert_msg(!h.code, "%s\n%s", h.call.err.detail, h.log);
    check_record(&h);
    json_decref((json_t *)(uintptr_t)h.run.devices);
    harness_free(&h);
    bench_close();
}
END_TEST

START_TEST(wrong_settings_are_named)
{
    static const struct {
        const char *name, *value, *says;
    } rows[] = {{"rate", "\"3k\"", "`rate` is one of"},
                {"volts", "5.0", "`volts` is 1.6 to 3.6, not 5"},
                {"windows", "0", "`windows` is 1 to"},
                {"attempts", "0", "`attempts` is 1 to 10"}};
    open_bench();
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct harness h = {0};
        h.run.lab = lab;
        h.run.devices = json_pack("{s:{s:s}}", "bench", "name", "b1");
        json_t *with = json_pack("{s:s,s:s}", "model", "m", "build_id", "b");
        json_object_set_new(with, rows[i].name, json_loads(rows[i].value, JSON_DECODE_ANY, NULL));
        harness_run(&h, &power_measure_step, with);
        ck_assert_int_eq(h.code, ERR_INVALID);
        ck_assert_msg(strstr(h.call.err.detail, rows[i].says), "%s", h.call.err.detail);
        json_decref((json_t *)(uintptr_t)h.run.devices);
        harness_free(&h);
    }
    bench_close();
}
END_TEST

static bool at_first_line(struct harness *h, const char *line)
{
    (void)h;
    return strstr(line, "per window");
}

START_TEST(cancel_ends_it)
{
    struct harness h = {.cancel_on = at_first_line};
    open_bench();
    if (!system("command -v qemu-system-arm arm-none-eabi-gcc >/dev/null")) {
        build_firmware();
        h.run.lab = lab;
        h.run.devices = json_pack("{s:{s:s}}", "bench", "name", "b1");
        harness_run(
            &h, &power_measure_step,
            json_pack("{s:s,s:s,s:i}", "model", "fc-small", "build_id", "b42", "windows", 100));
        ck_assert_int_eq(h.code, ERR_CANCELLED);
        json_decref((json_t *)(uintptr_t)h.run.devices);
        harness_free(&h);
    }
    bench_close();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("power_measure");
    TCase *t = tcase_create("power_measure");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_board_is_measured);
    tcase_add_test(t, wrong_settings_are_named);
    tcase_add_test(t, cancel_ends_it);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
