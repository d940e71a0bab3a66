/* Templates: what they render, what they refuse, and in which words. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "server/model/jinja.h"

static const char scope_json[] =
    "{\"name\":\"World\",\"n\":3,\"pi\":2.5,\"yes\":true,\"nothing\":null,\"list\":[3,1,2],"
    "\"words\":[\"b\",\"A\",\"c\"],\"people\":[{\"name\":\"Zoe\",\"age\":30},{\"name\":\"Al\","
    "\"age\":20}],\"deep\":{\"a\":{\"b\":[10,20]},\"items\":7},\"text\":\"a-b-c\",\"ue\":"
    "\"\\u00fcber\",\"html\":\"<a href='x'>&</a>\"}";

static struct arena arena;
static struct val scope_val;

static void get(void *context, struct arena *a, const char *name, struct jinja_value *out)
{
    (void)context;
    if (!strcmp(name, "when"))
        *out = jinja_time(INT64_C(1704164645000000));
    else if (!strcmp(name, "span"))
        *out = jinja_duration(INT64_C(93784000005));
    else if (val_type(val_get(scope_val, name)) != DOC_NONE)
        *out = jinja_of_json(a, val_get(scope_val, name));
}

static void setup(void)
{
    static struct doc doc;
    struct doc_error bad;

    ck_assert(doc_parse(&arena, scope_json, strlen(scope_json), &doc, &bad));
    scope_val = doc_root(&doc);
}

static void teardown(void)
{
    arena_reset(&arena);
}

/* What the template gives, or the reason why it gives nothing. */
static const char *result(const char *text)
{
    const struct jinja_scope scope = {get, NULL, NULL, INT64_C(1704168245000000)};
    struct buf b = {.max_bytes = JINJA_OUTPUT_MAX_BYTES};
    struct jinja_template *t;
    struct jinja_error bad;
    const char *reason, *out;

    if (!jinja_parse(&arena, text, strlen(text), &t, &bad))
        return arena_printf(&arena, "line %d: %s", bad.line, bad.message);
    if (jinja_render(&arena, t, &scope, &b, &reason))
        out = arena_strndup(&arena, b.len ? b.bytes : "", b.len);
    else
        out = arena_printf(&arena, "! %s", reason);
    buf_free(&b);
    return out;
}

static const struct {
    const char *template, *expected;
} rendered[] = {
    /* output */
    {"Hello {{ name }}!", "Hello World!"},
    {"{{ missing }}|{{ missing.deep.er }}|{{ nothing }}", "||None"},
    {"{{ n }} {{ pi }} {{ yes }} {{ list }} {{ deep }}",
     "3 2.5 True [3, 1, 2] {'a': {'b': [10, 20]}, 'items': 7}"},
    {"{# not this #}a{%- raw %} {{ x }} {% endraw -%} b", "a {{ x }} b"},
    {"a\n  {{- name -}}  \n b\n", "aWorldb"},
    {"{{ when }} {{ when.year }} {{ when.strftime('%d.%m.') }} {{ span }}",
     "2024-01-02 03:04:05+00:00 2024 02.01. 1 day, 2:03:04.000005"},
    /* expressions */
    {"{{ 1 + 2 * 3 - 4 // 3 }} {{ 7 / 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 2 ** 10 }}",
     "6 3.5 -4 2 1024"},
    {"{{ name ~ n ~ nothing }} {{ 'a' 'b' * 2 }} {{ 'x%s' % 5 }}", "World3None abab x5"},
    {"{{ deep.a.b[1] }} {{ deep['a']['b'][-1] }} {{ list[1:] }} {{ name[1:3] }} {{ ue[0] }}",
     "20 20 [1, 2] or \xc3\xbc"},
    {"{{ 1 < 2 < 3 }} {{ 1 < 2 > 3 }} {{ 'o' in name }} {{ 9 not in list }} {{ 1 == 1.0 }}",
     "True False True True True"},
    {"{{ 'a' if yes else 'b' }}{{ 'c' if nothing }}|{{ nothing or name }} {{ yes and n }}",
     "a|World 3"},
    {"{{ (1, 'a') }} {{ {'k': [1]} }} {{ [] }} {{ 'it''s' }}", "(1, 'a') {'k': [1]} [] its"},
    {"{{ deep.items() | list }}", "[('a', {'b': [10, 20]}), ('items', 7)]"},
    /* statements */
    {"{% for x in list %}{{ loop.index }}:{{ x }}{{ ',' if not loop.last }}{% endfor %}",
     "1:3,2:1,3:2"},
    {"{% for x in list if x > 1 %}{{ x }}{% else %}none{% endfor %}", "32"},
    {"{% for x in [] %}{{ x }}{% else %}none{% endfor %}", "none"},
    {"{% for k, v in deep.items() %}{{ k }}{% endfor %}", "aitems"},
    {"{% if n > 5 %}big{% elif n == 3 %}three{% else %}small{% endif %}", "three"},
    {"{% set x = n + 1 %}{{ x }}{% set y %}[{{ x }}]{% endset %}{{ y }}", "4[4]"},
    {"{% set x = 1 %}{% for i in list %}{% set x = i %}{% endfor %}{{ x }}", "1"},
    {"{% set s = namespace(t=0) %}{% for i in list %}{% set s.t = s.t + i %}{% endfor %}{{ s.t }}",
     "6"},
    {"{% with a = 1, b = name %}{{ a }}{{ b }}{% endwith %}{{ a }}", "1World"},
    {"{% macro hi(who, mark='!') %}Hi {{ who }}{{ mark }}{% endmacro %}{{ hi(name) }}{{ hi('x', "
     "mark='?') }}",
     "Hi World!Hi x?"},
    {"{% filter upper %}a{{ name }}{% endfilter %}", "AWORLD"},
    {"{% for i in range(3) %}{{ i }}{% endfor %}{{ range(1, 8, 3) | list }}", "012[1, 4, 7]"},
    /* filters and tests */
    {"{{ missing | default('x') }} {{ '' | d('y', true) }} {{ list | length }} {{ list | sum }}",
     "x y 3 6"},
    {"{{ list | sort | join('-') }} {{ words | sort(reverse=true) }} {{ list | max }}{{ list | min "
     "}}",
     "1-2-3 ['c', 'b', 'A'] 31"},
    {"{{ people | map(attribute='name') | join(',') }} {{ people | selectattr('age', 'gt', 25) | "
     "map(attribute='name') | first }}",
     "Zoe,Al Zoe"},
    {"{{ people | sort(attribute='age') | map(attribute='age') | list }} {{ words | map('upper') | "
     "list }}",
     "[20, 30] ['B', 'A', 'C']"},
    {"{{ text | replace('-', '+') }} {{ text.split('-') }} {{ 'a b' | title }} {{ ' x ' | trim }}",
     "a+b+c ['a', 'b', 'c'] A B x"},
    {"{{ 'hello world foo' | truncate(11, leeway=0) }} {{ '%s=%05.1f' | format('a', 2.25) }}",
     "hello... a=002.2"},
    {"{{ '%i|%05d|%+d|%-23d|' | format(29e20, 1e20, 1e20, -1e20) }}",
     "2900000000000000000000|100000000000000000000|+100000000000000000000|-100000000000000000000 "
     "|"},
    {"{{ 'hello world foo bar' | truncate(8, leeway=0, end='\xe2\x80\xa6') }}",
     "hello\xe2\x80\xa6"},
    {"{{ html | e }}", "&lt;a href=&#39;x&#39;&gt;&amp;&lt;/a&gt;"},
    {"{{ deep | tojson }} {{ html | tojson }}",
     "{\"a\": {\"b\": [10, 20]}, \"items\": 7} "
     "\"\\u003ca href=\\u0027x\\u0027\\u003e\\u0026\\u003c/a\\u003e\""},
    {"{{ list | tojson(indent=1) }}", "[\n 3,\n 1,\n 2\n]"},
    {"{{ 2.567 | round(1) }} {{ '12' | int + 1 }} {{ 'x' | int(7) }} {{ -3 | abs }} {{ 'a b' | "
     "urlencode }}",
     "2.6 13 7 3 a%20b"},
    {"{{ n is odd }} {{ n is divisibleby 3 }} {{ missing is defined }} {{ nothing is none }} {{ "
     "name is not string }}",
     "True True False True False"},
    {"{{ 'see flow-run/0f5b2c5a-1111-4222-8333-944455556666 ok' | flow_run_id }}",
     "0f5b2c5a-1111-4222-8333-944455556666"},
    {"{{ when | humanize_naturaltime }} {{ 12345678 | humanize_intcomma }} {{ 3 | humanize_ordinal "
     "}} {{ 1500000 | filesizeformat }}",
     "an hour ago 12,345,678 3rd 1.5 MB"},
    /* failures at run time */
    {"{{ 1 / 0 }}", "! ZeroDivisionError('division by zero')"},
    {"{{ 'hello world' | truncate(2) }}", "! AssertionError('expected length >= 3, got 2')"},
    {"{{ 'hi' | truncate(50, leeway=-100) }}",
     "! AssertionError('expected leeway >= 0, got -100')"},
    {"{{ missing + 1 }}", "! UndefinedError(\"'missing' is undefined\")"},
    {"{{ '%888888888d' | format(1) }}",
     "! ValueError('%888888888d: width and precision are at most 999')"},
    {"{{ '%.1000f' | format(1) }}", "! ValueError('%.1000f: width and precision are at most 999')"},
    {"{{ name + 1 }}", "! TypeError('can only concatenate str (not \"int\") to str')"},
    {"{{ name | nope }}", "! TemplateAssertionError(\"No filter named 'nope'.\")"},
    {"{{ range(101) }}", "! OverflowError('Range too big. The sandbox blocks ranges larger than "
                         "MAX_TEMPLATE_RANGE=100.')"},
    {"{{ 'x' * 100000000 }}", "! OverflowError('the result is too long')"},
    {"{% include 'x' %}", "! TypeError('no loader for this environment specified')"},
    {"{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
     "! RecursionError('maximum recursion depth exceeded')"},
    {"{{ name.__class__ }}", ""},
    /* refused */
    {"{{", "line 1: unexpected 'end of template'"},
    {"{{ x", "line 1: unexpected end of template, expected 'end of print statement'."},
    {"{{ a b }}", "line 1: expected token 'end of print statement', got 'b'"},
    {"{{ }}", "line 1: Expected an expression, got 'end of print statement'"},
    {"\n\n{{ ) }}", "line 3: unexpected ')'"},
    {"{{ [1,2 }}", "line 1: unexpected '}', expected ']'"},
    {"{{ a ? b }}", "line 1: unexpected char '?' at 5"},
    {"{% bogus %}", "line 1: Encountered unknown tag 'bogus'."},
    {"{% if a %}{% endfor %}",
     "line 1: Encountered unknown tag 'endfor'. Jinja was looking for the following tags: 'elif' "
     "or "
     "'else' or 'endif'. The innermost block that needs to be closed is 'if'."},
    {"{% for x %}{% endfor %}", "line 1: expected token 'in', got 'end of statement block'"},
    {"{% for 1 in x %}{% endfor %}", "line 1: can't assign to 'const'"},
    {"{# x", "line 1: Missing end of comment tag"},
};

START_TEST(renders)
{
    ck_assert_str_eq(result(rendered[_i].template), rendered[_i].expected);
}
END_TEST

static const char *loops_reason(const char *text)
{
    struct jinja_template *t;
    struct jinja_error bad = {0};

    ck_assert(jinja_parse(&arena, text, strlen(text), &t, &bad));
    return jinja_check_loops(&arena, t, &bad) ? "" : bad.message;
}

START_TEST(limits_loops)
{
    const char *one = "{% for x in y %}{% endfor %}", *many = "";

    for (int i = 0; i < 10; i++)
        many = arena_printf(&arena, "%s%s", many, one);
    ck_assert_str_eq(loops_reason(many), "");
    ck_assert_str_eq(loops_reason(arena_printf(&arena, "%s%s", many, one)),
                     "Contains 11 for loops. Templates can contain no more than 10 for loops.");
    ck_assert_str_eq(
        loops_reason(
            "{% for a in b %}{% for c in d %}{% for e in f %}{% endfor %}{% endfor %}{% endfor %}"),
        "Contains nested for loops at a depth of 3. Templates can nest for loops no more than 2 "
        "loops deep.");
}
END_TEST

START_TEST(knows_the_names_it_reads)
{
    static const char text[] =
        "{% set mine = flow.name %}{{ mine }}{% for run in runs %}{% endfor %}";
    struct jinja_template *t;
    struct jinja_error bad;

    ck_assert(jinja_parse(&arena, text, sizeof(text) - 1, &t, &bad));
    ck_assert(jinja_uses(t, "flow") && jinja_uses(t, "runs"));
    ck_assert(!jinja_uses(t, "run") && !jinja_uses(t, "deployment"));
}
END_TEST

/* A loop over loops ends although it would take ages. */
START_TEST(stops_when_it_takes_too_much)
{
    const char *out = result("{% for a in range(100) %}{% for b in range(100) %}"
                             "{{ range(100) | map('string') | join | length }}"
                             "{% endfor %}{% endfor %}");
    ck_assert_str_eq(out, "! OverflowError('the template needs too much work')");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("jinja");
    TCase *c = tcase_create("templates");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_loop_test(c, renders, 0, (int)COUNT(rendered));
    tcase_add_test(c, limits_loops);
    tcase_add_test(c, knows_the_names_it_reads);
    tcase_add_test(c, stops_when_it_takes_too_much);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
