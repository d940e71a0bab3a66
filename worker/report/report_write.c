/* The files of a report. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "worker/report/report.h"

static enum err_code save(struct arena *a, const char *folder, const char *name,
                          const struct buf *b, struct err *e)
{
    const char *path = arena_printf(a, "%s/%s", folder, name);
    if (b->full)
        return err_set(e, TOO_LARGE, "%s: larger than %zu bytes", name, b->max_bytes);
    FILE *file = fopen(path, "wb");
    if (!file)
        return err_set(e, IO, "%s: %s", path, strerror(errno));
    size_t written = fwrite(b->bytes, 1, b->len, file);
    if (fclose(file) != 0 || written != b->len)
        return err_set(e, IO, "%s: %s", path, strerror(errno));
    return ERR_OK;
}

/* Saves and lists it, and empties the buffer. */
static enum err_code keep(struct arena *a, const char *folder, struct report_files *files,
                          struct report_file file, struct buf *b, struct err *e)
{
    enum err_code rc = save(a, folder, file.name, b, e);
    buf_free(b);
    *b = (struct buf){.max_bytes = b->max_bytes};
    if (rc == ERR_OK && files->count < REPORT_FILES_MAX)
        files->file[files->count++] = file;
    return rc;
}

struct drawing {
    const char *stem, *title;
    const struct measurement *m; /* a trace; NULL: energy or Pareto */
    enum err_code (*draw)(struct arena *, const struct report *, struct chart_target, struct err *);
};

static enum err_code write_drawing(struct arena *a, const struct report *r, const char *folder,
                                   const struct drawing *d, struct report_files *files,
                                   struct err *e)
{
    static const struct {
        enum chart_format format;
        const char *suffix, *mime;
    } formats[] = {{CHART_SVG, "svg", "image/svg+xml"}, {CHART_PNG, "png", "image/png"}};
    for (size_t i = 0; i < COUNT(formats); i++) {
        struct buf b = {.max_bytes = REPORT_FILE_MAX_BYTES};
        struct chart_target target = {formats[i].format, CHART_LIGHT, &b};
        struct report_file file = {.mime = formats[i].mime, .title = d->title};
        snprintf(file.name, sizeof file.name, "%s.%s", d->stem, formats[i].suffix);
        enum err_code rc = d->m ? report_figure_trace(d->m, target, e) : d->draw(a, r, target, e);
        if (rc == ERR_OK)
            rc = keep(a, folder, files, file, &b, e);
        buf_free(&b);
        if (rc)
            return rc;
    }
    return ERR_OK;
}

static enum err_code write_figures(struct arena *a, const struct report *r, const char *folder,
                                   struct report_files *files, struct err *e)
{
    const struct drawing energy = {"energy", "Energy per inference by model and target", NULL,
                                   report_figure_energy};
    const struct drawing pareto = {"pareto", "Energy against latency", NULL, report_figure_pareto};
    const struct measurement *shown[REPORT_TRACES_MAX];
    size_t count = report_traces(r, shown);
    enum err_code rc = write_drawing(a, r, folder, &energy, files, e);
    if (rc == ERR_OK)
        rc = write_drawing(a, r, folder, &pareto, files, e);
    for (size_t i = 0; i < count && rc == ERR_OK; i++) {
        const struct drawing trace = {
            arena_printf(a, "trace-%02zu", i + 1),
            arena_printf(a, "Current of %s on %s", shown[i]->model, shown[i]->target), shown[i],
            NULL};
        rc = write_drawing(a, r, folder, &trace, files, e);
    }
    return rc;
}

enum err_code report_write(struct arena *a, const struct report *r, const char *folder,
                           struct report_files *out, struct err *e)
{
    struct report_files files = {.count = 0};
    struct buf b = {.max_bytes = REPORT_FILE_MAX_BYTES};
    enum err_code rc = report_html(a, r, &b, e);
    if (rc == ERR_OK)
        rc = keep(a, folder, &files,
                  (struct report_file){"report.html", "text/html", "Energy report"}, &b, e);
    if (rc == ERR_OK) {
        report_csv(r, &b);
        rc = keep(a, folder, &files, (struct report_file){"report.csv", "text/csv", "All rows"}, &b,
                  e);
    }
    if (rc == ERR_OK) {
        report_json(r, &b);
        rc = keep(a, folder, &files,
                  (struct report_file){"report.json", "application/json", "All rows and windows"},
                  &b, e);
    }
    if (rc == ERR_OK)
        rc = write_figures(a, r, folder, &files, e);
    buf_free(&b);
    if (rc == ERR_OK)
        *out = files;
    return rc;
}
