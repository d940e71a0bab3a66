/* The official JSON-Schema-Test-Suite, Debian's json-schema-test-suite or the folder
 * in JSON_SCHEMA_TEST_SUITE.  Skipped, and said so, where it is not at hand. */
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/json/schema.h"

/* Debian 12 has the suite up to Draft 7; its files hold for 2020-12 as well but for those below. */
static const char *const folders[] = {
    "/usr/share/json-schema-test-suite/tests/draft2020-12",
    "/usr/share/json-schema-test-suite/tests/draft7",
};

/* Not done, as shared/json/schema.h says: no schema is fetched or found by its $id, anchors and
 * dynamic references are not followed, unevaluated* and vocabularies are passed over.  Draft 7
 * only: lists as `items`, additionalItems, dependencies. */
static const char *const beyond[] = {
    "anchor.json",
    "definitions.json",
    "defs.json",
    "dynamicRef.json",
    "id.json",
    "refRemote.json",
    "unevaluatedItems.json",
    "unevaluatedProperties.json",
    "unknownKeyword.json",
    "vocabulary.json",
    "additionalItems.json",
    "dependencies.json",
};
/* Groups of other files that need the same. */
static const char *const beyond_groups[] = {
    "remote ref, containing refs itself", "Recursive references between schemas",
    "refs with relative uris and defs",   "relative refs with absolute uris and defs",
    "an array of schemas for items",      "items with boolean schemas",
    "relative pointer ref to array",      "ref overrides any sibling keywords",
};

struct tally {
    int checked, skipped, wrong;
};

static bool is_in(const char *text, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(text, list[i]) == 0)
            return true;
    return false;
}

static char *read_file(struct arena *a, const char *path, size_t *out_len)
{
    FILE *f = fopen(path, "rb");

    ck_assert_msg(f != NULL, "%s cannot be read", path);
    char *text = arena_alloc(a, 1 << 20, 1, 1);
    *out_len = fread(text, 1, 1 << 20, f);
    fclose(f);
    return text;
}

static void run_group(struct arena *a, const char *file, struct val group, struct tally *tally)
{
    const char *about = val_string(a, val_get(group, "description"), NULL);
    bool skipped = is_in(about, beyond_groups, COUNT(beyond_groups));

    for (struct val_iter it = val_each(val_get(group, "tests")); val_next(&it);) {
        const char *what = val_string(a, val_get(it.value, "description"), NULL);
        bool expected = val_type(val_get(it.value, "valid")) == DOC_TRUE;
        struct arena own = {0};
        struct schema_error error = {0};
        bool valid =
            schema_check(&own, val_get(group, "schema"), val_get(it.value, "data"), &error);
        bool right = valid == expected && (valid || error.problem == SCHEMA_VALUE);
        tally->skipped += skipped;
        tally->checked += !skipped;
        tally->wrong += !skipped && !right;
        if (!skipped && !right)
            printf("%s: %s: %s: expected %s, got %s %s\n", file, about, what,
                   expected ? "valid" : "not valid", valid ? "valid" : "not valid",
                   error.message ? error.message : "");
        arena_reset(&own);
    }
}

static void run_file(const char *folder, const char *file, struct tally *tally)
{
    struct arena a = {0};
    struct doc doc;
    struct doc_error error;
    char path[1024];
    size_t len;

    snprintf(path, sizeof(path), "%s/%s", folder, file);
    const char *text = read_file(&a, path, &len);
    ck_assert_msg(doc_parse(&a, text, len, &doc, &error), "%s: %s", path, error.reason);
    for (struct val_iter it = val_each(doc_root(&doc)); val_next(&it);)
        run_group(&a, file, it.value, tally);
    arena_reset(&a);
}

static DIR *open_suite(const char **out_folder)
{
    const char *named = getenv("JSON_SCHEMA_TEST_SUITE");
    DIR *d = named ? opendir(*out_folder = named) : NULL;

    for (size_t i = 0; i < COUNT(folders) && !d && !named; i++)
        d = opendir(*out_folder = folders[i]);
    return d;
}

START_TEST(the_official_suite_agrees)
{
    struct tally tally = {0};
    const char *folder = "";
    DIR *d = open_suite(&folder);
    struct dirent *entry;

    if (!d) {
        puts("skipped: the package json-schema-test-suite is not installed");
        return;
    }
    while ((entry = readdir(d))) {
        size_t len = strlen(entry->d_name);
        if (len > 5 && strcmp(entry->d_name + len - 5, ".json") == 0 &&
            !is_in(entry->d_name, beyond, COUNT(beyond)))
            run_file(folder, entry->d_name, &tally);
    }
    closedir(d);
    printf("%d cases, %d of them wrong; %d left out\n", tally.checked, tally.wrong, tally.skipped);
    ck_assert_int_gt(tally.checked, 350);
    ck_assert_int_eq(tally.wrong, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("schema_suite");
    TCase *t = tcase_create("schema_suite");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, the_official_suite_agrees);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
