#include <stdlib.h>
#include <string.h>

#include "sim.h"

struct truth_run *truth_run(struct sim *s)
{
    return s->run_count ? &s->runs[(s->run_count - 1) % ACQUISITIONS_MAX] : NULL;
}

static void write_run(FILE *f, const struct truth_run *r)
{
    fprintf(f,
            "{\"rate_hz\": %g, \"volts\": %g, \"samples\": %llu, \"drawn_c\": %.15g, \"sent_c\": "
            "%.15g,\n  \"windows\": [",
            r->rate_hz, r->volts_v, (unsigned long long)r->samples, r->drawn_c, r->sent_c);
    for (size_t i = 0; i < r->window_count; i++) {
        const struct truth_window *w = &r->windows[i];
        fprintf(
            f,
            "%s{\"first\": %llu, \"end\": %llu, \"n\": %ld, \"drawn_c\": %.15g, \"sent_c\": %.15g}",
            i ? ", " : "", (unsigned long long)w->first, (unsigned long long)w->end, w->n,
            w->drawn_c, w->sent_c);
    }
    fprintf(f, "],\n  \"blocks_c\": [");
    for (size_t i = 0; i < r->block_count; i++)
        fprintf(f, "%s%.15g", i ? ", " : "", r->blocks_c[i]);
    fprintf(f, "]}");
}

void truth_write(struct sim *s)
{
    char path[PATH_MAX_BYTES + 32], temporary[PATH_MAX_BYTES + 40];
    snprintf(path, sizeof(path), "%s/truth.json", s->dir);
    snprintf(temporary, sizeof(temporary), "%s.part", path);
    FILE *f = fopen(temporary, "w");
    if (!f)
        return;
    size_t first = s->run_count > ACQUISITIONS_MAX ? s->run_count - ACQUISITIONS_MAX : 0;
    fprintf(f, "{\"first_run\": %zu, \"runs\": [\n", first + 1);
    for (size_t i = first; i < s->run_count; i++) {
        fprintf(f, "%s ", i > first ? ",\n" : "");
        write_run(f, &s->runs[i % ACQUISITIONS_MAX]);
    }
    fprintf(f, "],\n\"faults\": [");
    for (size_t i = 0; i < s->faults.count; i++) {
        const struct fault *t = &s->faults.items[i];
        fprintf(f, "%s{\"name\": \"%s\", \"fired\": %s, \"at_s\": %g, \"sample\": %llu}",
                i ? ", " : "", t->name, t->fired ? "true" : "false", t->fired_s,
                (unsigned long long)t->fired_sample);
    }
    fprintf(f, "]}\n");
    if (fclose(f) == 0)
        rename(temporary, path);
}
