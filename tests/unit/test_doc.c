#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shared/json/doc.h"
#include "shared/json/write.h"

static struct arena arena;
static struct doc doc;
static struct doc_error error;

static void setup(void)
{
    arena = (struct arena){0};
}

static void teardown(void)
{
    arena_reset(&arena);
}

static struct val parse(const char *text)
{
    ck_assert_msg(doc_parse(&arena, text, strlen(text), &doc, &error), "%s: %s", text,
                  error.reason);
    return doc_root(&doc);
}

static const char *written(struct buf *b)
{
    buf_add(b, "", 1);
    return b->bytes;
}

/* What Python 3.11's json.loads() says, and where (in characters). */
static const struct {
    const char *text, *reason;
    size_t chars;
} refused[] = {
    {"", "Expecting value", 0},
    {"  ", "Expecting value", 2},
    {"{", "Expecting property name enclosed in double quotes", 1},
    {"{\"a\"", "Expecting ':' delimiter", 4},
    {"{\"a\":", "Expecting value", 5},
    {"{\"a\":1", "Expecting ',' delimiter", 6},
    {"{\"a\":1,", "Expecting property name enclosed in double quotes", 7},
    {"{\"a\":1,}", "Expecting property name enclosed in double quotes", 7},
    {"{\"a\":1 \"b\"", "Expecting ',' delimiter", 7},
    {"[1,]", "Expecting value", 3},
    {"[1 2", "Expecting ',' delimiter", 3},
    {"[", "Expecting value", 1},
    {"\"abc", "Unterminated string starting at", 0},
    {"\"ab\tc\"", "Invalid control character at", 3},
    {"\"a\\x\"", "Invalid \\escape", 2},
    {"\"a\\u12\"", "Invalid \\uXXXX escape", 3},
    {"\"a\\u12zz\"", "Invalid \\uXXXX escape", 3},
    {"\"\\ud800\\uzzzz\"", "Invalid \\uXXXX escape", 8},
    {"\"a\\", "Unterminated string starting at", 0},
    {"{} x", "Extra data", 3},
    {"nul", "Expecting value", 0},
    {"NaN", "Expecting value", 0},
    {"-Infinity", "Expecting value", 0},
    {"01", "Extra data", 1},
    {"-", "Expecting value", 0},
    {"1.", "Extra data", 1},
    {".5", "Expecting value", 0},
    {"1e", "Extra data", 1},
    {"{1:2}", "Expecting property name enclosed in double quotes", 1},
    {"\"\xc3\xb6\xc3\xb6\" x", "Extra data", 5},
    {"+1", "Expecting value", 0},
};

START_TEST(what_is_not_json_is_refused_in_pythons_words)
{
    const char *text = refused[_i].text;
    ck_assert(!doc_parse(&arena, text, strlen(text), &doc, &error));
    ck_assert_str_eq(error.reason, refused[_i].reason);
    ck_assert_uint_eq(error.chars, refused[_i].chars);
    ck_assert(!error.unreadable);
}
END_TEST

static const char *const unreadable[] = {
    "\"\xff\"",     "\"\xc0\x80\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"",
    "\"\xe2\x82\"", "\"\xc3",
};

START_TEST(what_is_not_utf8_cannot_be_read)
{
    ck_assert(!doc_parse(&arena, unreadable[_i], strlen(unreadable[_i]), &doc, &error));
    ck_assert_str_eq(error.reason, "not UTF-8");
    ck_assert(error.unreadable);
}
END_TEST

START_TEST(nesting_has_a_limit)
{
    char text[2 * DOC_DEPTH_MAX + 3];
    memset(text, '[', DOC_DEPTH_MAX + 1);
    memset(text + DOC_DEPTH_MAX + 1, ']', DOC_DEPTH_MAX + 1);
    ck_assert(!doc_parse(&arena, text, 2 * (DOC_DEPTH_MAX + 1), &doc, &error));
    ck_assert_str_eq(error.reason, "nested too deeply");
    ck_assert(doc_parse(&arena, text + 1, 2 * DOC_DEPTH_MAX, &doc, &error));
}
END_TEST

START_TEST(members_items_and_raw_text_are_found)
{
    struct val v = parse(" {\"a\" : [1, {\"b\":null}, \"x\"], \"c\": -12.50e+3, \"a2\":true, "
                         "\"c\":12345678901234567890}");
    ck_assert_uint_eq(val_count(v), 4);
    ck_assert_uint_eq(val_count(val_get(v, "a")), 3);
    ck_assert_int_eq(val_type(val_get(v, "nothing")), DOC_NONE);
    ck_assert_int_eq(val_type(val_get(val_get(v, "nothing"), "deeper")), DOC_NONE);
    struct raw c = val_raw(val_get(v, "c")); /* the last one counts, with all its digits */
    ck_assert_mem_eq(c.text, "12345678901234567890", c.len);
    int64_t n;
    ck_assert(!val_int64(val_get(v, "c"), &n));
    size_t index = 0;
    for (struct val_iter it = val_each(val_get(v, "a")); val_next(&it); index++)
        ck_assert_uint_eq(it.index, index);
    ck_assert_uint_eq(index, 3);
    struct buf b = {.max_bytes = 200};
    val_write(&b, v);
    ck_assert_str_eq(
        written(&b),
        "{\"a\":[1,{\"b\":null},\"x\"],\"c\":-12.50e+3,\"a2\":true,\"c\":12345678901234567890}");
    buf_free(&b);
    b = (struct buf){.max_bytes = 200};
    write_array(&b); /* values copied one after the other get their commas */
    for (struct val_iter it = val_each(val_get(v, "a")); val_next(&it);)
        val_write(&b, it.value);
    write_end_array(&b);
    ck_assert_str_eq(written(&b), "[1,{\"b\":null},\"x\"]");
    buf_free(&b);
}
END_TEST

static const struct {
    const char *json, *text;
    size_t length;
    bool storable;
} strings[] = {
    {"\"\"", "", 0, true},
    {"\"plain\"", "plain", 5, true},
    {"\"a\\n\\t\\\"\\\\\\/\\b\\f\\r\"", "a\n\t\"\\/\b\f\r", 9, true},
    {"\"\\u00e9\\u20ac\"", "\xc3\xa9\xe2\x82\xac", 2, true},
    {"\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80", 1, true},
    {"\"\\ud83d\"", "\xed\xa0\xbd", 1, false},
    {"\"\\ud83dx\\ude00\"", "\xed\xa0\xbdx\xed\xb8\x80", 3, false},
    {"\"\xc3\xb6\"", "\xc3\xb6", 1, true},
};

START_TEST(strings_are_unescaped)
{
    struct val v = parse(strings[_i].json);
    size_t len;
    const char *text = val_string(&arena, v, &len);
    ck_assert_str_eq(text, strings[_i].text);
    ck_assert_uint_eq(len, strlen(strings[_i].text));
    ck_assert_uint_eq(val_length(v), strings[_i].length);
    ck_assert(val_equals(v, text, len));
    ck_assert(!val_equals(v, "other", 5));
    ck_assert_int_eq(val_storable(v), strings[_i].storable);
}
END_TEST

START_TEST(a_zero_character_is_kept_but_not_storable)
{
    size_t len;
    struct val v = parse("[\"ok\", \"a\\u0000b\"]");
    ck_assert(!val_storable(v));
    struct val_iter it = val_each(v);
    ck_assert(val_next(&it) && val_storable(it.value));
    ck_assert(val_next(&it) && !val_storable(it.value));
    ck_assert_mem_eq(val_string(&arena, it.value, &len), "a\0b", 3);
    ck_assert_uint_eq(len, 3);
}
END_TEST

/* repr() of Python */
static const struct {
    double value;
    const char *text;
} doubles[] = {
    {90, "90.0"},
    {0, "0.0"},
    {-0.0, "-0.0"},
    {0.1, "0.1"},
    {1.5, "1.5"},
    {-2.25, "-2.25"},
    {1e15, "1000000000000000.0"},
    {1e16, "1e+16"},
    {1.5e16, "1.5e+16"},
    {123456789012345680.0, "1.2345678901234568e+17"},
    {0.0001, "0.0001"},
    {0.00012345, "0.00012345"},
    {0.00001, "1e-05"},
    {1.0 / 3, "0.3333333333333333"},
    {2.0 / 3, "0.6666666666666666"},
    {0.1 + 0.2, "0.30000000000000004"},
    {1e300, "1e+300"},
    {5e-324, "5e-324"},
    {100.5, "100.5"},
    {123456.789, "123456.789"},
    {9007199254740993.0, "9007199254740992.0"},
    {NAN, "null"},
    {INFINITY, "null"},
};

START_TEST(doubles_print_as_in_python)
{
    struct buf b = {.max_bytes = 64};
    write_double(&b, doubles[_i].value);
    ck_assert_str_eq(written(&b), doubles[_i].text);
    buf_free(&b);
}
END_TEST

/* JSON, and its length in Python's json.dumps(separators=(",", ":")) with and without ensure_ascii.
 */
static const struct {
    const char *json;
    size_t utf8, ascii;
} lengths[] = {
    {"{ \"a\" : [1,\n 2] }", 11, 11},
    {"\"a b\"", 5, 5},
    {"\"\\u00fc\"", 4, 8},
    {"\"\xc3\xbc\"", 4, 8},
    {"\"\xf0\x9f\x98\x80\"", 6, 14},
    {"\"\\ud83d\\ude00\"", 6, 14},
    {"\"\\u20ac\xe2\x82\xac\"", 8, 14},
    {"\"\\u0041\\/\\n\\u000a\\u0001\\\\\"", 16, 16},
};

START_TEST(texts_are_measured_without_blanks_and_needless_escapes)
{
    struct raw json = {lengths[_i].json, strlen(lengths[_i].json)};

    ck_assert_uint_eq(raw_compact_len(json, false), lengths[_i].utf8);
    ck_assert_uint_eq(raw_compact_len(json, true), lengths[_i].ascii);
}
END_TEST

START_TEST(the_writer_sets_commas_and_escapes)
{
    struct buf b = {.max_bytes = 400};
    struct uuid id = {{0x01}};
    write_object(&b);
    write_key(&b, "a\"");
    write_array(&b);
    write_int64(&b, INT64_MIN);
    write_bool(&b, true);
    write_null(&b);
    write_object(&b);
    write_end_object(&b);
    write_array(&b);
    write_end_array(&b);
    write_string_n(&b, "\x01\n\xff\xc3\xb6", 5);
    write_end_array(&b);
    write_key(&b, "t");
    write_time(&b, 1704067200123000);
    write_key(&b, "d");
    write_duration(&b, 90000000);
    write_key(&b, "u");
    write_uuid(&b, id);
    write_key(&b, "r");
    write_raw(&b, RAW("[1]"));
    write_end_object(&b);
    ck_assert_str_eq(
        written(&b),
        "{\"a\\\"\":[-9223372036854775808,true,null,{},[],\"\\u0001\\n\xef\xbf\xbd\xc3\xb6\"],"
        "\"t\":\"2024-01-01T00:00:00.123000Z\",\"d\":90.0,"
        "\"u\":\"01000000-0000-0000-0000-000000000000\",\"r\":[1]}");
    buf_free(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("doc");
    TCase *t = tcase_create("doc");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, what_is_not_json_is_refused_in_pythons_words, 0, COUNT(refused));
    tcase_add_loop_test(t, what_is_not_utf8_cannot_be_read, 0, COUNT(unreadable));
    tcase_add_test(t, nesting_has_a_limit);
    tcase_add_test(t, members_items_and_raw_text_are_found);
    tcase_add_loop_test(t, strings_are_unescaped, 0, COUNT(strings));
    tcase_add_loop_test(t, texts_are_measured_without_blanks_and_needless_escapes, 0,
                        COUNT(lengths));
    tcase_add_test(t, a_zero_character_is_kept_but_not_storable);
    tcase_add_loop_test(t, doubles_print_as_in_python, 0, COUNT(doubles));
    tcase_add_test(t, the_writer_sets_commas_and_escapes);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
