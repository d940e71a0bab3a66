/* Triggers: which events concern them, and when their windows make them fire. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/model/action.h"
#include "server/model/automation.h"
#include "server/model/glob.h"
#include "server/model/trigger_window.h"
#include "shared/base/clock.h"

static struct arena arena;

static void teardown(void)
{
    arena_reset(&arena);
}

static const struct {
    const char *pattern, *text;
    bool glob, name, label;
} globs[] = {
    {"a.b", "a.b", true, true, true},
    {"a.*", "a.b.c", true, true, true},
    {"a.*", "a.", true, false, true},
    {"*", "x", true, true, true},
    {"*.c", "a.b.c", true, true, true},
    {"a*c", "abd", false, false, false},
    {"a?c", "abc", true, false, true},
    {"[ab]x", "bx", true, false, true},
    {"[!ab]x", "bx", false, false, false},
    {"[a-c]x", "cx", true, false, true},
    {"!a.*", "b", false, false, true},
    {"!a.*", "a.b", false, false, false},
    {"a[", "a[", true, true, true},
    {"?", "\xc3\xbc", true, false, true},
    {"**a*b**", "xaxb", true, false, true},
    {"", "", true, true, true},
    {"a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false, false, false},
};

START_TEST(wildcards)
{
    ck_assert_int_eq(glob_matches(globs[_i].pattern, globs[_i].text), globs[_i].glob);
    ck_assert_int_eq(glob_name_matches(globs[_i].pattern, globs[_i].text), globs[_i].name);
    ck_assert_int_eq(glob_label_matches(globs[_i].pattern, globs[_i].text), globs[_i].label);
    ck_assert(!glob_label_matches(globs[_i].pattern, NULL));
}
END_TEST

static struct trigger *load(const char *json)
{
    struct trigger *t = arena_new(&arena, struct trigger);
    struct err e = {0};

    ck_assert_msg(!trigger_load(&arena, (struct raw){json, strlen(json)}, t, &e), "%s", e.detail);
    return t;
}

/* With everything that is not told at its default. */
static struct trigger *event_trigger(const char *members)
{
    return load(arena_printf(
        &arena, "{\"type\":\"event\",\"id\":\"0f5b2c5a-1111-4222-8333-944455556666\",%s}",
        members));
}

static struct seen_event *event_of(const char *name, const char *labels, int64_t at_s)
{
    struct seen_event *v = arena_new(&arena, struct seen_event);
    struct err e = {0};

    *v = (struct seen_event){
        .id = uuid_v4(),
        .occurred_us = at_s * 1000000,
        .received_us = at_s * 1000000,
        .name = name,
        .resource_json = {labels, strlen(labels)},
        .related_json =
            RAW("[{\"prefect.resource.id\":\"prefect.flow.1\",\"prefect.resource.role\":"
                "\"flow\",\"team\":\"x\"},{\"prefect.resource.id\":\"tag.a\","
                "\"prefect.resource.role\":\"tag\"}]"),
        .payload_json = RAW("{}"),
    };
    ck_assert(!seen_event_load(&arena, v, &e));
    return v;
}

static const struct {
    const char *trigger;
    bool covers;
} coverage[] = {
    {"\"posture\":\"Reactive\"", true},
    {"\"posture\":\"Reactive\",\"expect\":[\"x\",\"job.*\"]", true},
    {"\"posture\":\"Reactive\",\"expect\":[\"x\"]", false},
    {"\"posture\":\"Reactive\",\"expect\":[\"x\"],\"after\":[\"job.*\"]", true},
    {"\"posture\":\"Reactive\",\"match\":{\"prefect.resource.id\":\"job.*\"}", true},
    {"\"posture\":\"Reactive\",\"match\":{\"color\":[\"blue\",\"red\"]}", true},
    {"\"posture\":\"Reactive\",\"match\":{\"color\":\"!red\"}", false},
    {"\"posture\":\"Reactive\",\"match\":{\"size\":\"*\"}", false},
    {"\"posture\":\"Reactive\",\"match\":{\"color\":[]}", false},
    {"\"posture\":\"Reactive\",\"match_related\":{\"team\":\"x\"}", true},
    {"\"posture\":\"Reactive\",\"match_related\":{\"team\":\"y\"}", false},
    {"\"posture\":\"Reactive\",\"match_related\":[{\"team\":\"x\"},{\"prefect.resource.id\":\"tag.*"
     "\"}]",
     true},
    {"\"posture\":\"Reactive\",\"match_related\":[{\"team\":\"x\"},{\"prefect.resource.id\":"
     "\"nope\"}]",
     false},
};

START_TEST(covers)
{
    struct seen_event *e =
        event_of("job.done", "{\"prefect.resource.id\":\"job.1\",\"color\":\"red\"}", 0);
    ck_assert_int_eq(trigger_covers(event_trigger(coverage[_i].trigger), e), coverage[_i].covers);
}
END_TEST

#define ME    "0f5b2c5a-1111-4222-8333-944455556677"
#define OTHER "0f5b2c5a-1111-4222-8333-944455556688"

static const struct {
    const char *trigger, *event, *teller;
    bool ignored;
} echoes[] = {
    {"\"posture\":\"Reactive\"", "prefect.automation.triggered", ME, true},
    {"\"posture\":\"Reactive\"", "prefect.automation.triggered", OTHER, true},
    {"\"posture\":\"Reactive\",\"expect\":[\"prefect.*\"]", "prefect.automation.action.failed",
     OTHER, true},
    {"\"posture\":\"Reactive\",\"expect\":[\"prefect.automation.*\"]",
     "prefect.automation.action.failed", OTHER, false},
    {"\"posture\":\"Reactive\",\"expect\":[\"prefect.automation.*\"]",
     "prefect.automation.action.failed", ME, true},
    {"\"posture\":\"Reactive\",\"match\":{\"prefect.resource.id\":\"prefect.automation.*\"}",
     "prefect.automation.triggered", OTHER, false},
    {"\"posture\":\"Reactive\"", "prefect.automation.created", ME, false},
    {"\"posture\":\"Reactive\"", "job.done", ME, false},
};

START_TEST(own_work_is_no_news)
{
    const char *labels = arena_printf(&arena, "{\"prefect.resource.id\":\"prefect.automation.%s\"}",
                                      echoes[_i].teller);
    struct uuid me;

    ck_assert(uuid_parse(ME, strlen(ME), &me));
    ck_assert_int_eq(trigger_ignores(event_trigger(echoes[_i].trigger), me,
                                     event_of(echoes[_i].event, labels, 0)),
                     echoes[_i].ignored);
}
END_TEST

START_TEST(keys_come_from_labels)
{
    struct trigger *t =
        event_trigger("\"posture\":\"Reactive\",\"for_each\":[\"related:flow:team\","
                      "\"color\",\"related:tag:team\",\"none\"]");
    struct seen_event *e =
        event_of("job.done", "{\"prefect.resource.id\":\"job.1\",\"color\":\"red\"}", 0);
    struct strings key = trigger_key(&arena, t, e);

    ck_assert_str_eq(trigger_labels(&arena, t, key).text,
                     "{\"color\":\"red\",\"none\":\"\",\"related:flow:team\":\"x\","
                     "\"related:tag:team\":\"\"}");
}
END_TEST

/* Steps: `NAME@SECOND` an event, `@SECOND` only time; a `!` behind one that fires. */
static const struct {
    const char *trigger, *steps;
} windows[] = {
    {"\"posture\":\"Reactive\",\"expect\":[\"e\"]", "e@0! e@1! e@2!"},
    {"\"posture\":\"Reactive\",\"expect\":[\"e\"],\"threshold\":2,\"within\":10",
     "e@0 e@5! e@6 e@9 e@16 e@18!"},
    /* out of order, but within the look-back */
    {"\"posture\":\"Reactive\",\"expect\":[\"e\"],\"threshold\":2,\"within\":10", "e@100 e@50!"},
    /* an event after the end of the window counts in the next one */
    {"\"posture\":\"Reactive\",\"expect\":[\"e\"],\"threshold\":2,\"within\":10", "e@0 e@20 e@25!"},
    {"\"posture\":\"Reactive\",\"after\":[\"a\"],\"expect\":[\"e\"],\"within\":10",
     "e@0 a@1 e@2! e@3 a@20 e@31"},
    {"\"posture\":\"Reactive\",\"after\":[\"e\"],\"expect\":[\"e\"],\"within\":10,\"threshold\":2",
     "e@0 e@1 e@2!"},
    /* absence: only when the window has ended */
    {"\"posture\":\"Proactive\",\"after\":[\"a\"],\"expect\":[\"e\"],\"within\":10",
     "a@0 @5 @9 @10! @30"},
    {"\"posture\":\"Proactive\",\"after\":[\"a\"],\"expect\":[\"e\"],\"within\":10",
     "a@0 e@5 @10 @20"},
    {"\"posture\":\"Proactive\",\"after\":[\"a\"],\"expect\":[\"e\"],\"within\":10,\"threshold\":2",
     "a@0 e@5 @10!"},
    /* an expected event that is seen before its start */
    {"\"posture\":\"Proactive\",\"after\":[\"a\"],\"expect\":[\"e\"],\"within\":10", "e@5 a@1 @11"},
    {"\"posture\":\"Proactive\",\"after\":[\"a\"],\"expect\":[\"e\"],\"within\":10",
     "e@20 a@1 @11!"},
    /* a heartbeat restarts its own window, and a final event ends it */
    {"\"posture\":\"Proactive\",\"after\":[\"b\"],\"expect\":[\"b\",\"end\"],\"within\":10",
     "b@0 b@8 @10 b@16 @18 @26!"},
    {"\"posture\":\"Proactive\",\"after\":[\"b\"],\"expect\":[\"b\",\"end\"],\"within\":10",
     "b@0 b@8 end@9 @18 @30"},
    {"\"posture\":\"Proactive\",\"expect\":[\"e\"],\"within\":10,\"threshold\":3",
     "e@0 e@1 @11! @21!"},
};

static bool step(struct window *w, const char *name, int64_t at_s)
{
    struct raw event = {0};
    struct buf b = {.max_bytes = 4096};

    if (!*name)
        return window_on_time(&arena, w, at_s * 1000000, &event);
    struct seen_event *e = event_of(name, "{\"prefect.resource.id\":\"r\"}", at_s);
    if (!trigger_covers(w->trigger, e))
        return false;
    seen_event_write(&b, e);
    struct raw json = {arena_strndup(&arena, b.bytes, b.len), b.len};
    buf_free(&b);
    return window_on_event(&arena, w, e, json, &event);
}

START_TEST(fires)
{
    struct window w = {.trigger = event_trigger(windows[_i].trigger)};
    char *steps = arena_strndup(&arena, windows[_i].steps, strlen(windows[_i].steps));

    for (char *part; (part = strsep(&steps, " "));) {
        char *at = strchr(part, '@');
        bool expected = part[strlen(part) - 1] == '!';
        *at = '\0';
        bool fired = step(&w, arena_strndup(&arena, part, strlen(part)), atoll(at + 1));
        ck_assert_msg(fired == expected, "%s: `%s@%s` %s", windows[_i].steps, part, at + 1,
                      fired ? "fires" : "does not fire");
    }
}
END_TEST

/* However many events come, few are held. */
START_TEST(held_events_are_bounded)
{
    struct window w = {.trigger =
                           event_trigger("\"posture\":\"Proactive\",\"after\":[\"a\"],"
                                         "\"expect\":[\"e\"],\"within\":60,\"threshold\":2")};
    for (int64_t s = 0; s < 20000; s++)
        ck_assert(!step(&w, "e", s));
    ck_assert_int_le((int64_t)w.held_count, (1800 / 60 + 2) * 4);
    ck_assert(!step(&w, "a", 19990)); /* and still enough of them count */
    ck_assert(!window_on_time(&arena, &w, INT64_C(20050000000), &(struct raw){0}));
}
END_TEST

/* ---- what clients send ---- */

static const char *refusal(const char *trigger, const char *actions)
{
    struct automation a;
    struct err e = {0};
    const char *body =
        arena_printf(&arena, "{\"name\":\"x\",\"trigger\":%s,\"actions\":%s}", trigger, actions);

    if (!json_decode_text(&arena, &automation_create_resource, body, strlen(body), &a, &e))
        return "";
    return arena_printf(&arena, "%s", e.detail);
}

#define EVENT "{\"posture\":\"Reactive\"}"
static const struct {
    const char *trigger, *actions, *reason; /* the first error */
} bodies[] = {
    {EVENT, "[{\"type\":\"do-nothing\"}]", ""},
    {EVENT, "[{}]", ""},
    {"{\"type\":\"event\"}", "[]", "body.trigger.EventTrigger.posture: Field required"},
    {"{\"posture\":\"Metric\"}", "[]",
     "body.trigger.EventTrigger.posture: Input should be Posture.Reactive or Posture.Proactive"},
    {"{\"posture\":\"Proactive\",\"within\":5}", "[]",
     "body.trigger.EventTrigger: Value error, `within` for Proactive triggers must be greater than "
     "or "
     "equal to 10 seconds"},
    {"{\"posture\":\"Reactive\",\"within\":\"30\"}", "[]",
     "body.trigger.EventTrigger.within: Input should be a valid timedelta, \"day\" identifier in "
     "duration not correctly formatted"},
    {"{\"posture\":\"Reactive\",\"expect\":\"x\"}", "[]",
     "body.trigger.EventTrigger.expect: Input should be a valid set"},
    {"{\"type\":\"sequence\",\"within\":null,\"triggers\":[" EVENT "]}", "[]", ""},
    {"{\"type\":\"compound\",\"within\":5,\"require\":\"any\",\"triggers\":[" EVENT "]}", "[]", ""},
    {EVENT, "[{\"type\":\"bogus\"}]",
     "body.actions.0.DoNothing.type: Input should be 'do-nothing'"},
    {EVENT, "{}", "body.actions: Input should be a valid list"},
    {"{\"posture\":\"Reactive\",\"expect\":[\"prefect.flow-run.*\"]}",
     "[{\"type\":\"run-deployment\",\"source\":\"inferred\"}]",
     "body: Value error, Running an inferred deployment from a flow run state change event will "
     "lead "
     "to an infinite loop o"},
};

START_TEST(bodies_are_checked)
{
    ck_assert_str_eq(refusal(bodies[_i].trigger, bodies[_i].actions), bodies[_i].reason);
}
END_TEST

START_TEST(deep_triggers_are_refused_quickly)
{
    const char *t = EVENT;

    for (int i = 0; i < 40; i++)
        t = arena_printf(&arena, "{\"type\":\"sequence\",\"within\":\"bad\",\"triggers\":[%s,%s]}",
                         t, i < 3 ? t : EVENT);
    ck_assert_ptr_nonnull(strstr(refusal(t, "[]"), "nest at most 8 deep"));
}
END_TEST

START_TEST(parameters_become_templates)
{
    struct doc doc;
    struct doc_error bad;
    struct buf b = {.max_bytes = 4096};
    static const char text[] =
        "{\"a\":\"{{ x }}\",\"b\":\"n {{ x }}\",\"c\":[\"{% if y %}\",1],\"d\":"
        "{\"e\":\" {{ z }} \"},\"f\":{\"__prefect_kind\":\"json\"}}";

    ck_assert(doc_parse(&arena, text, sizeof(text) - 1, &doc, &bad));
    action_write_parameters(&arena, &b, doc_root(&doc));
    ck_assert_str_eq(
        arena_strndup(&arena, b.bytes, b.len),
        "{\"a\":{\"__prefect_kind\":\"json\",\"value\":{\"__prefect_kind\":\"jinja\",\"template\":"
        "\"{{ x | tojson }}\"}},\"b\":{\"__prefect_kind\":\"jinja\",\"template\":\"n {{ x }}\"},"
        "\"c\":[{\"__prefect_kind\":\"jinja\",\"template\":\"{% if y %}\"},1],\"d\":{\"e\":"
        "{\"__prefect_kind\":\"json\",\"value\":{\"__prefect_kind\":\"jinja\",\"template\":"
        "\"{{ z | tojson }}\"}}},\"f\":{\"__prefect_kind\":\"json\"}}");
    buf_free(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("trigger");
    TCase *c = tcase_create("triggers");
    tcase_add_checked_fixture(c, NULL, teardown);
    tcase_add_loop_test(c, wildcards, 0, (int)COUNT(globs));
    tcase_add_loop_test(c, covers, 0, (int)COUNT(coverage));
    tcase_add_loop_test(c, own_work_is_no_news, 0, (int)COUNT(echoes));
    tcase_add_test(c, keys_come_from_labels);
    tcase_add_loop_test(c, fires, 0, (int)COUNT(windows));
    tcase_add_test(c, held_events_are_bounded);
    tcase_add_loop_test(c, bodies_are_checked, 0, (int)COUNT(bodies));
    tcase_add_test(c, deep_triggers_are_refused_quickly);
    tcase_add_test(c, parameters_become_templates);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
