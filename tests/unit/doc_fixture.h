/* An arena for each test, and JSON as values in it. */
#pragma once
#include <check.h>
#include <string.h>

#include "shared/json/doc.h"

static struct arena arena;

static void teardown(void)
{
    arena_reset(&arena);
}

static struct val parse(const char *text)
{
    struct doc *doc = arena_new(&arena, struct doc);
    struct doc_error bad;

    ck_assert_msg(doc_parse(&arena, text, strlen(text), doc, &bad), "%s: %s", text, bad.reason);
    return doc_root(doc);
}
