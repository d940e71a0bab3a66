/* What a run of the engine ends as, and what it tells. */
#include "tests/unit/native_harness.h"

/* ---- scenarios ---- */

/* clang-format off */
static const struct {
    const char *yaml, *parameters, *summary;
} rows[] = {
    {FLOW("  a: {uses: ok}\n"), NULL, "a=Completed " DONE},
    {FLOW("  b: {uses: ok, needs: a}\n  a: {uses: ok}\n"), NULL, "a=Completed b=Completed " DONE},
    {FLOW("  a: {uses: fail}\n  b: {uses: ok, needs: a}\n  c: {uses: ok, needs: b}\n  d: {uses: ok}\n"), NULL,
     "a=Failed d=Completed b=NotReady c=NotReady | FAILED: Task `a` failed: attempt 1 broke"},
    {FLOW("  a: {uses: fail, with: {n: 2}, retries: 2, retry_delay: 1h}\n"), NULL, "a=Completed " DONE},
    {FLOW("  a: {uses: fail, with: {n: 3}, retries: 2}\n"), NULL, "a=Failed | FAILED: Task `a` failed: attempt 3 broke"},
    {FLOW("  a: {uses: hang, timeout: 10m}\n"), NULL, "a=TimedOut | FAILED: Task `a` failed: it took longer than its timeout of 600 s"},
    {FLOW("  a: {uses: hang, timeout: 10m, retries: 1, retry_delay: 5}\n"), NULL, "a=TimedOut | FAILED: Task `a` failed: it took longer than its timeout of 600 s"},
    /* when */
    {FLOW("  a: {uses: ok, when: parameters.p == 1}\n  b: {uses: ok, when: parameters.p > 1}\n  c: {uses: ok, needs: b}\n"), NULL,
     "a=Completed b=Skipped c=Completed " DONE},
    {FLOW("  a: {uses: fail}\n  b: {uses: ok, needs: a, when: failure()}\n  c: {uses: ok, needs: a, when: success()}\n"), NULL,
     "a=Failed b=Completed c=Skipped | FAILED: Task `a` failed: attempt 1 broke"},
    {FLOW("  a: {uses: ok, when: \"parameters.p < 'x'\"}\n"), NULL,
     "a=Failed | FAILED: Task `a` failed: `when` compares by size what is neither two numbers nor two texts"},
    {FLOW("  a: {uses: ok, when: not ('c' in parameters.l) and 'a' in parameters.l and 'z' not in parameters.l}\n"), NULL, "a=Completed " DONE},
    {FLOW("  a: {uses: ok, when: \"{{ parameters.p }} in [2, 3] or tasks.b.state == 'Completed'\"}\n  b: {uses: ok}\n"), NULL, "b=Completed a=Completed " DONE},
    /* always */
    {FLOW("  z: {uses: ok, always: true}\n  a: {uses: fail}\n  b: {uses: ok, needs: a}\n"), NULL,
     "a=Failed b=NotReady z=Completed | FAILED: Task `a` failed: attempt 1 broke"},
    {FLOW("  z: {uses: ok, always: true, needs: a}\n  a: {uses: fail}\n  y: {uses: ok, always: true, needs: z}\n"), NULL,
     "a=Failed z=Completed y=Completed | FAILED: Task `a` failed: attempt 1 broke"},
    {FLOW("  z: {uses: fail, always: true}\n  a: {uses: ok}\n"), NULL, "a=Completed z=Failed | FAILED: Task `z` failed: attempt 1 broke"},
    {FLOW("  z: {uses: ok, always: true, when: failure()}\n  a: {uses: ok}\n"), NULL, "a=Completed z=Skipped " DONE},
    /* matrix */
    {FLOW("  a: {uses: ok, matrix: {x: [1, 2], y: '{{ parameters.l }}'}, with: {v: '{{ matrix.x }}{{ matrix.y }}'}}\n"
          "  b: {uses: ok, with: {v: '{{ tasks.a.outputs.v }}', s: '{{ tasks.a.outputs.v }} {{ tasks.a.outputs.v[3] }}'}}\n"), NULL,
     "a (1, a)=Completed a (1, b)=Completed a (2, a)=Completed a (2, b)=Completed b=Completed " DONE},
    {FLOW("  a: {uses: fail, matrix: {x: [0, 1]}, with: {n: '{{ matrix.x }}'}, retries: 1}\n  b: {uses: ok, needs: a}\n"), NULL,
     "a (0)=Failed a (1)=Completed b=NotReady | FAILED: Task `a (0)` failed: attempt 2 broke"},
    {FLOW("  a: {uses: ok, matrix: {x: [1, 2]}, when: matrix.x == 2}\n"), NULL, "a (1)=Skipped a (2)=Completed " DONE},
    {FLOW("  a: {uses: ok, matrix: {x: '{{ parameters.l }}'}}\n  b: {uses: ok, needs: a}\n"), "{\"l\":[]}", "a=Skipped b=Completed " DONE},
    {FLOW("  a: {uses: ok, matrix: {x: '{{ parameters.p }}'}}\n"), NULL, "a=Failed | FAILED: Task `a` failed: matrix: `x` has no list of values"},
    /* sub-flows */
    {FLOW("  s: {flow: {parameters: {q: {}}, tasks: {a: {uses: ok, with: {v: '{{ parameters.q }}'}}}, result: {r: '{{ tasks.a.outputs.v }}'}}, with: {q: '{{ parameters.p }}'}}\n"
          "  b: {uses: ok, when: tasks.s.outputs.r == 1}\n"), NULL, "s=Completed s/a=Completed b=Completed " DONE},
    {FLOW("  s: {flow: {tasks: {a: {uses: fail}}}, retries: 1}\n"), NULL, "s=Failed s/a=Failed s/a=Failed | FAILED: Task `s` failed: `s/a` failed: attempt 1 broke"},
    {FLOW("  s: {flow: {tasks: {a: {uses: hang}, z: {uses: ok, always: true}}}, timeout: 1m}\n"), NULL,
     "s=TimedOut s/a=Cancelled s/z=Completed | FAILED: Task `s` failed: it took longer than its timeout of 60 s"},
    {FLOW("  s: {flow: {parameters: {q: {type: integer}}, tasks: {a: {uses: ok}}}, with: {q: '{{ parameters.l }}'}, retries: 3}\n"), NULL,
     "s=Failed | FAILED: Task `s` failed: parameters: `q` is [\"a\",\"b\"], expected type integer"},
    {FLOW("  s: {flow: {parameters: {q: {}}, tasks: {a: {uses: ok}}, result: '{{ parameters.q }}'}, with: {q: '{{ matrix.m }}'}, matrix: {m: [1, 2]}}\n"
          "  b: {uses: ok, when: \"tasks.s.outputs.result == [1, 2]\"}\n"), NULL,
     "s (1)=Completed s (2)=Completed s/a=Completed s/a=Completed b=Completed " DONE},
    /* what is wrong before it starts */
    {FLOW("  a: {uses: okay}\n"), NULL, "| FAILED: The flow has 1 problem; f.yaml:4:13: there is no step `okay`; `switchyard-worker flow steps` lists them"},
    {FLOW("  a: {uses: ok}\n"), "{\"p\":\"x\"}", "| FAILED: parameters: `p` is \"x\", expected type integer"},
    {FLOW("  a: {uses: ok, with: {v: '{{ prefect.blocks.s3.lab.key }}'}}\n"), NULL, "| FAILED: block `s3/lab` cannot be had: there is none of that name"},
    {FLOW("  a: {uses: ok, with: {n: '{{ prefect.variables.none }}'}}\n"), NULL, "a=Completed " DONE},
    /* types */
    {FLOW("  a: {uses: ok, with: {n: '{{ parameters.l }}'}, retries: 5}\n"), NULL, "a=Failed | FAILED: Task `a` failed: `n` is not an integer"},
    {FLOW("  a: {uses: ok, with: {s: '{{ parameters.p }}'}}\n"), NULL, "a=Completed " DONE},
};
/* clang-format on */

START_TEST(a_run_ends_as_it_should)
{
    struct world w = {0};
    setup(&w, rows[_i].yaml, rows[_i].parameters);
    run_until_over(&w);
    ck_assert_str_eq(summary(&w), rows[_i].summary);
    teardown(&w);
}
END_TEST

START_TEST(the_result_is_the_same_every_time)
{
    const char *yaml = "name: f\ntasks:\n"
                       "  a: {uses: ok, matrix: {x: [3, 1, 2]}, with: {v: '{{ matrix.x }}'}}\n"
                       "  b: {uses: ok, with: {v: {list: '{{ tasks.a.outputs.v }}', none: "
                       "'{{ tasks.c.outputs.v }}', text: 'x{{ tasks.c.outputs.v }}y \\{{ z }}'}}}\n"
                       "  c: {uses: ok, when: false}\n"
                       "result: '{{ tasks.b.outputs.v }}'\n";
    for (int i = 0; i < 3; i++) {
        struct world w = {0};
        setup(&w, yaml, NULL);
        run_until_over(&w);
        const json_t *last = json_array_get(w.states, json_array_size(w.states) - 1);
        char *shown = json_dumps(json_object_get(last, "data"), JSON_COMPACT | JSON_SORT_KEYS);
        ck_assert_str_eq(
            shown, "{\"type\":\"result\",\"value\":{\"list\":[3,1,2],\"text\":\"xy {{ z }}\"}}");
        free(shown);
        teardown(&w);
    }
}
END_TEST

static const json_t *member(const json_t *value, const char *path)
{
    struct arena arena = {0};
    struct path p;
    ck_assert(path_parse(&arena, path, strlen(path), &p));
    const json_t *found = path_get((json_t *)(uintptr_t)value, &p, 0);
    ck_assert_msg(found != NULL, "no %s", path);
    arena_reset(&arena);
    return found;
}

START_TEST(events_have_the_form_of_the_wire)
{
    struct world w = {0};
    setup(&w,
          FLOW("  a: {uses: fail, with: {n: 1}, retries: 1, retry_delay: 30}\n  b: {uses: ok, "
               "needs: a}\n"),
          NULL);
    run_until_over(&w);
    static const char *const names[] = {
        "prefect.task-run.Pending",  "prefect.task-run.Running",   "prefect.task-run.AwaitingRetry",
        "prefect.task-run.Retrying", "prefect.task-run.Completed", "prefect.task-run.Pending",
        "prefect.task-run.Running",  "prefect.task-run.Completed"};
    ck_assert_uint_eq(json_array_size(w.events), COUNT(names));
    for (size_t i = 0; i < COUNT(names); i++) {
        const json_t *e = json_array_get(w.events, i);
        ck_assert_str_eq(text_at(e, "event"), names[i]);
        ck_assert_str_eq(json_string_value(json_object_get(json_object_get(e, "resource"),
                                                           "prefect.orchestration")),
                         "client");
        if (i % 5)
            ck_assert_str_eq(text_at(e, "follows"), text_at(json_array_get(w.events, i - 1), "id"));
        else
            ck_assert_ptr_null(json_object_get(e, "follows"));
    }
    const json_t *retry = json_array_get(w.events, 2), *done = json_array_get(w.events, 4);
    ck_assert_str_eq(json_string_value(member(retry, "payload.intended.from")), "RUNNING");
    ck_assert_str_eq(json_string_value(member(retry, "payload.intended.to")), "SCHEDULED");
    ck_assert_str_eq(json_string_value(member(retry, "payload.initial_state.name")), "Running");
    ck_assert_str_eq(json_string_value(member(retry, "payload.validated_state.message")),
                     "attempt 1 broke");
    ck_assert_str_eq(
        json_string_value(member(retry, "payload.validated_state.state_details.scheduled_time")),
        "2023-11-14T22:13:50Z");
    ck_assert_int_eq(json_integer_value(member(done, "payload.task_run.run_count")), 2);
    ck_assert_str_eq(json_string_value(member(done, "payload.task_run.start_time")),
                     "2023-11-14T22:13:20.000001Z");
    ck_assert_str_eq(json_string_value(member(done, "payload.task_run.end_time")),
                     "2023-11-14T22:13:50.000001Z");
    ck_assert_str_eq(json_string_value(member(done, "payload.task_run.task_key")), "f.a");
    ck_assert_str_eq(json_string_value(member(done, "payload.task_run.dynamic_key")), "0");
    ck_assert_int_eq(json_integer_value(member(done, "payload.task_run.empirical_policy.retries")),
                     1);
    ck_assert(
        fabs(json_real_value(member(done, "payload.task_run.empirical_policy.retry_delay[0]")) -
             30) < 1e-9);
    const json_t *b = json_array_get(w.events, 7);
    const char *a_id =
        json_string_value(json_object_get(member(done, "resource"), "prefect.resource.id"));
    ck_assert_str_eq(json_string_value(member(b, "payload.task_run.task_inputs.a[0].id")),
                     a_id + strlen("prefect.task-run."));
    ck_assert_str_eq(json_string_value(member(b, "payload.task_run.task_inputs.a[0].input_type")),
                     "task_run");
    teardown(&w);
}
END_TEST

START_TEST(a_retried_flow_run_has_new_natural_keys)
{
    struct world w = {0};
    setup(&w, FLOW("  s: {flow: {tasks: {a: {uses: ok}}}}\n"), NULL);
    w.options.run_count = 2;
    run_until_over(&w);
    const json_t *a = json_array_get(w.events, 2);
    ck_assert_str_eq(json_string_value(member(a, "payload.task_run.task_key")), "f.s/a");
    ck_assert_str_eq(json_string_value(member(a, "payload.task_run.dynamic_key")), "2.0.1.0");
    ck_assert_str_eq(
        json_string_value(member(a, "payload.task_run.task_inputs.__parents__[0].input_type")),
        "task_run");
    teardown(&w);
}
END_TEST

START_TEST(secrets_appear_nowhere)
{
    struct world w = {.blocks = "{\"s3/lab\":{\"key\":\"sesame-open\",\"url\":\"http://x\"},"
                                "\"secret/pin\":{\"value\":\"12345\"},\"variable/city\":\"Lund\"}",
                      .secrets = "[\"sesame-open\", \"12345\"]"};
    setup(
        &w,
        FLOW("  a: {uses: ok, with: {s: 'k={{ prefect.blocks.s3.lab.key }} {{ "
             "prefect.blocks.secret.pin }} {{ prefect.blocks.s3.lab.url }} {{ "
             "prefect.variables.city }}'}}\n"
             "  b: {uses: artifact, with: {s: '{{ prefect.blocks.s3.lab.key }}'}}\n"
             "  c: {uses: shell, with: {run: 'echo {{ prefect.blocks.s3.lab.key }} >&2; exit 1'}}\n"
             "result: {k: '{{ prefect.blocks.s3.lab.key }}'}\n"),
        NULL);
    run_until_over(&w);
    ck_assert(has_log(&w, "k=******** ******** http://x Lund"));
    json_t *all = json_pack("[O,O,O,O]", w.events, w.logs, w.states, w.artifacts);
    char *text = json_dumps(all, 0);
    ck_assert_ptr_null(strstr(text, "sesame"));
    ck_assert_ptr_null(strstr(text, "12345\""));
    ck_assert_ptr_nonnull(strstr(text, "ended with status 1: ********"));
    ck_assert_str_eq(text_at(json_array_get(w.artifacts, 0), "data"), "********");
    ck_assert_int_eq(w.progressed, 1);
    free(text);
    json_decref(all);
    teardown(&w);
}
END_TEST

START_TEST(a_dry_run_leaves_hardware_alone)
{
    const char *yaml =
        "name: f\nparameters: {dry: false}\ndry_run: '{{ parameters.dry }}'\ntasks:\n"
        "  build: {uses: ok, with: {v: 1}}\n"
        "  flash: {uses: hw, needs: build}\n"
        "  look: {uses: ok, with: {v: '{{ tasks.flash.outputs.v }}'}}\n"
        "  many: {uses: ok, matrix: {x: '{{ tasks.look.outputs.v }}'}}\n"
        "  send: {uses: ok, dry_run: false, with: {v: 2}}\n"
        "  sim: {uses: hw, dry_run: true, with: {n: 1}, retries: 1}\n"
        "  end: {uses: ok, needs: [many, send]}\n";
    struct world w = {0};
    setup(&w, yaml, "{\"dry\":true}");
    run_until_over(&w);
    ck_assert_str_eq(
        summary(&w),
        "build=Completed send=DryRun sim=Completed flash=DryRun look=DryRun many=DryRun "
        "end=Completed | COMPLETED: The dry run went through.");
    teardown(&w);
}
END_TEST

START_TEST(outputs_are_cached)
{
    const char *yaml = FLOW("  a: {uses: ok, with: {v: '{{ parameters.p }}'}, cache: {key: 'k{{ "
                            "parameters.l }}', expires: 1h}}\n"
                            "  b: {uses: ok, with: {v: '{{ run.work_dir }}/x'}, cache: {key: k}}\n"
                            "result: '{{ tasks.a.outputs.v }}'\n");
    static const struct {
        const char *parameters, *summary;
        int64_t later_us, result;
    } runs[] = {
        {"{\"p\":1}", "a=Completed b=Completed " DONE, 0, 1},
        {"{\"p\":2}", "a=Cached b=Completed " DONE, 3599000000, 1},
        {"{\"p\":3,\"l\":[]}", "a=Completed b=Completed " DONE, 3599000000, 3},
        {"{\"p\":4}", "a=Completed b=Completed " DONE, 3600000000, 4},
    };
    char data[] = "/tmp/cache-XXXXXX", command[64];
    ck_assert_ptr_nonnull(mkdtemp(data));
    for (size_t i = 0; i < COUNT(runs); i++) {
        struct world w = {0};
        setup(&w, yaml, runs[i].parameters);
        w.options.run.data_dir = data;
        w.now_us += runs[i].later_us;
        run_until_over(&w);
        ck_assert_str_eq(summary(&w), runs[i].summary);
        const json_t *last = json_array_get(w.states, json_array_size(w.states) - 1);
        ck_assert_int_eq(json_integer_value(member(last, "data.value")), runs[i].result);
        ck_assert(
            has_log(&w, "outputs of `ok` are not cached: they name files in the run's own folder"));
        teardown(&w);
    }
    snprintf(command, sizeof(command), "rm -rf '%s'", data);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("native");
    TCase *t = tcase_create("native");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, a_run_ends_as_it_should, 0, COUNT(rows));
    tcase_add_test(t, the_result_is_the_same_every_time);
    tcase_add_test(t, events_have_the_form_of_the_wire);
    tcase_add_test(t, a_retried_flow_run_has_new_natural_keys);
    tcase_add_test(t, secrets_appear_nowhere);
    tcase_add_test(t, a_dry_run_leaves_hardware_alone);
    tcase_add_test(t, outputs_are_cached);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
