#include "server/model/misfire.h"

#include <math.h>
#include <string.h>

#include "shared/json/doc.h"

#define SECONDS_MAX (366.0 * 86400)
#define GRACE_US    INT64_C(60000000)

static const char *const names[] = {
    [MISFIRE_RUN_ALL] = "run_all",
    [MISFIRE_LATEST_ONLY] = "latest_only",
    [MISFIRE_SKIP] = "skip_if_later_than",
    [MISFIRE_CANCEL] = "cancel",
};

static enum misfire_policy policy_of(struct val v)
{
    for (size_t i = MISFIRE_RUN_ALL; i < COUNT(names); i++)
        if (val_equals(v, names[i], strlen(names[i])))
            return (enum misfire_policy)i;
    return MISFIRE_DEFAULT;
}

const char *misfire_read(struct arena *a, struct raw text, struct misfire *out)
{
    struct doc doc;
    struct doc_error bad;
    double seconds = 0;

    *out = (struct misfire){0};
    if (!text.text)
        return NULL;
    if (!doc_parse(a, text.text, text.len, &doc, &bad))
        return "not JSON";
    if (val_type(doc_root(&doc)) == DOC_NULL)
        return NULL;
    out->policy = policy_of(val_get(doc_root(&doc), "policy"));
    if (out->policy == MISFIRE_DEFAULT)
        return "policy must be run_all, latest_only, skip_if_later_than or cancel";
    struct val limit = val_get(doc_root(&doc), "seconds");
    if (val_count(doc_root(&doc)) != (out->policy == MISFIRE_SKIP ? 2 : 1))
        return "skip_if_later_than has the member seconds, the other policies have no more members";
    if (out->policy == MISFIRE_SKIP &&
        (!val_double(limit, &seconds) || !(seconds >= 0) || seconds > SECONDS_MAX))
        return "seconds must be a number from 0 to 31622400";
    out->limit_us = llround(seconds * 1e6);
    return NULL;
}

int64_t misfire_since(const struct misfire *m, int64_t from_us, int64_t to_us)
{
    if (m->policy != MISFIRE_SKIP && m->policy != MISFIRE_DEFAULT)
        return from_us;
    int64_t since_us = to_us - (m->policy == MISFIRE_SKIP ? m->limit_us : GRACE_US);
    return since_us > from_us ? since_us : from_us;
}

size_t misfire_first(const struct misfire *m, size_t count, bool more)
{
    if (m->policy == MISFIRE_CANCEL)
        return count;
    if (m->policy != MISFIRE_LATEST_ONLY)
        return 0;
    return count && !more ? count - 1 : count;
}
