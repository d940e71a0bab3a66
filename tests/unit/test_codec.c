#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/json/codec.h"
#include "shared/json/write.h"

static struct arena arena;
static struct err err;

static void setup(void)
{
    arena = (struct arena){0};
    err = (struct err){0};
}

static void teardown(void)
{
    arena_reset(&arena);
}

struct part {
    struct given given;
    struct uuids any_;
    int64_t n;
};

static const struct field part_fields[] = {
    F_UUIDS(struct part, any_, F_NULLABLE, .doc = "Ids."),
    F_INT(struct part, n, .def = "0", .doc = "A number."),
};
static const struct resource part_resource = RESOURCE(part, part_fields, .doc = "A part.");

enum letter { LETTER_A, LETTER_B, LETTER_C };
static const struct enum_name letters[] = {
    {"A", LETTER_A}, {"B", LETTER_B}, {"C", LETTER_C}, {NULL, 0}};

/* The same as in codec_rows.py. */
struct thing {
    struct given given;
    const char *name, *s, *s1;
    int64_t i, g, n;
    double fg;
    bool b;
    enum letter e;
    struct uuid u;
    int64_t t_us, d_us;
    struct strings l, l2;
    struct uuids ul;
    struct raw j, lab;
    struct part *part, *parts;
    size_t parts_count;
    struct uuid id;
    enum tri tri;
};

// clang-format off
static const struct field thing_fields[] = {
    F_STR(struct thing, name, F_REQUIRED, F_PATTERN("^[^/%&><]+$"), .doc = "What it is called."),
    F_STR(struct thing, s, F_LEN(2, 4), .def = "\"abc\"", .doc = "Short."),
    F_STR(struct thing, s1, F_LEN(1, 1), .def = "\"a\"", .doc = "Shorter."),
    F_INT(struct thing, i, F_GE(0), F_LE(200), .def = "0", .doc = "Limited."),
    F_INT(struct thing, g, F_GT(0), .def = "1", .doc = "Positive."),
    F_INT(struct thing, n, .def = "0", .doc = "Any."),
    F_NUM(struct thing, fg, F_GE(0.5), F_LE(2), .def = "1", .doc = "A fraction."),
    F_BOOL(struct thing, b, .def = "false", .doc = "A switch."),
    F_ENUM(struct thing, e, letters, .def = "\"A\"", .doc = "A letter."),
    F_UUID(struct thing, u, F_NULLABLE, .doc = "An id."),
    F_TIME(struct thing, t, F_NULLABLE, .doc = "When."),
    F_DURATION(struct thing, d, F_NULLABLE, .doc = "How long."),
    F_STRS(struct thing, l, .def = "[]", .doc = "Words."),
    F_STRS(struct thing, l2, F_LEN(1, 2), .def = "[\"q\"]", .doc = "One or two words."),
    F_UUIDS(struct thing, ul, F_NULLABLE, .doc = "Ids."),
    F_DICT(struct thing, j, .def = "{}", .doc = "Anything."),
    F_LABELS(struct thing, lab, .def = "{}", .doc = "Labels."),
    F_OBJECT(struct thing, part, part, F_NULLABLE, .doc = "A part."),
    F_LIST(struct thing, parts, part, .def = "[]", .doc = "Parts."),
    F_UUID(struct thing, id, F_READONLY, .column = "t.thing_id", .doc = "Assigned by the server."),
    F_TRI(struct thing, tri, F_READONLY, F_NULLABLE, .doc = "Three ways."),
};
// clang-format on
static const struct resource thing_resource = RESOURCE(thing, thing_fields, .doc = "A thing.");

struct params {
    struct given given;
    struct part *part;
    int64_t limit;
    struct part *other;
};

static const struct field params_fields[] = {
    F_OBJECT(struct params, part, part, F_NULLABLE, .doc = "A part."),
    F_INT(struct params, limit, F_GE(0), .def = "200", .doc = "How many."),
    F_OBJECT(struct params, other, part, F_NULLABLE, .doc = "Another."),
};
static const struct resource params_resource = RESOURCE(params, params_fields, .extra = true);

enum target { thing, params, things };
static const struct {
    enum target target;
    const char *body, *errors;
} rows[] = {
#define ROW(target, body, errors) {target, body, errors},
#include "tests/unit/codec_rows.h"
#undef ROW
};

static struct val parse(const char *text)
{
    struct doc *d = arena_new(&arena, struct doc);
    struct doc_error error;

    if (!*text)
        return (struct val){0};
    ck_assert_msg(doc_parse(&arena, text, strlen(text), d, &error), "%s: %s", text, error.reason);
    return doc_root(d);
}

static enum err_code decode(enum target target, struct val v, struct invalid *bad)
{
    struct thing one;
    struct params some;
    void *list;
    size_t count;

    if (target == thing)
        return json_decode(&thing_resource, v, &loc_body, &one, bad);
    if (target == params)
        return json_decode(&params_resource, v, &loc_body, &some, bad);
    return json_decode_list(&part_resource, v, &loc_body, &list, &count, bad);
}

START_TEST(answers_are_those_of_pydantic)
{
    struct invalid bad = {.arena = &arena};
    enum err_code rc = decode(rows[_i].target, parse(rows[_i].body), &bad);
    const char *errors = bad.list ? arena_strndup(&arena, bad.list->bytes, bad.list->len) : "";
    ck_assert_msg(strcmp(errors, rows[_i].errors) == 0, "%s\n  got  %s\n  want %s", rows[_i].body,
                  errors, rows[_i].errors);
    ck_assert_int_eq(rc, *errors ? ERR_INVALID : ERR_OK);
}
END_TEST

START_TEST(a_decoded_object_is_written_as_it_was_read)
{
    static const char text[] = "{\"name\":\"b\\\"\xc3\xb6\",\"s\":\"abc\",\"s1\":\"a\",\"i\":7,"
                               "\"g\":1,\"n\":0,\"fg\":1.0,\"b\":true,\"e\":\"C\","
                               "\"u\":\"00000000-0000-0000-0000-000000000001\",\"t\":\"2024-01-"
                               "01T00:00:00.500000Z\",\"d\":90.0,\"l\":[\"x\"],"
                               "\"l2\":[\"q\"],\"ul\":null,\"j\":{\"k\":[1,2.50]},\"lab\":{},"
                               "\"part\":{\"any_\":null,\"n\":3},"
                               "\"parts\":[{\"any_\":[],\"n\":0}],\"id\":\"00000000-0000-0000-0000-"
                               "000000000000\",\"tri\":null}";
    static const char sent[] = "{\"name\":\"b\\\"\xc3\xb6\",\"i\":\"7\",\"b\":1,\"e\":\"C\",\"u\":"
                               "\"00000000000000000000000000000001\",\"t\":1704067200.5,"
                               "\"d\":\"PT1M30S\",\"l\":[\"x\"],\"j\":{\"k\":[1,2.50]},\"part\":{"
                               "\"n\":3},\"parts\":[{\"any_\":[]}]}";
    struct thing in;
    struct buf b = {.max_bytes = 4096};

    ck_assert_int_eq(json_decode_text(&arena, &thing_resource, sent, sizeof(sent) - 1, &in, &err),
                     ERR_OK);
    ck_assert_int_eq(in.t_us, 1704067200500000);
    ck_assert_uint_eq(in.parts_count, 1);
    json_encode(&b, &thing_resource, &in);
    ck_assert_str_eq(arena_strndup(&arena, b.bytes, b.len), text);
    buf_free(&b);
}
END_TEST

START_TEST(absent_null_and_value_are_told_apart)
{
    struct thing in;
    const char text[] = "{\"name\":\"x\",\"u\":null}";

    ck_assert_int_eq(json_decode_text(&arena, &thing_resource, text, sizeof(text) - 1, &in, &err),
                     ERR_OK);
    ck_assert(given(&in, name) && !given_null(&in, name));
    ck_assert(given(&in, u) && given_null(&in, u));
    ck_assert(!given(&in, t_us) && in.t_us == TIME_NONE);
    ck_assert(!given(&in, l) && in.l.items && in.l.count == 0);
}
END_TEST

START_TEST(members_of_the_server_are_unknown_in_requests)
{
    struct thing in;
    const char text[] = "{\"name\":\"x\",\"tri\":true}";

    ck_assert_int_eq(json_decode_text(&arena, &thing_resource, text, sizeof(text) - 1, &in, &err),
                     ERR_INVALID);
    ck_assert_str_eq(err.detail, "body.tri: Extra inputs are not permitted");
}
END_TEST

static const struct {
    const char *body, *first;
} unstorable[] = {
    {"{\"name\":\"a\\u0000b\"}", "body.name: Value error, a string cannot contain U+0000"},
    {"{\"name\":\"\\ud800\"}",
     "body.name: Input should be a valid string, unable to parse raw data as a unicode string"},
    {"{\"name\":\"a\",\"j\":{\"x\":[\"\\u0000\"]}}",
     "body.j: Value error, JSON text cannot contain U+0000 or a lone surrogate"},
    {"{\"name\":\"a\",\"l\":[\"\\udc00\"]}",
     "body.l.0: Input should be a valid string, unable to parse raw data as a unicode string"},
    {"{\"name\":\"a\",\"fg\":1e999}", "body.fg: Input should be a finite number"},
    {"{\"name\":\"a\",\"i\":1e999}", "body.i: Input should be a finite number"},
    {"{\"name\":", "not JSON: Expecting value, byte 8"},
};

START_TEST(what_the_database_cannot_hold_is_refused)
{
    struct thing in;
    const char *body = unstorable[_i].body;
    ck_assert_int_eq(json_decode_text(&arena, &thing_resource, body, strlen(body), &in, &err),
                     ERR_INVALID);
    ck_assert_str_eq(err.detail, unstorable[_i].first);
}
END_TEST

START_TEST(the_list_of_errors_has_an_end)
{
    struct invalid bad = {.arena = &arena};
    struct buf b = {.max_bytes = 1 << 20};
    void *items;
    size_t count;

    buf_lit(&b, "[0");
    for (int i = 1; i < 5000; i++)
        buf_lit(&b, ",0");
    buf_lit(&b, "]");
    struct val v = parse(arena_strndup(&arena, b.bytes, b.len));
    ck_assert_int_eq(json_decode_list(&part_resource, v, &loc_body, &items, &count, &bad),
                     ERR_INVALID);
    ck_assert_uint_eq(bad.count, INVALID_LISTED_MAX);
    ck_assert_uint_lt(bad.list->len, 200 * INVALID_LISTED_MAX);
    buf_free(&b);
}
END_TEST

/* Bodies whose items are small in text and large in memory. */
static const struct {
    const char *before, *item, *after;
} swollen[] = {
    {"[", "{}", "]"},
    {"{\"parts\":[", "{}", "]}"},
    {"{\"name\":\"x\",\"parts\":[", "{}", "]}"},
    {"{\"name\":\"x\",\"l\":[", "\"\"", "]}"},
    {"{\"name\":\"x\",\"ul\":[", "\"00000000000000000000000000000001\"", "]}"},
    {"{\"name\":\"x\",\"ul\":[", "1", "]}"},
    {"{\"name\":\"x\",\"lab\":{\"a\":[]", "\"\":[]", "}}"},
    {"{\"a\":1", "\"\":1", "}"},
};

START_TEST(large_bodies_do_not_fill_the_memory)
{
    struct invalid bad = {.arena = &arena};
    struct buf b = {.max_bytes = 17 << 20};
    struct doc *d = arena_new(&arena, struct doc);
    struct doc_error error;
    struct thing in;
    void *items;
    size_t count, len = strlen(swollen[_i].item);
    bool first = swollen[_i].before[strlen(swollen[_i].before) - 1] == '[';

    buf_add(&b, swollen[_i].before, strlen(swollen[_i].before));
    for (; b.len < 16 << 20; first = false) {
        buf_add(&b, ",", !first);
        buf_add(&b, swollen[_i].item, len);
    }
    buf_add(&b, swollen[_i].after, strlen(swollen[_i].after));
    if (doc_parse(&arena, b.bytes, b.len, d, &error)) {
        enum err_code rc =
            val_type(doc_root(d)) == DOC_ARRAY
                ? json_decode_list(&thing_resource, doc_root(d), &loc_body, &items, &count, &bad)
                : json_decode(&thing_resource, doc_root(d), &loc_body, &in, &bad);
        ck_assert(rc == ERR_INVALID || _i == 4);
    } else {
        ck_assert_str_eq(error.reason, "too many values");
    }
    ck_assert_uint_lt(arena.used_bytes, ARENA_MAX_BYTES);
    buf_free(&b);
}
END_TEST

START_TEST(the_reply_has_the_shape_of_prefects)
{
    struct invalid bad = {.arena = &arena};
    struct doc_error error;
    struct doc d;
    struct buf b = {.max_bytes = 4096};

    ck_assert(!doc_parse(&arena, "{", 1, &d, &error));
    invalid_syntax(&bad, &error);
    invalid_write(&b, &bad, RAW("\"{\""));
    ck_assert_str_eq(
        arena_strndup(&arena, b.bytes, b.len),
        "{\"exception_message\":\"Invalid request "
        "received.\",\"exception_detail\":[{\"type\":\"json_invalid\","
        "\"loc\":[\"body\",1],\"msg\":\"JSON decode error\",\"input\":{},\"ctx\":{\"error\":"
        "\"Expecting property name enclosed in double quotes\"}}],\"request_body\":\"{\"}");
    buf_free(&b);
}
END_TEST

#define COLUMN(text)                                                                               \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }

static const struct column thing_columns[] = {
    COLUMN("nam\"e"),
    COLUMN("abc"),
    {NULL, 0},
    COLUMN("7"),
    COLUMN("1"),
    COLUMN("0"),
    COLUMN("2"),
    COLUMN("t"),
    COLUMN("B"),
    COLUMN("00000000-0000-0000-0000-000000000001"),
    COLUMN("2024-01-01 00:00:00.123+00"),
    COLUMN("1 day 00:01:30.5"),
    COLUMN("{a,\"b \\\"c\\\"\",\"\"}"),
    COLUMN("[\"j\", \"k\"]"),
    COLUMN("{00000000-0000-0000-0000-000000000002}"),
    COLUMN("{\"a\": 1}"),
    COLUMN("{}"),
    COLUMN("{\"n\": 4, \"any_\": null}"),
    COLUMN("[]"),
    COLUMN("00000000-0000-0000-0000-000000000003"),
    {NULL, 0},
};

static const char thing_from_columns[] =
    "{\"name\":\"nam\\\"e\",\"s\":\"abc\",\"s1\":null,\"i\":7,\"g\":1,\"n\":0,\"fg\":2.0,\"b\":"
    "true,\"e\":\"B\","
    "\"u\":\"00000000-0000-0000-0000-000000000001\",\"t\":\"2024-01-01T00:00:00.123000Z\",\"d\":"
    "86490.5,"
    "\"l\":[\"a\",\"b \\\"c\\\"\",\"\"],\"l2\":[\"j\", "
    "\"k\"],\"ul\":[\"00000000-0000-0000-0000-000000000002\"],\"j\":{\"a\": 1},"
    "\"lab\":{},\"part\":{\"n\": 4, \"any_\": "
    "null},\"parts\":[],\"id\":\"00000000-0000-0000-0000-000000000003\",\"tri\":null}";

START_TEST(columns_become_json)
{
    struct buf b = {.max_bytes = 4096};
    json_encode_columns(&b, &thing_resource, thing_columns);
    ck_assert_str_eq(arena_strndup(&arena, b.bytes, b.len), thing_from_columns);
    ck_assert_uint_eq(columns_count(&thing_resource), COUNT(thing_columns));
    buf_free(&b);
}
END_TEST

START_TEST(columns_become_structs)
{
    struct thing out;
    ck_assert_int_eq(columns_decode(&arena, &thing_resource, thing_columns, &out, &err), ERR_OK);
    ck_assert_str_eq(out.name, "nam\"e");
    ck_assert_ptr_null(out.s1);
    ck_assert_int_eq(out.e, LETTER_B);
    ck_assert_int_eq(out.t_us, 1704067200123000);
    ck_assert_int_eq(out.d_us, 86490500000);
    ck_assert_uint_eq(out.l.count, 3);
    ck_assert_str_eq(out.l.items[1], "b \"c\"");
    ck_assert_str_eq(out.l2.items[1], "k");
    ck_assert_uint_eq(out.ul.items[0].bytes[15], 2);
    ck_assert_int_eq(out.part->n, 4);
    ck_assert_int_eq(out.tri, TRI_NONE);
}
END_TEST

static const struct {
    const char *column, *json;
} times[] = {
    {"2024-01-01 00:00:00+00", "\"2024-01-01T00:00:00Z\""},
    {"2024-01-01 00:00:00.5+00", "\"2024-01-01T00:00:00.500000Z\""},
    {"2024-01-01 00:00:00.123456+00", "\"2024-01-01T00:00:00.123456Z\""},
    {"2024-01-01 02:00:00+02", "\"2024-01-01T00:00:00Z\""},
    {"infinity", "null"},
};

START_TEST(timestamps_take_prefects_form)
{
    struct column columns[COUNT(thing_columns)];
    struct buf b = {.max_bytes = 4096};
    memcpy(columns, thing_columns, sizeof(columns));
    columns[10] = (struct column){times[_i].column, strlen(times[_i].column)};
    json_encode_columns(&b, &thing_resource, columns);
    ck_assert_ptr_nonnull(strstr(arena_strndup(&arena, b.bytes, b.len),
                                 arena_printf(&arena, "\"t\":%s,", times[_i].json)));
    buf_free(&b);
}
END_TEST

START_TEST(the_rows_make_the_column_list_and_the_schema)
{
    struct buf b = {.max_bytes = 16384};
    columns_list(&b, &part_resource, "p");
    ck_assert_str_eq(arena_strndup(&arena, b.bytes, b.len), "p.any_, p.n");
    b.len = 0;
    columns_list(&b, &thing_resource, NULL);
    ck_assert_ptr_nonnull(
        strstr(arena_strndup(&arena, b.bytes, b.len), ", parts, t.thing_id, tri"));
    b.len = 0;
    json_schema_of_resource(&b, &thing_resource, SCHEMA_INPUT);
    const char *schema = arena_strndup(&arena, b.bytes, b.len);
    parse(schema);
    ck_assert_ptr_nonnull(strstr(schema, "\"required\":[\"name\"],\"additionalProperties\":false"));
    ck_assert_ptr_nonnull(
        strstr(schema, "\"i\":{\"allOf\":[{\"type\":\"integer\",\"minimum\":0,\"maximum\":200}],"
                       "\"description\":\"Limited.\",\"default\":0}"));
    ck_assert_ptr_null(strstr(schema, "\"id\""));
    buf_free(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("codec");
    TCase *t = tcase_create("codec");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, answers_are_those_of_pydantic, 0, COUNT(rows));
    tcase_add_test(t, a_decoded_object_is_written_as_it_was_read);
    tcase_add_test(t, absent_null_and_value_are_told_apart);
    tcase_add_test(t, members_of_the_server_are_unknown_in_requests);
    tcase_add_loop_test(t, what_the_database_cannot_hold_is_refused, 0, COUNT(unstorable));
    tcase_add_test(t, the_list_of_errors_has_an_end);
    tcase_add_loop_test(t, large_bodies_do_not_fill_the_memory, 0, COUNT(swollen));
    tcase_add_test(t, the_reply_has_the_shape_of_prefects);
    tcase_add_test(t, columns_become_json);
    tcase_add_test(t, columns_become_structs);
    tcase_add_loop_test(t, timestamps_take_prefects_form, 0, COUNT(times));
    tcase_add_test(t, the_rows_make_the_column_list_and_the_schema);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
