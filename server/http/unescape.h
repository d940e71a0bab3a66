/* Percent-decoding. */
#pragma once
#include "shared/base/arena.h"

/* plus: '+' is a blank, as in query strings.  Broken escapes and `%00` stay as they are. */
char *unescape(struct arena *a, const char *text, size_t len, bool plus);
