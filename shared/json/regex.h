/* Regular expressions (PCRE2) with bounded work.  Thread: any; compiled code is shared. */
#pragma once
#include "shared/base/arena.h"
#include "shared/json/field.h"

enum regex_result { REGEX_MATCH, REGEX_NO_MATCH, REGEX_TOO_COSTLY };

/* Searches with the row's pattern; `$` is the very end, as in pydantic.  A pattern that does not
 * compile is a bug and aborts. */
enum regex_result regex_search(struct pattern *p, const char *text, size_t len);

/* The same for a pattern that somebody sent: `$` may stand before a final line end, as in Python.
 * The code is freed with the arena.  NULL: *out_reason says why it does not compile. */
void *regex_compile(struct arena *a, const char *text, size_t len, const char **out_reason);
enum regex_result regex_search_code(const void *code, const char *text, size_t len);
/* Also where: out_span is [first, end) of group 1, or of the whole match when there is no group. */
enum regex_result regex_search_group(const void *code, const char *text, size_t len,
                                     size_t out_span[static 2]);
