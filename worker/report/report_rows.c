/* What all parts of a report need to know of its rows: order, names, counts, Pareto front. */
#include <stdlib.h>
#include <string.h>

#include "worker/report/report.h"

static int by_model(const void *a, const void *b)
{
    const struct measurement *x = a, *y = b;
    int order = strcmp(x->model, y->model);
    if (order == 0)
        order = strcmp(x->target, y->target);
    if (order == 0)
        order = (x->energy_j > y->energy_j) - (x->energy_j < y->energy_j);
    return order;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorts and drops repetitions; returns how many are left. */
static size_t unique(const char **names, size_t count)
{
    size_t kept = 0;
    if (count)
        qsort(names, count, sizeof *names, by_name);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || strcmp(names[kept - 1], names[i]) != 0)
            names[kept++] = names[i];
    return kept;
}

void report_sort(struct arena *a, struct report *r)
{
    size_t n = r->measurement_count;
    if (n)
        qsort(r->measurements, n, sizeof *r->measurements, by_model);
    r->models = arena_array(a, const char *, n + 1);
    r->targets = arena_array(a, const char *, n + 1);
    r->result_count = r->emulated_count = 0;
    for (size_t i = 0; i < n; i++) {
        r->models[i] = r->measurements[i].model;
        r->targets[i] = r->measurements[i].target;
        r->result_count += r->measurements[i].passed;
        r->emulated_count += r->measurements[i].emulated;
    }
    r->model_count = unique(r->models, n);
    r->target_count = unique(r->targets, n);
}

size_t report_series(const struct report *r, const struct measurement *m)
{
    for (size_t i = 0; i < r->target_count; i++)
        if (strcmp(r->targets[i], m->target) == 0)
            return i;
    return 0;
}

bool report_is_pareto(const struct report *r, const struct measurement *m)
{
    if (!m->passed)
        return false;
    for (size_t i = 0; i < r->measurement_count; i++) {
        const struct measurement *o = &r->measurements[i];
        bool as_good = o->passed && o->energy_j <= m->energy_j && o->latency_s <= m->latency_s;
        if (as_good && (o->energy_j < m->energy_j || o->latency_s < m->latency_s))
            return false;
    }
    return true;
}

size_t report_traces(const struct report *r,
                     const struct measurement *out[static REPORT_TRACES_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < r->measurement_count && count < REPORT_TRACES_MAX; i++)
        if (r->measurements[i].point_count > 1)
            out[count++] = &r->measurements[i];
    return count;
}
