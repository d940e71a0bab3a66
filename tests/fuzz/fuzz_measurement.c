/* Whatever a record holds: it is refused with a reason, or every part of a report can be made of
 * it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "worker/report/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void make_report(struct arena *a, struct measurement *m)
{
    struct report r = {.campaign = "fuzz", .measurements = m, .measurement_count = 1};
    struct buf text = {.max_bytes = 16 << 20}, svg = {.max_bytes = 16 << 20};
    struct err e = {0};
    struct chart_target target = {CHART_SVG, CHART_LIGHT, &svg};
    report_sort(a, &r);
    report_csv(&r, &text);
    report_json(&r, &text);
    report_markdown(a, &r, &text);
    check(report_figure_energy(a, &r, target, &e) == ERR_OK);
    check(report_figure_pareto(a, &r, target, &e) == ERR_OK);
    if (m->point_count > 1)
        check(report_figure_trace(m, target, &e) == ERR_OK);
    check(!text.full);
    buf_free(&text);
    buf_free(&svg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a = {0};
    struct err e = {0};
    struct measurement m;
    json_t *document = size < 64 << 10 ? json_loadb((const char *)data, size, 0, NULL) : NULL;
    if (!document)
        return 0;
    if (measurement_read(&a, document, &m, &e) == ERR_OK)
        make_report(&a, &m);
    else
        check(e.code == ERR_INVALID && e.detail[0]);
    json_decref(document);
    arena_reset(&a);
    return 0;
}
