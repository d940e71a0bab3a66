/* Small parts of JSON documents that are put together by hand in an arena. */
#pragma once
#include "shared/base/arena.h"
#include "shared/base/buf.h"
#include "shared/json/value.h"

const char *uuid_text(struct arena *a, struct uuid id);
/* A member whose value is a text; NULL is null. */
void write_member(struct buf *b, const char *key, const char *text);
/* What was written, in the arena; frees the buffer. */
struct raw write_take(struct arena *a, struct buf *b);
