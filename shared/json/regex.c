#define PCRE2_CODE_UNIT_WIDTH 8
#include "shared/json/regex.h"

#include <pcre2.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MATCH_LIMIT = 200000, HEAP_LIMIT_KIB = 4096 };

static pcre2_code *compile(const char *text, size_t len, uint32_t options, int *out_error)
{
    size_t offset;
    return pcre2_compile((PCRE2_SPTR)text, len, PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | options,
                         out_error, &offset, NULL);
}

static pcre2_code *code_of(struct pattern *p)
{
    void *known = NULL;
    int error;

    void *code = atomic_load(&p->code);
    if (code)
        return code;
    code = compile(p->text, strlen(p->text), PCRE2_DOLLAR_ENDONLY, &error);
    if (!code) {
        fprintf(stderr, "json: pattern %s does not compile\n", p->text);
        abort();
    }
    if (atomic_compare_exchange_strong(&p->code, &known, code))
        return code;
    pcre2_code_free(code);
    return known;
}

enum regex_result regex_search_group(const void *code, const char *text, size_t len,
                                     size_t out_span[static 2])
{
    pcre2_match_data *data = pcre2_match_data_create(2, NULL);
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    int rc = PCRE2_ERROR_NOMEMORY;

    if (data && limits) {
        pcre2_set_match_limit(limits, MATCH_LIMIT);
        pcre2_set_heap_limit(limits, HEAP_LIMIT_KIB);
        rc = pcre2_match(code, (PCRE2_SPTR)text, len, 0, 0, data, limits);
    }
    if (rc >= 0) {
        const PCRE2_SIZE *at = pcre2_get_ovector_pointer(data);
        bool group = rc != 1 && at[2] != PCRE2_UNSET; /* 0: there are more than two pairs */
        out_span[0] = at[group ? 2 : 0];
        out_span[1] = at[group ? 3 : 1];
    }
    pcre2_match_context_free(limits);
    pcre2_match_data_free(data);
    if (rc >= 0)
        return REGEX_MATCH;
    return rc == PCRE2_ERROR_MATCHLIMIT || rc == PCRE2_ERROR_HEAPLIMIT || rc == PCRE2_ERROR_NOMEMORY
               ? REGEX_TOO_COSTLY
               : REGEX_NO_MATCH;
}

enum regex_result regex_search_code(const void *code, const char *text, size_t len)
{
    size_t span[2];
    return regex_search_group(code, text, len, span);
}

enum regex_result regex_search(struct pattern *p, const char *text, size_t len)
{
    return regex_search_code(code_of(p), text, len);
}

static void release_code(void *code)
{
    pcre2_code_free(code);
}

void *regex_compile(struct arena *a, const char *text, size_t len, const char **out_reason)
{
    char reason[128] = "";
    int error;

    pcre2_code *code = compile(text, len, 0, &error);
    if (!code) {
        pcre2_get_error_message(error, (PCRE2_UCHAR *)reason, sizeof(reason));
        *out_reason = arena_strndup(a, reason, strlen(reason));
        return NULL;
    }
    arena_defer(a, release_code, code);
    return code;
}
