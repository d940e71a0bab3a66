#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "shared/flow/flow.h"
#include "worker/steps.h"

static const struct step_param build_params[] = {
    {"source", FLOW_STRING, true, NULL, "the folder with the sources", NULL},
    {"tool", FLOW_STRING, false, "\"make\"", "the build tool", "make|mbed-cli"},
    {"jobs", FLOW_INTEGER, false, "2", "parallel jobs", NULL},
    {"wait", FLOW_DURATION, false, NULL, "how long to wait", NULL},
};
static const struct step_output build_outputs[] = {
    {"binary", FLOW_STRING, "the firmware"},
    {"flash_bytes", FLOW_INTEGER, "flash use"},
};
static const struct step_param off_params[] = {
    {"device", FLOW_STRING, false, NULL, "which of the flow's devices"},
};
static const struct step_schema schemas[] = {
    {.name = "board.off", .doc = "Off.", STEP_PARAMS(off_params)},
    {.name = "firmware.build",
     .doc = "Builds.",
     STEP_PARAMS(build_params),
     STEP_OUTPUTS(build_outputs)},
    {.name = "shell", .doc = "Runs.", .free_params = true, .free_outputs = true},
};

static const struct step_schema *find_schema(const char *name)
{
    for (size_t i = 0; i < COUNT(schemas); i++)
        if (!strcmp(schemas[i].name, name))
            return &schemas[i];
    return NULL;
}

static const char *schema_name(size_t i)
{
    return i < COUNT(schemas) ? schemas[i].name : NULL;
}

static const struct flow_options options = {find_schema, schema_name};

static struct arena arena;

/* The problems of a text, one per line; "" when it is a flow. */
static char *problems_of(const char *text, struct flow **out)
{
    struct problems problems = {.arena = &arena};
    struct buf buf = {.max_bytes = 1 << 16};
    struct flow *flow = flow_load(&arena, "f.yaml", text, strlen(text), &options, &problems);
    problems_print(&problems, &buf);
    ck_assert((flow == NULL) == (problems.count > 0));
    char *result = arena_strndup(&arena, buf.bytes ? buf.bytes : "", buf.len);
    buf_free(&buf);
    if (out)
        *out = flow;
    return result;
}

#define TASK(lines) "name: f\ntasks:\n  t:\n" lines
#define BUILD       "name: f\ntasks:\n  build: {uses: firmware.build, with: {source: a}}\n"
/* clang-format off */
static const struct {
    const char *yaml, *problems;
} rows[] = {
    /* YAML itself */
    {"", "f.yaml:1:1: the file is empty, expected a flow\n"},
    {"name: [a\n", "f.yaml:2:1: not YAML: did not find expected ',' or ']', while parsing a flow sequence\n"},
    {"name: a\nname: b\n", "f.yaml:2:1: `name` stands twice, first in line 1\n"},
    {"- a\n", "f.yaml:1:1: `f.yaml` is a list, expected a map\n"},
    {"name: f\n---\nname: g\n", "f.yaml:2:1: a second document begins, expected one flow per file\n"},
    {"a: &x [*x]\n", "f.yaml:1:8: an alias stands inside what it names\n"},
    {"a: *x\n", "f.yaml:1:4: there is no anchor &x before this alias\n"},
    {"a: &x {b: 1}\nc:\n  <<: *x\n", "f.yaml:3:3: merge keys (<<) are not part of YAML 1.2; write the members out\n"},
    {"a: !secret b\n", "f.yaml:1:4: a tag, expected a plain value\n"},
    {"a: 99999999999999999999\n", "f.yaml:1:4: the number does not fit 64 bits; put it in quotes if it is a name\n"},
    {"a: .inf\n", "f.yaml:1:4: JSON has no infinite numbers, expected a finite one\n"},
    {"? [a]\n: b\n", "f.yaml:1:3: a key is a list or a map, expected a name\n"},
    /* the flow */
    {"{}", "f.yaml:1:1: the flow has no `name`\nf.yaml:1:1: the flow has no `tasks`, expected at least one\n"},
    {"name: f\ntasks: {}\n", "f.yaml:2:8: the flow has no `tasks`, expected at least one\n"},
    {"name: 12\ntasks: {t: {uses: shell}}\n", "f.yaml:1:7: `name` is an integer, expected a string (put it in quotes)\n"},
    {"name: f\ntask: {}\ntasks: {t: {uses: shell}}\n", "f.yaml:2:1: unknown key `task` in a flow, did you mean `tasks`?\n"},
    {"name: f\nzzz: {}\ntasks: {t: {uses: shell}}\n", "f.yaml:2:1: unknown key `zzz` in a flow, expected one of name, description, parameters, devices, health, defaults, tasks, result, max_parallel, dry_run\n"},
    {"name: f\nhealth: {type: bench, every: soon, low: 1}\ntasks: {t: {uses: shell}}\n", "f.yaml:2:30: `soon` is not a duration such as 24h\nf.yaml:2:36: `health` has no member `low`\n"},
    {"name: f\nhealth: {every: 24h}\ntasks: {t: {uses: shell}}\n", "f.yaml:2:9: `health` needs the `type` of the devices that it checks\n"},
    {"name: f\ndefaults: {needs: x}\ntasks: {t: {uses: shell}}\n", "f.yaml:2:12: unknown key `needs` in `defaults`, expected one of retries, retry_delay, timeout\n"},
    {"name: f\ntasks: {9t: {uses: shell}}\n", "f.yaml:2:9: `9t` cannot name a task, expected up to 64 letters, digits, _ and -, a letter first\n"},
    /* a task */
    {TASK("    with: {}\n"), "f.yaml:3:3: task `t` has neither, expected one of `uses` and `flow`\n"},
    {TASK("    uses: shel\n"), "f.yaml:4:11: there is no step `shel`, did you mean `shell`?\n"},
    {TASK("    uses: quantum\n"), "f.yaml:4:11: there is no step `quantum`; `switchyard-worker flow steps` lists them\n"},
    {TASK("    uses: shell\n    retry: 2\n"), "f.yaml:5:5: unknown key `retry` in a task, did you mean `retries`?\n"},
    {TASK("    uses: shell\n    retries: 101\n"), "f.yaml:5:14: `retries` is 101, expected 0 to 100\n"},
    {TASK("    uses: shell\n    retries: many\n"), "f.yaml:5:14: `retries` is a string, expected an integer\n"},
    {TASK("    uses: shell\n    timeout: 5 minutes\n"), "f.yaml:5:14: `timeout` is not a duration, expected for example 90, 1m30s or PT1M30S, at most 366d\n"},
    {TASK("    uses: shell\n    always: yes\n"), "f.yaml:5:13: `always` is a string, expected true or false\n"},
    {TASK("    uses: shell\n    cache: {expires: 7d}\n"), "f.yaml:5:12: `cache` has no `key`, expected a text of what the outputs depend on\n"},
    {TASK("    uses: shell\n    max_parallel: 2\n"), "f.yaml:5:19: `max_parallel` of a task belongs to a `matrix`, which `t` has not\n"},
    {TASK("    uses: shell\n    matrix: {m: []}\n"), "f.yaml:5:17: `m` is empty, expected at least one value\n"},
    {TASK("    uses: shell\n    matrix: {m: 3}\n"), "f.yaml:5:17: `m` is an integer, expected a list\n"},
    {TASK("    uses: shell\n    matrix: {m: abc}\n"), "f.yaml:5:17: `m` is a text, expected a list or one placeholder that gives a list\n"},
    /* with */
    {TASK("    uses: firmware.build\n"), "f.yaml:3:3: task `t` gives no `source`, which `firmware.build` needs: the folder with the sources\n"},
    {TASK("    uses: firmware.build\n    with: {source: a, job: 3}\n"), "f.yaml:5:23: `firmware.build` does not take `job`, did you mean `jobs`?\n"},
    {TASK("    uses: firmware.build\n    with: {source: a, jobs: two}\n"), "f.yaml:5:29: `jobs` is a string, expected an integer\n"},
    {TASK("    uses: firmware.build\n    with: {source: 1.20}\n"), "f.yaml:5:20: `source` is a number, expected a string (put it in quotes)\n"},
    {TASK("    uses: firmware.build\n    with: {source: a, tool: cmake}\n"), "f.yaml:5:29: `tool` is `cmake`, expected one of make|mbed-cli\n"},
    {TASK("    uses: firmware.build\n    with: {source: a, wait: soon}\n"), "f.yaml:5:29: `wait` is a string, expected a duration such as 90 or 1m30s\n"},
    /* references */
    {TASK("    uses: shell\n    with: {run: \"x {{ parameters.a }}\"}\n"), "f.yaml:5:23: there is no parameter `a`\n"},
    {"name: f\nparameters: {model: {}}\ntasks: {t: {uses: shell, with: {run: '{{ parameters.modle }}'}}}\n", "f.yaml:3:42: there is no parameter `modle`, did you mean `model`?\n"},
    {BUILD "  t: {uses: shell, with: {run: '{{ tasks.biuld.outputs.binary }}'}}\n", "f.yaml:4:36: there is no task `biuld`, did you mean `build`?\n"},
    {BUILD "  t: {uses: shell, with: {run: '{{ tasks.build.outputs.binry }}'}}\n", "f.yaml:4:36: there is no output of task `build` called `binry`, did you mean `binary`?\n"},
    {BUILD "  t: {uses: shell, with: {run: '{{ tasks.build.binary }}'}}\n", "f.yaml:4:36: expected tasks.NAME.outputs.OUTPUT or tasks.NAME.state\n"},
    {TASK("    uses: shell\n    with:\n      run: |\n        echo\n        é {{ tasks.t.state }}\n"), "f.yaml:8:14: a task cannot refer to itself\n"},
    {TASK("    uses: shell\n    with: {run: '{{ matrix.m }}'}\n"), "f.yaml:5:21: `matrix` has no meaning here, expected it in a task with a `matrix`\n"},
    {TASK("    uses: shell\n    with: {run: '{{ .Image }}'}\n"), "f.yaml:5:21: `.Image` is not a placeholder, expected a dotted name as in {{ parameters.x }}; `\\{{` stands for two braces\n"},
    {TASK("    uses: shell\n    with: {run: '{{ a | b }}'}\n"), "f.yaml:5:18: `{{ a | b }}` is not a placeholder, expected a dotted name as in {{ parameters.x }}; `\\{{` stands for two braces\n"},
    {TASK("    uses: shell\n    with: {run: '{{ param.x }}'}\n"), "f.yaml:5:21: there is no placeholder `param`, did you mean `parameters`?\n"},
    {TASK("    uses: shell\n    with: {run: '{{ prefect.blocks.s3 }}'}\n"), "f.yaml:5:21: expected prefect.blocks.TYPE.NAME or prefect.variables.NAME\n"},
    {TASK("    uses: shell\n    with: {run: '{{ run.ip }}'}\n"), "f.yaml:5:21: there is no member of the run `ip`, did you mean `id`?\n"},
    {TASK("    uses: shell\n    with: {run: '{{ devices.b.id }}'}\n"), "f.yaml:5:21: there is no device `b`\n"},
    {"name: f\ndevices: {b: {targt: x, count: [1]}}\ntasks: {t: {uses: shell}}\n", "f.yaml:2:15: a device has no `targt`, did you mean `target`?\nf.yaml:2:32: `count` is a list, expected an integer or a string\n"},
    {"name: f\ndevices: {b: {colour: red}}\ntasks: {t: {uses: shell}}\n", "f.yaml:2:15: a device has no `colour`, expected one of type, target, name, agent, count, labels, capabilities\n"},
    {"name: f\ndevices: {left: {}, right: {}}\ntasks:\n  t: {uses: board.off}\n", "f.yaml:4:3: task `t` does not say which `device`, and the flow has 2\n"},
    {"name: f\ndevices: {left: {}, right: {}}\ntasks:\n  t: {uses: board.off, with: {device: rigt}}\n", "f.yaml:4:39: there is no device `rigt`, did you mean `right`?\n"},
    {"name: f\ndevices: {bench: {}, right: {}}\ntasks:\n  t: {uses: board.off}\n  u: {uses: board.off, with: {device: other}}\n", "f.yaml:5:39: there is no device `other` in the flow's `devices`\n"},
    {"name: f\ntasks:\n\tt: {uses: shell}\n", "f.yaml:3:1: not YAML: found character that cannot start any token (a tab? YAML indents with blanks; texts that begin with one of %@` need quotes)\n"},
    {"name: f\ndevices: {b: {type: '{{ tasks.t.state }}'}}\ntasks: {t: {uses: shell}}\n", "f.yaml:2:25: tasks have not run yet here, expected parameters\n"},
    {"name: f\nresult: '{{ tasks.x.outputs.y }}'\ntasks: {test: {uses: shell}}\n", "f.yaml:2:13: there is no task `x`, expected one of test\n"},
    /* when */
    {TASK("    uses: shell\n    when: parameters.x == 1\n"), "f.yaml:5:11: there is no parameter `x`\n"},
    {TASK("    uses: shell\n    when: 1 == \n"), "f.yaml:5:11: `when` ends too early, expected a value\n"},
    {TASK("    uses: shell\n    when: 1 = 2\n"), "f.yaml:5:13: `when` cannot be understood here, expected `==`\n"},
    {TASK("    uses: shell\n    when: sucess()\n"), "f.yaml:5:11: `when` cannot be understood here, expected success(), failure(), always() or cancelled()\n"},
    {TASK("    uses: shell\n    when: (1\n"), "f.yaml:5:11: `when` ends too early, expected `)`\n"},
    {TASK("    uses: shell\n    when: 'a\n"), "f.yaml:6:1: not YAML: found unexpected end of stream, while scanning a quoted scalar\n"},
    {TASK("    uses: shell\n    when: 3\n"), "f.yaml:5:11: `when` is an integer, expected true or false or a string (put it in quotes)\n"},
    /* order */
    {TASK("    uses: shell\n    needs: t\n"), "f.yaml:5:12: a task cannot need itself\n"},
    {TASK("    uses: shell\n    needs: [upload]\n"), "f.yaml:5:13: there is no task `upload`\n"},
    {"name: f\ntasks:\n  a: {uses: shell, needs: c}\n  b: {uses: shell, needs: a}\n  c: {uses: shell, needs: b}\n", "f.yaml:3:3: the tasks wait for each other: a -> c -> b -> a\n"},
    {"name: f\ntasks:\n  a: {uses: shell, always: true}\n  b: {uses: shell, needs: a}\n", "f.yaml:4:3: task `b` needs the clean-up task `a`, expected that `b` is `always` too\n"},
    /* parameters */
    {"name: f\nparameters: {n: {type: int}}\ntasks: {t: {uses: shell}}\n", "f.yaml:2:24: unknown type `int`, expected string, integer, number, boolean, array or object\n"},
    {"name: f\nparameters: {n: {type: integer, default: a}}\ntasks: {t: {uses: shell}}\n", "f.yaml:2:42: the default of `n` is \"a\", expected type integer\n"},
    {"name: f\nparameters: {n: {typ: integer}}\ntasks: {t: {uses: shell}}\n", "f.yaml:2:18: unknown key `typ` in a parameter's schema, did you mean `type`?\n"},
    {"name: f\nparameters: {properties: {n: {}}, required: [m]}\ntasks: {t: {uses: shell}}\n", "f.yaml:2:46: `m` is required but is not among the properties\n"},
    /* sub-flows */
    {TASK("    flow: none.yaml\n"), "f.yaml:4:11: cannot read none.yaml: No such file or directory\n"},
    {TASK("    flow: {parameters: {x: {type: integer}}, tasks: {a: {uses: shell}}}\n"), "f.yaml:3:3: task `t` gives no `x`, which its flow needs\n"},
    {TASK("    flow: {parameters: {x: {type: integer}}, tasks: {a: {uses: shell}}}\n    with: {x: a}\n"), "f.yaml:5:15: `x` is \"a\", expected type integer\n"},
    {TASK("    flow: {tasks: {a: {uses: shel}}}\n"), "f.yaml:4:30: there is no step `shel`, did you mean `shell`?\n"},
    {"name: f\ntasks:\n  s: {flow: {tasks: {a: {uses: shell}}, result: {x: 1}}}\n  t: {uses: shell, with: {a: '{{ tasks.s.outputs.yy }}'}}\n", "f.yaml:4:34: there is no output of task `s` called `yy`, expected one of x\n"},
    {TASK("    flow: {devices: {bench: {}}, tasks: {a: {uses: shell}}}\n"), "f.yaml:4:22: the sub-flow needs the device `bench`, which flow `f` does not declare\n"},
    /* all of them, in order */
    {TASK("    uses: shel\n    retries: -1\n    with: {a: '{{ x }}'}\n"),
     "f.yaml:4:11: there is no step `shel`, did you mean `shell`?\n"
     "f.yaml:5:14: `retries` is -1, expected 0 to 100\n"
     "f.yaml:6:19: there is no placeholder `x`, expected one of parameters, tasks, matrix, run, devices, prefect\n"},
};
/* clang-format on */

START_TEST(what_is_wrong_is_said_with_its_place)
{
    ck_assert_str_eq(problems_of(rows[_i].yaml, NULL), rows[_i].problems);
    arena_reset(&arena);
}
END_TEST

START_TEST(a_whole_flow_is_understood)
{
    struct flow *f;
    const char *text =
        "name: energy\n"
        "description: all of it\n"
        "parameters:\n"
        "  model: {type: string, enum: [ad, kws]}\n"
        "  runs: 10\n"
        "devices: {bench: {target: '{{ parameters.model }}'}}\n"
        "defaults: {retries: 1, timeout: PT1M30S}\n"
        "dry_run: '{{ parameters.runs }}'\n"
        "max_parallel: 4\n"
        "tasks:\n"
        "  fetch: {uses: shell, with: {url: 'https://x'}}\n"
        "  build:\n"
        "    uses: firmware.build\n"
        "    with: {source: '{{ tasks.fetch.outputs.path }}', jobs: 4}\n"
        "    matrix: {tool: [make, mbed-cli], level: '{{ tasks.fetch.outputs.levels }}'}\n"
        "    max_parallel: 3\n"
        "    retries: 3\n"
        "    retry_delay: [1s, 1m]\n"
        "    when: success() and parameters.model in ['ad', \"kws\"] and not (parameters.runs < "
        "1)\n"
        "    cache: {key: '{{ parameters.model }}-{{ matrix.tool }}', expires: 7d}\n"
        "  clean: {uses: shell, always: true, timeout: 5}\n"
        "  last: {uses: shell, always: true, needs: [build, clean]}\n"
        "result: {binary: '{{ tasks.build.outputs.binary }}'}\n";
    ck_assert_str_eq(problems_of(text, &f), "");
    ck_assert_str_eq(f->name, "energy");
    ck_assert_uint_eq(f->task_count, 4);
    const struct flow_task *build = &f->tasks[1], *clean = &f->tasks[2], *last = &f->tasks[3];
    ck_assert_uint_eq(build->need_count, 1);
    ck_assert_uint_eq(build->needs[0], 0);
    ck_assert_int_eq(build->retries, 3);
    ck_assert_uint_eq(build->retry_delay_count, 2);
    ck_assert(fabs(build->retry_delays_s[1] - 60) < 1e-9);
    ck_assert(fabs(build->timeout_s - 90) < 1e-9 && fabs(clean->timeout_s - 5) < 1e-9);
    ck_assert(fabs(build->cache_s - 7 * 86400) < 1e-9);
    ck_assert(clean->waits_for_all && !last->waits_for_all);
    ck_assert_uint_eq(last->need_count, 2);
    ck_assert_int_eq(f->max_parallel, 4);
    json_t *required = json_object_get(f->parameters, "required");
    ck_assert_uint_eq(json_array_size(required), 1);
    ck_assert_str_eq(json_string_value(json_array_get(required, 0)), "model");
    arena_reset(&arena);
}
END_TEST

START_TEST(devices_are_told_before_the_run)
{
    struct flow *f;
    struct err err = {0};
    json_t *given = json_pack("{s:s}", "t", "h405"), *devices = NULL;
    const char *text =
        "name: f\nparameters: {t: {}}\n"
        "devices: {bench: {target: '{{ parameters.t }}', agent: 'x-{{ parameters.t }}'}}\n"
        "tasks: {t: {uses: shell}}\n";
    ck_assert_str_eq(problems_of(text, &f), "");
    ck_assert_int_eq(flow_devices(f, given, &devices, &err), ERR_OK);
    char *shown = json_dumps(devices, JSON_COMPACT);
    ck_assert_str_eq(shown, "{\"bench\":{\"target\":\"h405\",\"agent\":\"x-h405\"}}");
    free(shown);
    json_decref(devices);
    json_decref(given);
    arena_reset(&arena);
}
END_TEST

/* clang-format off */
static const struct {
    const char *given, *result, *detail;
} parameter_rows[] = {
    {"{\"m\":\"ad\"}", "{\"m\":\"ad\",\"n\":10}", NULL},
    {"{\"m\":\"kws\",\"n\":3,\"l\":[1,2]}", "{\"l\":[1,2],\"m\":\"kws\",\"n\":3}", NULL},
    {"{}", NULL, "parameters: `m` is missing"},
    {"{\"m\":\"x\",\"n\":0}", NULL, "parameters: `m` is \"x\", expected one of [\"ad\",\"kws\"]; `n` is 0, expected at least 1"},
    {"{\"m\":\"ad\",\"n\":\"3\"}", NULL, "parameters: `n` is \"3\", expected type integer"},
    {"{\"m\":\"ad\",\"l\":[1,\"b\"]}", NULL, "parameters: `l[1]` is \"b\", expected type integer"},
    {"{\"m\":\"ad\",\"runs\":1}", NULL, "parameters: `runs` is not a parameter of this flow"},
    {"{\"m\":\"ad\",\"ll\":1}", NULL, "parameters: `ll` is not a parameter of this flow, did you mean `l`?"},
};
/* clang-format on */

START_TEST(parameters_are_checked)
{
    struct flow *f;
    const char *text = "name: f\nparameters:\n  m: {type: string, enum: [ad, kws]}\n"
                       "  n: {type: integer, minimum: 1, default: 10}\n"
                       "  l: {type: array, items: {type: integer}, required: false}\n"
                       "tasks: {t: {uses: shell}}\n";
    struct err err = {0};
    json_t *out = NULL, *given = json_loads(parameter_rows[_i].given, 0, NULL);
    ck_assert_str_eq(problems_of(text, &f), "");
    enum err_code code = flow_parameters(f, given, &out, &err);
    if (parameter_rows[_i].result) {
        ck_assert_int_eq(code, ERR_OK);
        char *shown = json_dumps(out, JSON_COMPACT | JSON_SORT_KEYS);
        ck_assert_str_eq(shown, parameter_rows[_i].result);
        free(shown);
    } else {
        ck_assert_int_eq(code, ERR_INVALID);
        ck_assert_str_eq(err.detail, parameter_rows[_i].detail);
    }
    json_decref(out);
    json_decref(given);
    arena_reset(&arena);
}
END_TEST

static const struct {
    const char *text;
    double seconds; /* < 0: not a duration */
} durations[] = {
    {"90", 90},     {"1m30s", 90},   {"PT1M30S", 90},   {"1.5h", 5400}, {"500ms", 0.5},
    {"7d", 604800}, {"P1W", 604800}, {"P1DT2H", 93600}, {"0", 0},       {"", -1},
    {"P", -1},      {"1x", -1},      {"-1", -1},        {"1e3", -1},    {"s", -1},
    {"PT1", -1},    {"1m 30s", -1},  {"99999d", -1},    {"0x10", -1},   {"nan", -1},
};

START_TEST(durations_have_three_forms)
{
    double s = -1;
    bool ok = flow_duration(durations[_i].text, &s);
    ck_assert_msg(ok == (durations[_i].seconds >= 0), "%s", durations[_i].text);
    if (ok)
        ck_assert_msg(fabs(s - durations[_i].seconds) < 1e-9, "%s: %g", durations[_i].text, s);
}
END_TEST

START_TEST(sub_flow_files_are_found_beside_the_flow)
{
    char dir[] = "/tmp/flow-XXXXXX", path[64];
    struct problems problems = {.arena = &arena};
    struct buf buf = {.max_bytes = 4096};
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/sub.yaml", dir);
    FILE *f = fopen(path, "w");
    fputs("parameters: {a: {}}\ntasks: {t: {uses: shel}}\n", f);
    fclose(f);
    char main_path[64];
    snprintf(main_path, sizeof(main_path), "%s/main.yaml", dir);
    f = fopen(main_path, "w");
    fputs("name: m\ntasks: {s: {flow: sub.yaml, with: {a: 1}}, r: {flow: main.yaml}}\n", f);
    fclose(f);
    ck_assert_ptr_null(flow_load_file(&arena, main_path, &options, &problems));
    problems_print(&problems, &buf);
    buf_add(&buf, "", 1);
    ck_assert_ptr_nonnull(strstr(buf.bytes, "sub.yaml:2:19: there is no step `shel`"));
    ck_assert_ptr_nonnull(strstr(buf.bytes, "do they use each other?"));
    buf_free(&buf);
    unlink(path);
    unlink(main_path);
    rmdir(dir);
    arena_reset(&arena);
}
END_TEST

/* CPU time that the check of a chain of so many tasks takes. */
static clock_t read_chain(int tasks)
{
    struct buf b = {.max_bytes = 1 << 20};
    char line[200];
    struct flow *f;
    buf_lit(&b, "name: big\ntasks:\n  t0: {uses: shell, with: {run: 'x'}}\n");
    for (int i = 1; i < tasks; i++) {
        int n = snprintf(line, sizeof(line),
                         "  t%d: {uses: shell, with: {run: '{{ tasks.t%d.state }}'}}\n", i, i - 1);
        buf_add(&b, line, (size_t)n);
    }
    buf_add(&b, "", 1);
    clock_t start = clock();
    ck_assert_str_eq(problems_of(b.bytes, &f), "");
    clock_t took = clock() - start;
    ck_assert_uint_eq(f->task_count, (size_t)tasks);
    buf_free(&b);
    arena_reset(&arena);
    return took;
}

START_TEST(large_flows_cost_by_their_size)
{
    read_chain(4000);
    clock_t small = read_chain(1000), large = read_chain(4000);
    /* four times the tasks: 4 by their size, 16 by its square */
    ck_assert_msg(large < 12 * small + CLOCKS_PER_SEC / 10, "%ld against %ld", large, small);
}
END_TEST

START_TEST(aliases_cannot_blow_up)
{
    const char *bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
                       "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
                       "e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n";
    ck_assert_str_eq(problems_of(bomb, NULL),
                     "f.yaml:5:4: the file is too large with all aliases written out\n");
    arena_reset(&arena);
}
END_TEST

static const struct step_schema *find_real_schema(const char *name)
{
    const struct step *step = step_find(name);
    return step ? &step->schema : NULL;
}

/* The first example of the documentation is a flow of the steps that exist. */
START_TEST(the_documented_flow_is_one)
{
    static const struct flow_options real = {find_real_schema, NULL};
    static char text[64 << 10];
    struct problems problems = {.arena = &arena};
    struct buf buf = {.max_bytes = 4096};
    FILE *f = fopen("docs/flows.md", "r");
    ck_assert_msg(f != NULL, "run from the top of the tree");
    text[fread(text, 1, sizeof(text) - 1, f)] = 0;
    fclose(f);
    char *begin = strstr(text, "```yaml\n"), *end = begin ? strstr(begin + 8, "```") : NULL;
    ck_assert_ptr_nonnull(end);
    struct flow *flow =
        flow_load(&arena, "flows.md", begin + 8, (size_t)(end - begin - 8), &real, &problems);
    problems_print(&problems, &buf);
    ck_assert_msg(flow != NULL, "%.*s", (int)buf.len, buf.bytes);
    buf_free(&buf);
    arena_reset(&arena);
}
END_TEST

START_TEST(a_bundle_holds_the_files)
{
    char dir[] = "/tmp/flow-XXXXXX", sub[64], top[64];
    struct problems problems = {.arena = &arena};
    struct buf text = {.max_bytes = 1 << 16};
    struct flow *again;
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(sub, sizeof(sub), "%s/sub.yaml", dir);
    snprintf(top, sizeof(top), "%s/top.yaml", dir);
    FILE *f = fopen(sub, "w");
    fputs("name: sub\nparameters: {a: {}}\ntasks: {t: {uses: shell, with: {run: \"a\\tb é\"}}}\n",
          f);
    fclose(f);
    f = fopen(top, "w");
    fputs("name: top\ntasks: {s: {flow: sub.yaml, with: {a: 1.5}}, u: {flow: {tasks: {v: {uses: "
          "shell}}}}}\n",
          f);
    fclose(f);
    struct flow *flow = flow_load_file(&arena, top, &options, &problems);
    ck_assert_ptr_nonnull(flow);
    ck_assert(flow_bundle(flow, &text));
    buf_add(&text, "", 1);
    ck_assert_str_eq(problems_of(text.bytes, &again), "");
    ck_assert_str_eq(again->tasks[0].flow->name, "sub");
    ck_assert_str_eq(node_get(again->tasks[0].flow->tasks[0].with, "run")->text, "a\tb é");
    text.len = 0;
    ck_assert(!flow_bundle(again, &text)); /* nothing left to put in */
    buf_free(&text);
    unlink(sub);
    unlink(top);
    rmdir(dir);
    arena_reset(&arena);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("flow");
    TCase *t = tcase_create("flow");
    tcase_set_timeout(t, 30);
    tcase_add_loop_test(t, what_is_wrong_is_said_with_its_place, 0, COUNT(rows));
    tcase_add_test(t, a_whole_flow_is_understood);
    tcase_add_test(t, devices_are_told_before_the_run);
    tcase_add_loop_test(t, parameters_are_checked, 0, COUNT(parameter_rows));
    tcase_add_loop_test(t, durations_have_three_forms, 0, COUNT(durations));
    tcase_add_test(t, sub_flow_files_are_found_beside_the_flow);
    tcase_add_test(t, the_documented_flow_is_one);
    tcase_add_test(t, a_bundle_holds_the_files);
    tcase_add_test(t, large_flows_cost_by_their_size);
    tcase_add_test(t, aliases_cannot_blow_up);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
