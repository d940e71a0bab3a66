/* Builds that share a machine: one at a time in a tree, BUILDS_AT_ONCE of all trees. */
#include "worker/lab/build_tree.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/test_trees-XXXXXX";
static struct arena arena;

static void make_sources(void)
{
    char path[80];
    strcpy(folder, "/tmp/test_trees-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/src", folder);
    ck_assert_int_eq(mkdir(path, 0755), 0);
    snprintf(path, sizeof(path), "%s/src/a.c", folder);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs("int a;\n", f);
    fclose(f);
}

static void remove_all(void)
{
    char command[80];
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
    arena_reset(&arena);
}

/* Not `patient`: given up at once when it has to wait. */
static enum err_code enter(const char *key, bool patient, struct build_tree *out, struct err *e)
{
    atomic_bool cancelled = !patient;
    const char *source = arena_printf(&arena, "%s/src", folder);
    struct build_tree_wish wish = {folder, key, source, NULL, ""};
    return build_tree_enter(&arena, &wish, &cancelled, out, e);
}

static void must_enter(const char *key, struct build_tree *out)
{
    struct err e = {0};
    ck_assert_msg(!enter(key, true, out, &e), "%s: %s", key, e.detail);
}

static void must_wait(const char *key)
{
    struct build_tree t;
    struct err e = {0};
    ck_assert_msg(enter(key, false, &t, &e) == ERR_CANCELLED, "%s: %s", key, e.detail);
    ck_assert_str_eq(e.detail, "cancelled while waiting for another build");
}

START_TEST(as_many_builds_as_allowed)
{
    struct build_tree trees[BUILDS_AT_ONCE], more;
    for (size_t i = 0; i < BUILDS_AT_ONCE; i++)
        must_enter(arena_printf(&arena, "tree %zu", i), &trees[i]);
    must_wait("another tree");
    build_tree_leave(&trees[0]);
    must_enter("another tree", &more);
    must_wait("tree 0");
    build_tree_leave(&more);
    for (size_t i = 1; i < BUILDS_AT_ONCE; i++)
        build_tree_leave(&trees[i]);
}
END_TEST

START_TEST(one_build_in_a_tree)
{
    struct build_tree first, second;
    must_enter("one", &first);
    must_wait("one");
    build_tree_leave(&first);
    must_enter("one", &second);
    ck_assert_str_eq(first.src, second.src);
    build_tree_leave(&second);
}
END_TEST

/* What an agent that was killed left at work keeps its tree; one that was left properly is free
 * whoever has inherited the lock. */
START_TEST(tools_of_a_killed_agent_keep_their_tree)
{
    struct build_tree t, next;
    must_enter("one", &t);
    int inherited = dup(t.lock_fd);
    close(t.lock_fd); /* as the end of the agent does */
    close(t.slot_fd);
    must_wait("one");
    close(inherited);
    must_enter("one", &next);
    inherited = dup(next.lock_fd);
    build_tree_leave(&next);
    must_enter("one", &t);
    build_tree_leave(&t);
    close(inherited);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("build_tree");
    TCase *t = tcase_create("build_tree");
    tcase_add_checked_fixture(t, make_sources, remove_all);
    tcase_add_test(t, as_many_builds_as_allowed);
    tcase_add_test(t, one_build_in_a_tree);
    tcase_add_test(t, tools_of_a_killed_agent_keep_their_tree);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
