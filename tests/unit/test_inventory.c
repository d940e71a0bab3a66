/* What an agent tells of its devices: benches with their parts, declared ones, and what sysfs
 * shows; which of them a step may drive, and until when. */
#include "tests/unit/step_harness.h"
#include "worker/lab/bench_config.h"
#include "worker/lab/identify.h"
#include "worker/lab/inventory.h"
#include "worker/lab/lease.h"

static char folder[64], root[80];
static uv_loop_t loop;
static struct lab *lab;
static struct inventory inventory;

/* JSON with ' for ". */
static json_t *json_of(const char *text)
{
    char copy[1000];
    snprintf(copy, sizeof(copy), "%s", text);
    for (char *c = copy; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    json_t *value = json_loads(copy, 0, NULL);
    ck_assert_msg(value != NULL, "%s", copy);
    return value;
}

static void shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void shell(const char *format, ...)
{
    char command[600];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof(command), format, args);
    va_end(args);
    ck_assert_int_eq(system(command), 0);
}

static void plug(const char *port, const char *product, const char *serial, const char *name,
                 const char *release)
{
    shell(
        "mkdir -p %s/%s && cd %s/%s && echo 0483 >idVendor && echo %s >idProduct && echo %s >serial"
        " && echo '%s' >product && echo %s >bcdDevice",
        root, port, root, port, product, serial, name, release);
}

static const char benches[] =
    "[{'name':'b1','target':'f7','location':'shelf 2','labels':{'rack':'3'},'capabilities':['eth'],"
    "'board':{'backend':'openocd','serial':'066E','uart':'usb:066E'},'meter':{'port':'usb:003A'}}]";

static void open_all(const char *declared)
{
    struct err e = {0};
    json_t *config = json_of(benches);
    strcpy(folder, "/tmp/test_inventory-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(root, sizeof(root), "%s/usb", folder);
    shell("mkdir %s", root);
    uv_loop_init(&loop);
    ck_assert_msg(!lab_open(&lab, &loop, config, folder, "/bin/true", &e), "%s", e.detail);
    json_decref(config);
    inventory = (struct inventory){.lab = lab,
                                   .declared = declared ? json_of(declared) : NULL,
                                   .sysfs = root,
                                   .discover = true};
}

static void close_all(void)
{
    json_decref((json_t *)(uintptr_t)inventory.declared);
    inventory_close(&inventory);
    lab_close(lab, NULL, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    shell("rm -rf '%s'", folder);
}

static json_t *device(json_t *list, const char *name)
{
    json_t *item;
    size_t i;
    json_array_foreach(list, i, item) if (!strcmp(json_string_value(json_object_get(item, "name")),
                                                  name)) return item;
    return NULL;
}

static const char *text(json_t *list, const char *name, const char *member, const char *below)
{
    json_t *value = json_object_get(device(list, name), member);
    const char *found = json_string_value(below ? json_object_get(value, below) : value);
    return found ? found : "";
}

START_TEST(a_bench_is_told_with_its_parts)
{
    open_all(NULL);
    const struct bench *b = lab_at(lab, 0);
    lab_note_flash(lab, b, true);
    lab_note_meter(lab, b, "003A", "5.0");
    lab_note_probe(lab, b, "V2J37M26");
    json_t *list = inventory_devices(&inventory);
    ck_assert_uint_eq(json_array_size(list), 3);
    ck_assert_str_eq(text(list, "b1", "type", NULL), "bench");
    ck_assert_str_eq(text(list, "b1", "location", NULL), "shelf 2");
    ck_assert_str_eq(text(list, "b1", "labels", "rack"), "3");
    ck_assert_uint_eq(json_array_size(json_object_get(device(list, "b1"), "capabilities")), 1);
    ck_assert_str_eq(text(list, "b1.board", "type", NULL), "board");
    ck_assert_str_eq(text(list, "b1.board", "bench", NULL), "b1");
    ck_assert_str_eq(text(list, "b1.board", "target", NULL), "f7");
    ck_assert_str_eq(text(list, "b1.board", "labels", "serial"), "066E");
    ck_assert_str_eq(text(list, "b1.board", "firmware", "probe"), "V2J37M26");
    ck_assert_str_eq(text(list, "b1.meter", "type", NULL), "meter");
    ck_assert_str_eq(text(list, "b1.meter", "firmware", "meter"), "5.0");
    ck_assert_str_eq(text(list, "b1.meter", "labels", "serial"), "003A");
    json_t *health = json_object_get(device(list, "b1.board"), "health");
    ck_assert_int_eq(json_integer_value(json_object_get(health, "flashes")), 1);
    ck_assert(json_is_false(json_object_get(device(list, "b1"), "free"))); /* no ports */
    json_decref(list);
    close_all();
}
END_TEST

START_TEST(what_is_plugged_in_is_found_by_its_serial)
{
    open_all(
        "[{'name':'jig','type':'jig','usb':'J1','capacity':2},{'name':'oven','type':'chamber'}]");
    plug("1-1", "374b", "066E", "STM32 STLink", "0100"); /* the board of b1 */
    plug("1-2", "3757", "003A", "STLINK-V3PWR", "0307"); /* its meter */
    plug("1-3", "374e", "0042", "STLINK-V3", "0301");    /* nobody's */
    plug("1-4", "3757", "0077", "STLINK-V3PWR", "0307");
    plug("1-5", "5740", "LPM1", "STM32 Virtual ComPort", "02"); /* no meter */
    json_t *list = inventory_devices(&inventory);
    ck_assert_uint_eq(json_array_size(list), 3 + 2 + 2);
    ck_assert_str_eq(text(list, "board-0042", "type", NULL), "board");
    ck_assert_str_eq(text(list, "board-0042", "labels", "usb"), "0483:374e");
    ck_assert_str_eq(text(list, "board-0042", "firmware", "usb"), "3.01");
    ck_assert_str_eq(text(list, "board-0042", "firmware", "probe"), ""); /* USB does not know it */
    ck_assert_str_eq(text(list, "b1.meter", "firmware", "usb"), "3.07");
    ck_assert_str_eq(text(list, "meter-0077", "type", NULL), "meter");
    ck_assert_str_eq(text(list, "meter-0077", "labels", "discovered"), "true");
    ck_assert_int_eq(json_integer_value(json_object_get(device(list, "jig"), "capacity")), 2);
    ck_assert(json_is_false(json_object_get(device(list, "jig"), "free")));
    ck_assert(json_is_true(json_object_get(device(list, "oven"), "free")));
    json_decref(list);
    plug("1-9", "374e", "J1", "STLINK-V3", "0301"); /* the jig comes, 0042 goes; ports move */
    shell("rm -r %s/1-3 && mv %s/1-4 %s/2-7", root, root, root);
    inventory.looked_us = 0;
    list = inventory_devices(&inventory);
    ck_assert(json_is_true(json_object_get(device(list, "jig"), "free")));
    ck_assert_ptr_null(device(list, "board-0042"));
    ck_assert_ptr_nonnull(device(list, "meter-0077"));
    json_decref(list);
    inventory.discover = false;
    list = inventory_devices(&inventory);
    ck_assert_uint_eq(json_array_size(list), 3 + 2);
    json_decref(list);
    close_all();
}
END_TEST

START_TEST(what_befell_a_bench_outlives_its_agent)
{
    char path[100];
    open_all(NULL);
    const struct bench *b = lab_at(lab, 0);
    snprintf(path, sizeof(path), "%s/health.json", folder);
    lab_keep_health(lab, path);
    lab_note_flash(lab, b, false);
    lab_note_rung(lab, b, RUNG_RETRY, "");
    lab_note_rung(lab, b, RUNG_RETRY, "");
    lab_note_rung(lab, b, RUNG_QUARANTINE, "nothing helped");
    *lab_health(lab, b) = (struct bench_health){0};
    lab_keep_health(lab, path); /* as the next start does */
    struct bench_health *h = lab_health(lab, b);
    ck_assert_uint_eq(h->flashes, 1);
    ck_assert_uint_eq(h->failures, 1);
    ck_assert_uint_eq(h->rungs[RUNG_RETRY], 2);
    ck_assert_uint_eq(h->rungs[RUNG_QUARANTINE], 1);
    ck_assert(h->quarantined);
    ck_assert_str_eq(h->reason, "nothing helped");
    lab_return(lab, b);
    lab_keep_health(lab, path);
    ck_assert(!h->quarantined);
    shell("echo '{\"b1\": {\"flashes\": -3, \"retry\": \"x\"' > %s", path); /* cut off */
    lab_keep_health(lab, path);
    ck_assert_uint_eq(h->flashes, 1);
    shell("echo '{\"b1\": {\"flashes\": -3, \"retry\": \"x\"}}' > %s", path);
    lab_keep_health(lab, path);
    ck_assert_uint_eq(h->flashes, 0);
    close_all();
}
END_TEST

static const struct {
    const char *details, *version; /* NULL: none */
} volumes[] = {
    {"Version: 0221\nBuild:   Jan  7 2019 16:41:17\n", "0221"},
    {"# DAPLink Firmware\r\nUnique ID: 07\r\nInterface Version: 0255\r\n", "0255"},
    {"Build: Version: 7\n", NULL},
    {"Version:\n", NULL},
    {NULL, NULL},
};

START_TEST(a_probe_says_its_version_on_its_volume)
{
    char version[48] = "", path[100];
    open_all(NULL);
    snprintf(path, sizeof(path), "%s/DETAILS.TXT", folder);
    if (volumes[_i].details) {
        FILE *f = fopen(path, "w");
        ck_assert_ptr_nonnull(f);
        fputs(volumes[_i].details, f);
        fclose(f);
    }
    ck_assert_int_eq(identify_details(folder, version, sizeof(version)),
                     volumes[_i].version != NULL);
    if (volumes[_i].version)
        ck_assert_str_eq(version, volumes[_i].version);
    close_all();
}
END_TEST

static const struct {
    const char *declared, *detail; /* NULL: accepted */
} declarations[] = {
    /* clang-format off */
    {"[{'name':'a','type':'jig'}]", NULL},
    {"[{'name':'a','type':'jig','target':'x','capabilities':['c'],'labels':{'k':'v'},'location':'l','firmware':{'f':'1'},'bench':'b1','capacity':9,'usb':'S'}]", NULL},
    {"{}", "expected a list"},
    {"[{'type':'jig'}]", "`name` is missing"},
    {"[{'name':'a'}]", "a: `type` is missing"},
    {"[{'name':'a','type':'jig','capacity':0}]", "a: `capacity` is not a number from 1 to 1000"},
    {"[{'name':'a','type':'jig','labels':{'k':1}}]", "a: `labels` is not a map of texts"},
    {"[{'name':'a','type':'jig','capabilities':'c'}]", "a: `capabilities` is not a list of texts"},
    {"[{'name':'a','type':'jig','seriel':'S'}]", "a: there is no member `seriel`"},
    {"[{'name':'a','type':'jig'},{'name':'a','type':'jig'}]", "two have the name a"},
    {"[{'name':'b1.meter','type':'jig'}]", "two have the name b1.meter"},
    {"[{'name':'b1.probe','type':'jig'}]", NULL},
    /* clang-format on */
};

START_TEST(declarations_are_checked)
{
    struct err e = {0};
    json_t *declared = json_of(declarations[_i].declared), *of_benches = json_of(benches);
    enum err_code code = inventory_check(of_benches, declared, &e);
    const char *detail = declarations[_i].detail;
    ck_assert_msg(detail ? code && strstr(e.detail, detail) : !code, "%s", e.detail);
    json_decref(declared);
    json_decref(of_benches);
}
END_TEST

/* ---- who may drive what ---- */

static const struct {
    const char *devices, *device; /* `device` of the step */
    const char *detail;           /* NULL: it may */
} drivers[] = {
    /* clang-format off */
    {"{'bench':{'name':'b1'}}", NULL, NULL},
    {"{'left':{'name':'b1'}}", NULL, NULL},
    {"{'left':{'name':'b1'},'right':{'name':'b2'}}", "left", NULL},
    {"{'left':{'name':'b1'},'right':{'name':'b2'}}", NULL, "needs the device `bench`"},
    {"{'left':{'name':'b1'},'right':{'name':'b2'}}", "right", "no bench named b2"},
    {"{'board':{'name':'b1.board'},'meter':{'name':'b1.meter'}}", "board", NULL},
    {"{'board':{'name':'b1.board'},'meter':{'name':'b1.meter'}}", "meter", NULL},
    {"{'board':{'name':'b1.board'}}", "board", "has not its meter"},
    {"{'all':[{'name':'b1'},{'name':'b2'}]}", "all", NULL},
    {"{}", NULL, "needs the device `bench`"},
    /* clang-format on */
};

static bool is_refused(const struct step_run *run, const char *as, const char *detail)
{
    const struct bench *b = NULL;
    json_t *with = as ? json_pack("{s:s}", "device", as) : json_object();
    struct step_call call = {.step = &board_off_step, .run = run, .with = with};
    enum err_code code = bench_of(&call, &b);
    json_decref(with);
    ck_assert_msg(!detail || code == ERR_OK || strstr(call.err.detail, detail), "%s",
                  call.err.detail);
    ck_assert(code || b == lab_at(lab, 0));
    return code != ERR_OK;
}

START_TEST(a_step_drives_what_the_run_has)
{
    open_all(NULL);
    json_t *devices = json_of(drivers[_i].devices);
    struct step_run run = {.devices = devices, .lab = lab};
    ck_assert_int_eq(is_refused(&run, drivers[_i].device, drivers[_i].detail),
                     drivers[_i].detail != NULL);
    json_decref(devices);
    close_all();
}
END_TEST

START_TEST(a_lease_that_is_over_drives_nothing)
{
    open_all(NULL);
    json_t *devices = json_of("{'bench':{'name':'b1'}}");
    struct lease lease = {.token = 7};
    struct step_run run = {.devices = devices, .lab = lab, .lease = &lease};
    ck_assert(!is_refused(&run, NULL, NULL)); /* the server does not say how long */
    ck_assert(lease_left_us(&lease) == INT64_MAX);
    lease_extend(&lease, lease_now_us(), 60);
    ck_assert(!is_refused(&run, NULL, NULL));
    ck_assert(!lease_ends(&lease, 60));
    lease_extend(&lease, lease_now_us() - 50 * 1000000, 60);
    ck_assert(lease_ends(&lease, 60)); /* to be stopped; switching off is still allowed */
    ck_assert(lease_left_us(&lease) > 0 && lease_left_us(&lease) <= 9 * 1000000); /* a guard less */
    ck_assert(!is_refused(&run, NULL, NULL));
    lease_extend(&lease, lease_now_us() - 60 * 1000000, 60);
    ck_assert(is_refused(&run, NULL, "the lease of b1 (token 7) is over"));
    ck_assert_int_eq(lease_left_us(&lease), 0);
    lease_extend(&lease, lease_now_us(), 60);
    lab_leased(lab, lab_at(lab, 0), 7);
    ck_assert(!is_refused(&run, NULL, NULL));
    lab_leased(lab, lab_at(lab, 0), 9);
    lab_leased(lab, lab_at(lab, 0), 8);
    ck_assert(is_refused(&run, NULL, "b1 was leased anew (token 9 after 7)"));
    lease.token = 9;
    ck_assert(!is_refused(&run, NULL, NULL));
    atomic_store(&lease.lost, true);
    ck_assert(is_refused(&run, NULL, "(token 9) was lost"));
    json_decref(devices);
    close_all();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("inventory");
    TCase *all = tcase_create("all");
    tcase_add_test(all, a_bench_is_told_with_its_parts);
    tcase_add_test(all, what_is_plugged_in_is_found_by_its_serial);
    tcase_add_test(all, what_befell_a_bench_outlives_its_agent);
    tcase_add_loop_test(all, a_probe_says_its_version_on_its_volume, 0, COUNT(volumes));
    tcase_add_loop_test(all, declarations_are_checked, 0, COUNT(declarations));
    tcase_add_loop_test(all, a_step_drives_what_the_run_has, 0, COUNT(drivers));
    tcase_add_test(all, a_lease_that_is_over_drives_nothing);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
