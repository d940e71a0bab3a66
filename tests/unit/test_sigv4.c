/* The signer against signatures that AWS publishes. */
#include <check.h>
#include <string.h>

#include "worker/io/sigv4.h"

#define SUITE_DATE "20150830T123600Z"
#define SUITE_HOST                                                                                 \
    {"host", "example.amazonaws.com"},                                                             \
    {                                                                                              \
        "x-amz-date", SUITE_DATE                                                                   \
    }
#define SUITE_KEYS "us-east-1", "service", "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define S3_DATE    "20130524T000000Z"
#define S3_HOST                                                                                    \
    {"host", "examplebucket.s3.amazonaws.com"},                                                    \
    {                                                                                              \
        "x-amz-date", S3_DATE                                                                      \
    }
#define S3_KEYS                                                                                    \
    "us-east-1", "s3", "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define S3_EMPTY                                                                                   \
    {                                                                                              \
        "x-amz-content-sha256", SIGV4_EMPTY_SHA256                                                 \
    }
#define S3_PUT_HASH "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"

/* Sources: aws-sig-v4-test-suite; S3 API Reference, "Examples: Signature Calculations". */
static const struct {
    const char *name, *method, *path;
    struct sigv4_pair query[3], headers[6];
    const char *payload, *date, *region, *service, *access_key, *secret_key, *signature;
} rows[] = {
    /* clang-format off */
    {"get-vanilla", "GET", "/", {{0}}, {SUITE_HOST}, SIGV4_EMPTY_SHA256, SUITE_DATE, SUITE_KEYS,
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-vanilla-query-order-key-case", "GET", "/", {{"Param2", "value2"}, {"Param1", "value1"}}, {SUITE_HOST},
     SIGV4_EMPTY_SHA256, SUITE_DATE, SUITE_KEYS,
     "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
    {"get-utf8", "GET", "/\xe1\x88\xb4", {{0}}, {SUITE_HOST}, SIGV4_EMPTY_SHA256, SUITE_DATE, SUITE_KEYS,
     "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
    {"get-header-value-trim", "GET", "/", {{0}},
     {SUITE_HOST, {"my-header1", " value1"}, {"my-header2", " \"a   b   c\" "}},
     SIGV4_EMPTY_SHA256, SUITE_DATE, SUITE_KEYS,
     "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
    {"post-vanilla", "POST", "/", {{0}}, {SUITE_HOST}, SIGV4_EMPTY_SHA256, SUITE_DATE, SUITE_KEYS,
     "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
    {"S3 GET Object", "GET", "/test.txt", {{0}}, {S3_HOST, S3_EMPTY, {"range", "bytes=0-9"}},
     SIGV4_EMPTY_SHA256, S3_DATE, S3_KEYS,
     "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
    {"S3 PUT Object", "PUT", "/test$file.text", {{0}},
     {S3_HOST, {"date", "Fri, 24 May 2013 00:00:00 GMT"}, {"x-amz-content-sha256", S3_PUT_HASH},
      {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
     S3_PUT_HASH, S3_DATE, S3_KEYS,
     "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
    {"S3 GET Bucket Lifecycle", "GET", "/", {{"lifecycle", ""}}, {S3_HOST, S3_EMPTY},
     SIGV4_EMPTY_SHA256, S3_DATE, S3_KEYS,
     "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
    {"S3 List Objects", "GET", "/", {{"prefix", "J"}, {"max-keys", "2"}}, {S3_HOST, S3_EMPTY},
     SIGV4_EMPTY_SHA256, S3_DATE, S3_KEYS,
     "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
    /* clang-format on */
};

static size_t count(const struct sigv4_pair *pairs, size_t max)
{
    size_t n = 0;
    while (n < max && pairs[n].name)
        n++;
    return n;
}

START_TEST(signatures_are_those_published)
{
    struct arena a = {0};
    struct sigv4_request rq = {
        .method = rows[_i].method,
        .path = sigv4_encode(&a, rows[_i].path, true),
        .query = rows[_i].query,
        .query_count = count(rows[_i].query, COUNT(rows[_i].query)),
        .headers = rows[_i].headers,
        .header_count = count(rows[_i].headers, COUNT(rows[_i].headers)),
        .payload_sha256 = rows[_i].payload,
        .date = rows[_i].date,
        .region = rows[_i].region,
        .service = rows[_i].service,
        .access_key = rows[_i].access_key,
        .secret_key = rows[_i].secret_key,
    };
    const char *got = strstr(sigv4_authorization(&a, &rq), "Signature=");
    ck_assert_msg(!strcmp(got + strlen("Signature="), rows[_i].signature), "%s: %s", rows[_i].name,
                  got);
    arena_reset(&a);
}
END_TEST

static const struct {
    const char *text, *path, *value;
} encodings[] = {
    {"a/b c+d", "a/b%20c%2Bd", "a%2Fb%20c%2Bd"},
    {"-._~", "-._~", "-._~"},
    {"%41", "%2541", "%2541"},
    {"\xc3\xa4", "%C3%A4", "%C3%A4"},
    {"", "", ""},
};

START_TEST(encodes_what_is_not_unreserved)
{
    struct arena a = {0};
    ck_assert_str_eq(sigv4_encode(&a, encodings[_i].text, true), encodings[_i].path);
    ck_assert_str_eq(sigv4_encode(&a, encodings[_i].text, false), encodings[_i].value);
    arena_reset(&a);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sigv4");
    TCase *tc = tcase_create("sign");
    tcase_add_loop_test(tc, signatures_are_those_published, 0, COUNT(rows));
    tcase_add_loop_test(tc, encodes_what_is_not_unreserved, 0, COUNT(encodings));
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
