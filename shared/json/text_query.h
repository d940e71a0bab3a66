/* The text searches of logs and events: `word -without !without +required "a phrase"`.
 *
 * A text matches when it has all of `all`, none of `none` and, if there are some, one of `any`.
 * Case does not count (ASCII here, all of Unicode in SQL); nothing is a wildcard.
 * Source: the wire facts, section 1.17, and a running Prefect 3.9.1. */
#pragma once
#include "shared/base/arena.h"
#include "shared/base/buf.h"
#include "shared/json/value.h"

enum { TEXT_QUERY_MAX_CHARS = 200 };

struct text_query {
    struct strings any, none, all; /* in small letters */
};

/* A blank query has no words and matches everything. */
void text_query_parse(struct arena *a, const char *query, struct text_query *out);

bool text_query_match(const struct text_query *q, const char *text, size_t len);
