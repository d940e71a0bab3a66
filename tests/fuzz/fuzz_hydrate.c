/* The input is parameters, or a base job template.  Properties: what is hydrated is an object again
 * and has nothing left to look up; a refusal has a reason; a template is either right or has a
 * reason that is a sentence. */
#include <stdlib.h>
#include <string.h>

#include "server/model/hydrate.h"
#include "server/model/job_template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok)
        abort();
}

static void check_parameters(struct arena *a, struct val parameters)
{
    static const struct hydration_variable variables[] = {{"v", {"{\"a\":[1]}", 9}}};
    struct hydration h = {.arena = a, .variables = variables, .variable_count = 1};
    struct buf b = {.max_bytes = 1 << 20};
    struct strings names = {0};
    struct doc again;
    struct doc_error bad;

    hydration_needs(a, parameters, &names);
    if (hydrate(&h, parameters, &b))
        require(b.full || doc_parse(a, arena_strndup(a, b.bytes, b.len), b.len, &again, &bad));
    else
        require(h.reason && h.reason[0]);
    buf_free(&b);
}

static void check_template(struct arena *a, struct val template)
{
    const char *why = job_template_check(a, template);
    const struct val layers[] = {template, val_get(template, "job_configuration")};

    require(!why || strlen(why) > 20);
    for (enum job_check check = JOB_POOL; check <= JOB_RUN; check++) {
        why = job_variables_check(a, template, check, layers, COUNT(layers));
        require(!why || why[0]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct doc_error bad;
    struct doc doc;

    if (size <= 2048 && doc_parse(&arena, (const char *)data, size, &doc, &bad) &&
        val_type(doc_root(&doc)) == DOC_OBJECT) {
        check_parameters(&arena, doc_root(&doc));
        check_template(&arena, doc_root(&doc));
    }
    arena_reset(&arena);
    return 0;
}
