/* Where a request for an object goes, what it carries, and what refusals say. */
#include <check.h>
#include <string.h>

#include "worker/io/s3.h"

/* 2013-05-24T00:00:00Z */
#define NOW_US (1369353600ll * 1000000)
#define KEY    "AKIAIOSFODNN7EXAMPLE"
#define SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

static const struct {
    struct s3_object object;
    const char *url; /* NULL: refused with `detail` */
    const char *detail;
} rows[] = {
    /* clang-format off */
    {{"https://s3.amazonaws.com", .bucket = "b-1", .key = "a/m.tflite", .access_key = KEY, .secret_key = SECRET},
     "https://s3.amazonaws.com/b-1/a/m.tflite"},
    {{"https://s3.amazonaws.com", .bucket = "b-1", .key = "m.tflite", .access_key = KEY, .secret_key = SECRET,
      .virtual_host = true}, "https://b-1.s3.amazonaws.com/m.tflite"},
    {{"http://127.0.0.1:9000/", .bucket = "models", .key = "a b+c\xc3\xa4"}, "http://127.0.0.1:9000/models/a%20b%2Bc%C3%A4"},
    {{"http://h:80", .bucket = "models", .key = "k"}, "http://h/models/k"},
    {{"https://h:443/s3//", .bucket = "models", .key = "k", .version = "v/1"}, "https://h/s3/models/k?versionId=v%2F1"},
    {{"ftp://h", .bucket = "models", .key = "k"}, NULL, "`endpoint` is not the address of an S3 server"},
    {{"http://user@h", .bucket = "models", .key = "k"}, NULL, "`endpoint` is not the address of an S3 server"},
    {{"http://h", .bucket = "a/b", .key = "k"}, NULL, "`bucket` is not the name of a bucket: a/b"},
    {{"http://h", .bucket = "..", .key = "k"}, NULL, "`bucket` is not the name of a bucket: .."},
    {{"http://h", .bucket = "models", .key = ""}, NULL, "`key` is empty"},
    {{"http://h", .bucket = "models", .key = "k", .access_key = KEY}, NULL, "`access_key` and `secret_key` belong together"},
    {{"http://h", .bucket = "models", .key = "k", .access_key = KEY, .secret_key = SECRET, .session_token = "a\r\nb"}, NULL,
     "`access_key` or `session_token` has a character"},
    /* clang-format on */
};

START_TEST(urls_follow_the_style)
{
    struct arena a = {0};
    struct err e = {0};
    struct s3_request rq;
    enum err_code code = s3_sign(&rows[_i].object, NOW_US, &a, &rq, &e);
    if (rows[_i].url) {
        ck_assert_msg(!code, "%s", e.detail);
        ck_assert_str_eq(rq.url, rows[_i].url);
        ck_assert_int_eq(rq.headers[0] != NULL, rows[_i].object.access_key != NULL);
    } else {
        ck_assert_int_eq(code, ERR_INVALID);
        ck_assert_msg(strstr(e.detail, rows[_i].detail) != NULL, "%s", e.detail);
    }
    arena_reset(&a);
}
END_TEST

START_TEST(headers_are_signed)
{
    struct arena a = {0};
    struct err e = {0};
    struct s3_request rq;
    struct s3_object o = {"https://s3.amazonaws.com", .bucket = "examplebucket",
                          .key = "test.txt",          .access_key = KEY,
                          .secret_key = SECRET,       .session_token = "token",
                          .virtual_host = true};
    ck_assert_int_eq(s3_sign(&o, NOW_US, &a, &rq, &e), ERR_OK);
    ck_assert_str_eq(rq.headers[0], "x-amz-date: 20130524T000000Z");
    ck_assert_str_eq(rq.headers[2], "x-amz-security-token: token");
    ck_assert_ptr_nonnull(strstr(
        rq.headers[3], "Credential=" KEY "/20130524/us-east-1/s3/aws4_request,"
                       "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token,"));
    ck_assert_ptr_null(rq.headers[4]);
    for (int i = 0; i < 4; i++)
        ck_assert_ptr_null(strstr(rq.headers[i], SECRET));
    arena_reset(&a);
}
END_TEST

static const struct {
    const char *xml, *name, *text;
} errors[] = {
    {"<Error><Code>NoSuchKey</Code><Message>x</Message></Error>", "Code", "NoSuchKey"},
    {"<Error><Code>NoSuchKey</Code><Message>x</Message></Error>", "Message", "x"},
    {"<Code>cut off", "Code", "cut off"},
    {"<html>", "Code", ""},
    {"", "Code", ""},
};

START_TEST(error_documents_are_read)
{
    char text[16];
    s3_error_text(errors[_i].xml, errors[_i].name, text, sizeof(text));
    ck_assert_str_eq(text, errors[_i].text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("s3");
    TCase *tc = tcase_create("sign");
    tcase_add_loop_test(tc, urls_follow_the_style, 0, COUNT(rows));
    tcase_add_test(tc, headers_are_signed);
    tcase_add_loop_test(tc, error_documents_are_read, 0, COUNT(errors));
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
