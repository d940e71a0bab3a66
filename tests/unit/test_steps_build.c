/* The steps from a repository to an image: git.clone, model.header, firmware.build, clean. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/step_harness.h"

static const char *text_of(struct harness *h, const char *name)
{
    const char *text = json_string_value(json_object_get(h->call.outputs, name));
    return text ? text : "(none)";
}

static int64_t number_of(struct harness *h, const char *name)
{
    const json_t *value = json_object_get(h->call.outputs, name);
    return json_is_integer(value) ? json_integer_value(value) : -1;
}

static void must_do(const char *command)
{
    ck_assert_msg(system(command) == 0, "%s", command);
}

static void put_file(const char *path, const char *text, int mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

/* ---- git.clone ---- */

static char repository[] = "/tmp/test_clone-XXXXXX";

static void make_repository(void)
{
    char command[1000];
    strcpy(repository, "/tmp/test_clone-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(repository));
    snprintf(command, sizeof(command),
             "exec 2>&1 >/dev/null; cd %s && git init -q -b main . && git config user.name t && "
             "git config user.email t@t "
             "&& echo one >f && git add f && git commit -qm 1 && git tag v1 && echo two >f && git "
             "commit -qam 2",
             repository);
    must_do(command);
}

static void remove_repository(void)
{
    char command[100];
    snprintf(command, sizeof(command), "rm -rf %s", repository);
    must_do(command);
}

static void read_line(const char *path, char *out, size_t size)
{
    FILE *f = fopen(path, "r");
    ck_assert_msg(f != NULL, "%s", path);
    ck_assert_ptr_nonnull(fgets(out, (int)size, f));
    fclose(f);
    out[strcspn(out, "\n")] = 0;
}

static const struct {
    const char *ref, *text;
} refs[] = {{"main", "two"}, {"v1", "one"}, {"HEAD", "two"}, {NULL, "two"}};

START_TEST(clone_checks_out_the_ref)
{
    char path[100], text[20];
    struct harness h = {0};
    json_t *with = json_pack("{s:s,s:s*}", "url", repository, "ref", refs[_i].ref);
    harness_run(&h, &git_clone_step, with);
    ck_assert_msg(h.code == ERR_OK, "%s", h.call.err.detail);
    snprintf(path, sizeof(path), "%s/src/f", h.work_dir);
    read_line(path, text, sizeof(text));
    ck_assert_str_eq(text, refs[_i].text);
    ck_assert_uint_eq(strlen(text_of(&h, "commit")), 40);
    ck_assert_ptr_nonnull(strstr(h.log, text_of(&h, "commit")));
    harness_free(&h);
}
END_TEST

START_TEST(clone_takes_a_commit_id)
{
    char path[100], text[20], commit[50];
    struct harness h = {0}, again = {0};
    harness_run(&h, &git_clone_step, json_pack("{s:s,s:s}", "url", repository, "ref", "v1"));
    strcpy(commit, text_of(&h, "commit"));
    harness_free(&h);
    snprintf(path, sizeof(path), "file://%s", repository);
    harness_run(&again, &git_clone_step, json_pack("{s:s,s:s}", "url", path, "ref", commit));
    ck_assert_msg(again.code == ERR_OK, "%s", again.call.err.detail);
    ck_assert_str_eq(text_of(&again, "commit"), commit);
    snprintf(path, sizeof(path), "%s/src/f", again.work_dir);
    read_line(path, text, sizeof(text));
    ck_assert_str_eq(text, "one");
    harness_free(&again);
}
END_TEST

static const struct {
    const char *url, *ref, *detail;
    enum err_code code;
} bad_clones[] = {
    {NULL, "nosuch", "couldn't find remote ref nosuch", ERR_IO},
    {"/no/such/repository", "main",
     "git fetch of /no/such/repository at main ended with status 128", ERR_IO},
    {NULL, "--upload-pack=touch x", "`ref` is not a branch, a tag or a commit id", ERR_INVALID},
    {"http://joe:hush@127.0.0.1:1/x.git", "main", "git fetch of http://127.0.0.1:1/x.git at main",
     ERR_IO},
};

START_TEST(clone_says_why_it_failed)
{
    struct harness h = {0};
    const char *url = bad_clones[_i].url ? bad_clones[_i].url : repository;
    harness_run(&h, &git_clone_step, json_pack("{s:s,s:s}", "url", url, "ref", bad_clones[_i].ref));
    ck_assert_int_eq(h.code, bad_clones[_i].code);
    ck_assert_msg(strstr(h.call.err.detail, bad_clones[_i].detail) != NULL, "%s",
                  h.call.err.detail);
    ck_assert_ptr_null(strstr(h.call.err.detail, "hush"));
    ck_assert_ptr_null(strstr(h.log, "hush"));
    harness_free(&h);
}
END_TEST

/* ---- model.header ---- */

static const struct {
    const char *model, *name, *symbol;
    size_t bytes;
    enum err_code code;
    const char *detail;
} headers[] = {
    {"\x1c\0\0\0TFL3abcd", NULL, NULL, 12, ERR_OK, ""},
    {"\x1c\0\0\0TFL3abcd", "my-model", "model_data", 12, ERR_OK, ""},
    {"\x1c\0\0\0TFL2abcd", NULL, NULL, 12, ERR_INVALID, "bytes 4 to 7 are not the id TFL3"},
    {"\x1c\0\0", NULL, NULL, 3, ERR_INVALID, "bytes 4 to 7 are not the id TFL3"},
    {"\x1c\0\0\0TFL3abcd", "a\"b", NULL, 12, ERR_INVALID, "`name` is not"},
    {"\x1c\0\0\0TFL3abcd", NULL, "3x", 12, ERR_INVALID, "`symbol` is not a name in C: 3x"},
    {NULL, NULL, NULL, 0, ERR_NOT_FOUND, "cannot read the model"},
};

/* A compiler reads the header and finds the model's bytes. */
static void compile_and_compare(const struct harness *h, const char *symbol, const char *name)
{
    char source[2000], command[500];
    snprintf(source, sizeof(source),
             "#include <stdio.h>\n#include <string.h>\n#include \"model.h\"\nint main(void) { "
             "return sizeof(%s) != 12 || %s_len != 12 || "
             "memcmp(%s + 4, \"TFL3abcd\", 8) || strcmp(MODEL_NAME, \"%s\") || ((unsigned long)%s) "
             "%% 16; }\n",
             symbol, symbol, symbol, name, symbol);
    snprintf(command, sizeof(command), "%s/t.c", h->work_dir);
    put_file(command, source, 0644);
    snprintf(command, sizeof(command), "cd %s && cc -Wall -Werror t.c -o t && ./t", h->work_dir);
    must_do(command);
}

START_TEST(header_has_the_models_bytes)
{
    char path[] = "/tmp/fc_test.tflite";
    struct harness h = {0};
    const char *model = "/no/such.tflite";
    if (headers[_i].model) {
        FILE *f = fopen(path, "wb");
        fwrite(headers[_i].model, 1, headers[_i].bytes, f);
        fclose(f);
        model = path;
    }
    harness_run(&h, &model_header_step,
                json_pack("{s:s,s:s*,s:s*}", "model", model, "name", headers[_i].name, "symbol",
                          headers[_i].symbol));
    unlink(path);
    ck_assert_int_eq(h.code, headers[_i].code);
    ck_assert_msg(strstr(h.call.err.detail, headers[_i].detail) != NULL, "%s", h.call.err.detail);
    if (!h.code)
        compile_and_compare(&h, headers[_i].symbol ? headers[_i].symbol : "g_model",
                            headers[_i].name ? headers[_i].name : "fc_test");
    harness_free(&h);
}
END_TEST

/* ---- firmware.build: tools are scripts in front of PATH that note their arguments ---- */

static char tools[] = "/tmp/test_tools-XXXXXX";
static char *old_path;

static void put_tool(const char *name, const char *script)
{
    char path[200], text[1000];
    snprintf(path, sizeof(path), "%s/%s", tools, name);
    snprintf(text, sizeof(text), "#!/bin/sh\n%s\n", script);
    put_file(path, text, 0755);
}

static void make_tools(void)
{
    char path[4096];
    strcpy(tools, "/tmp/test_tools-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(tools));
    old_path = strdup(getenv("PATH"));
    snprintf(path, sizeof(path), "%s:%s", tools, old_path);
    setenv("PATH", path, 1);
    put_tool("arm-none-eabi-size",
             "echo \"   text data bss dec hex filename\"; echo \"  1000 200 30 1230 4ce $2\"");
    put_tool("docker",
             "echo docker \"$@\"; while [ \"$1\" != image ]; do shift; done; shift; exec \"$@\"");
}

static void remove_tools(void)
{
    char command[100];
    snprintf(command, sizeof(command), "rm -rf %s", tools);
    must_do(command);
    setenv("PATH", old_path, 1);
    free(old_path);
}

static const struct {
    const char *tool, *program, *container;
    const char *script_name, *script; /* what the tool does, in the work folder */
    const char *log;                  /* a part of what is logged */
} builds[] = {
    /* clang-format off */
    {"make", "firmware", NULL, "make", "echo make \"$@\"; touch build/firmware.elf",
     "-j2 TARGET=T1 MODEL_HEADER=/m.h BUILD_ID=b7 OUT="},
    {"mbed-cli", "firmware", NULL, "mbed", "echo mbed \"$@\"; touch build/firmware.elf",
     "mbed compile -m T1 -t GCC_ARM --profile=release --build="},
    {"mbed-cli", "firmware", NULL, "mbed", "cat switchyard_build.h; touch build/firmware.elf",
     "#define BUILD_ID \"b7\"\n#define MODEL_HEADER \"/m.h\"\n"},
    {"mbed-tools", "app", NULL, "mbed-tools", "cat switchyard_build.h; mkdir -p cmake_build/T1/release/GCC_ARM; touch cmake_build/T1/release/GCC_ARM/app.elf",
     "#define BUILD_ID \"b7\"\n#define MODEL_HEADER \"/m.h\"\n"},
    {"mbed-tools", "app", NULL, "mbed-tools", "echo mbed-tools \"$@\"; mkdir -p cmake_build/T1/release/GCC_ARM; touch cmake_build/T1/release/GCC_ARM/app.elf",
     "mbed-tools compile -m T1 -t GCC_ARM -b release"},
    {"mbed-ce", "app", NULL, "cmake", "echo cmake \"$@\"; [ $1 != --build ] || touch build/app.elf",
     "-DMBED_TARGET=T1 -DCMAKE_BUILD_TYPE=Release -DUPLOAD_METHOD=NONE"},
    {"make", "firmware", "image", "make", "echo make \"$@\"; touch build/firmware.elf", "docker run --rm --init --volume /tmp/step-"},
    /* clang-format on */
};

static json_t *build_with(int i)
{
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s*}", "tool", builds[i].tool, "program",
                     builds[i].program, "target", "T1", "header", "/m.h", "build_id", "b7", "dir",
                     ".", "container", builds[i].container);
}

START_TEST(each_tool_is_called_its_way)
{
    struct harness h = {0};
    put_tool(builds[_i].script_name, builds[_i].script);
    harness_run(&h, &firmware_build_step, build_with(_i));
    ck_assert_msg(h.code == ERR_OK, "%s\n%s", h.call.err.detail, h.log);
    ck_assert_msg(strstr(h.log, builds[_i].log) != NULL, "%s", h.log);
    ck_assert_str_eq(text_of(&h, "result"), "ok");
    ck_assert_str_eq(text_of(&h, "build_id"), "b7");
    ck_assert_int_eq(number_of(&h, "flash_bytes"), 1200);
    ck_assert_int_eq(number_of(&h, "ram_bytes"), 230);
    ck_assert_int_eq(access(text_of(&h, "elf"), R_OK), 0);
    harness_free(&h);
}
END_TEST

static const struct {
    const char *script;
    enum err_code code;
    int64_t overflow;
    const char *text; /* of the result or of the error */
} endings[] = {
    /* clang-format off */
    {"echo \"ld: region \\`FLASH' overflowed by 4096 bytes\" >&2; echo 'collect2: error: ld returned 1' >&2; exit 1",
     ERR_OK, 4096, "FLASH"},
    {"echo \"region \\`RAM' overflowed by 12 bytes\"; echo \"region \\`FLASH' overflowed by 8 bytes\"; exit 2", ERR_OK, 12, "RAM"},
    {"echo 'main.c:3:1: error: no such thing'; echo 'make: *** [x] Error 1'; exit 2", ERR_IO, 0,
     "make ended with status 2: main.c:3:1: error: no such thing"},
    {"echo 'ERROR: No program found from /x to /.'; echo 'More may be available.'; exit 1", ERR_IO, 0,
     "make ended with status 1: ERROR: No program found from /x"}, /* as mbed-tools 7.59 */
    {"echo '[mbed] ERROR: The mbed tools were not found'; echo '---'; exit 255", ERR_IO, 0,
     "status 255: [mbed] ERROR: The mbed tools were not found"},   /* as mbed-cli 1.10.5 */
    {"echo hm; exit 9", ERR_IO, 0, "make ended with status 9: hm"},
    {"exit 0", ERR_NOT_FOUND, 0, "make ended well but left no image"},
    /* clang-format on */
};

START_TEST(endings_of_a_build)
{
    struct harness h = {0};
    put_tool("make", endings[_i].script);
    harness_run(&h, &firmware_build_step, json_pack("{s:s,s:s}", "target", "T1", "dir", "."));
    ck_assert_msg(h.code == endings[_i].code, "%s", h.call.err.detail);
    if (h.code) {
        ck_assert_msg(strstr(h.call.err.detail, endings[_i].text) != NULL, "%s", h.call.err.detail);
    } else {
        ck_assert_str_eq(text_of(&h, "result"), "does_not_fit");
        ck_assert_str_eq(text_of(&h, "overflow_region"), endings[_i].text);
        ck_assert_int_eq(number_of(&h, "overflow_bytes"), endings[_i].overflow);
        ck_assert(json_is_null(json_object_get(h.call.outputs, "elf")));
    }
    harness_free(&h);
}
END_TEST

/* ---- a tree that is kept: make is the real one, the compiler notes what it compiles ---- */

static const char reuse_makefile[] =
    "all: $(OUT)/firmware.elf\n"
    "$(OUT)/firmware.elf: $(OUT)/a.o $(OUT)/model.o ; @echo LD; cat $^ >$@\n"
    "$(OUT)/a.o: a.c ; @echo CC a; cp a.c $@\n"
    "$(OUT)/model.o: model.c $(MODEL_HEADER) ; @echo CC model; cat model.c $(MODEL_HEADER) >$@\n";

static const struct {
    const char *source, *header; /* content of a.c and of the model's header */
    bool a, model;               /* what is compiled; neither: the image is there */
    const char *compiler;        /* its version; NULL: as before */
} rebuilds[] = {
    {"one", "m1", true, true, "12.2.1"}, {"one", "m2", false, true, NULL},
    {"two", "m2", true, false, NULL},    {"two", "m2", false, false, NULL},
    {"one", "m1", false, false, NULL},   {"two", "m2", true, true, "13.3.0"},
    {"two", "m4", false, true, NULL},    {"two", "m2", false, false, "12.2.1"},
    {"one", "m3", true, true, NULL},
};

static void rebuild(const char *data_dir, size_t i)
{
    struct harness h = {.run.data_dir = data_dir};
    char command[1000], expected[64], path[200], line[100] = "";
    if (rebuilds[i].compiler) {
        snprintf(command, sizeof(command), "echo 'arm-none-eabi-gcc %s'", rebuilds[i].compiler);
        put_tool("arm-none-eabi-gcc", command);
    }
    snprintf(path, sizeof(path), "%s/src", data_dir);
    mkdir(path, 0755);
    snprintf(path, sizeof(path), "%s/src/Makefile", data_dir);
    put_file(path, reuse_makefile, 0644);
    snprintf(command, sizeof(command),
             "cd %s/src && echo %s >a.c && echo body >model.c && echo %s >../m.h", data_dir,
             rebuilds[i].source, rebuilds[i].header);
    must_do(command);
    snprintf(path, sizeof(path), "%s/src", data_dir);
    snprintf(command, sizeof(command), "%s/m.h", data_dir);
    harness_run(&h, &firmware_build_step,
                json_pack("{s:s,s:s,s:s,s:b}", "target", "T1", "dir", path, "header", command,
                          "reuse", true));
    ck_assert_msg(h.code == ERR_OK, "%zu: %s\n%s", i, h.call.err.detail, h.log);
    bool built = rebuilds[i].a || rebuilds[i].model;
    ck_assert_msg(!strstr(h.log, "CC a\n") == !rebuilds[i].a, "%zu: %s", i, h.log);
    ck_assert_msg(!strstr(h.log, "CC model\n") == !rebuilds[i].model, "%zu: %s", i, h.log);
    ck_assert_msg(!strstr(h.log, "LD\n") == !built, "%zu: %s", i, h.log);
    ck_assert(json_is_true(json_object_get(h.call.outputs, "reused")) == !built);
    ck_assert_uint_eq(strlen(text_of(&h, "build_id")), 12);
    ck_assert_ptr_eq(strstr(text_of(&h, "elf"), data_dir), NULL); /* the run's own copy */
    snprintf(command, sizeof(command), "cat %s | tr '\\n' ' ' >%s/image", text_of(&h, "elf"),
             data_dir);
    must_do(command);
    snprintf(path, sizeof(path), "%s/image", data_dir);
    read_line(path, line, sizeof(line));
    snprintf(expected, sizeof(expected), "%s body %s ", rebuilds[i].source, rebuilds[i].header);
    ck_assert_str_eq(line, expected);
    harness_free(&h);
}

START_TEST(a_new_model_is_one_compile_and_a_link)
{
    char data_dir[] = "/tmp/test_tree-XXXXXX", command[100];
    ck_assert_ptr_nonnull(mkdtemp(data_dir));
    for (size_t i = 0; i < COUNT(rebuilds); i++)
        rebuild(data_dir, i);
    /* a build that was cut off is not trusted */
    snprintf(command, sizeof(command), "for f in %s/builds/*/lock; do touch ${f%%lock}dirty; done",
             data_dir);
    must_do(command);
    snprintf(command, sizeof(command), "rm %s/builds/*/images/*", data_dir);
    must_do(command);
    rebuild(data_dir, 0);
    snprintf(command, sizeof(command), "rm -rf %s", data_dir);
    must_do(command);
}
END_TEST

/* ---- clean ---- */

static const struct {
    const char *path;
    enum err_code code;
} cleanings[] = {
    {"a", ERR_OK},         {"nothing/there", ERR_OK},
    {"..", ERR_INVALID},   {"a/../../x", ERR_INVALID},
    {"/etc", ERR_INVALID}, {"..a", ERR_OK},
};

START_TEST(clean_stays_in_the_work_folder)
{
    struct harness h = {0};
    harness_run(&h, &clean_step, json_pack("{s:[s]}", "paths", cleanings[_i].path));
    ck_assert_msg(h.code == cleanings[_i].code, "%s", h.call.err.detail);
    harness_free(&h);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("steps_build");
    TCase *clone = tcase_create("git.clone"), *header = tcase_create("model.header");
    TCase *build = tcase_create("firmware.build"), *clean = tcase_create("clean");
    tcase_add_checked_fixture(clone, make_repository, remove_repository);
    tcase_set_timeout(clone, 30);
    tcase_add_loop_test(clone, clone_checks_out_the_ref, 0, COUNT(refs));
    tcase_add_test(clone, clone_takes_a_commit_id);
    tcase_add_loop_test(clone, clone_says_why_it_failed, 0, COUNT(bad_clones));
    tcase_add_loop_test(header, header_has_the_models_bytes, 0, COUNT(headers));
    tcase_add_checked_fixture(build, make_tools, remove_tools);
    tcase_add_loop_test(build, each_tool_is_called_its_way, 0, COUNT(builds));
    tcase_add_test(build, a_new_model_is_one_compile_and_a_link);
    tcase_add_loop_test(build, endings_of_a_build, 0, COUNT(endings));
    tcase_add_loop_test(clean, clean_stays_in_the_work_folder, 0, COUNT(cleanings));
    suite_add_tcase(suite, clone);
    suite_add_tcase(suite, header);
    suite_add_tcase(suite, build);
    suite_add_tcase(suite, clean);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
