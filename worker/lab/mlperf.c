#include "worker/lab/mlperf.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "worker/lab/energy.h"

enum { HEAD_BYTES = 5, MAX_TRACE_BYTES = 256 << 20, MAX_TEXT_BYTES = 4 << 20 };

/* What results.txt says of one window. */
struct published {
    double start_s, length_s, energy_uj, per_inference_uj, runtime_s, per_second;
    uint64_t inferences;
};

struct results {
    struct published windows[MLPERF_MAX_WINDOWS];
    size_t count;
    double median_uj;
};

/* A lone sample this far from two neighbours that agree, with this share of its window's energy, is
 * damage: only asked where no published figure can tell. */
static const double print_uj = 0.0006; /* published figures have three digits */
static const double lone_factor = 1.9, lone_weight = 1e-4, neighbours_rel = 0.25;

static enum err_code slurp(FILE *f, const char *name, size_t len, char **out_bytes, struct err *e)
{
    char *bytes = malloc(len + 1);
    if (!bytes)
        return err_set(e, INTERNAL, "no memory for %s (%zu bytes)", name, len);
    if (fread(bytes, 1, len, f) != len) {
        free(bytes);
        return err_set(e, IO, "cannot read %s", name);
    }
    bytes[len] = 0;
    *out_bytes = bytes;
    return ERR_OK;
}

/* The whole file, with a final zero; *out_len is without it.  NOT_FOUND leaves e alone. */
static enum err_code read_file(const char *folder, const char *name, size_t max_bytes,
                               char **out_bytes, size_t *out_len, struct err *e)
{
    char path[4096];
    struct stat st;
    if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
        return err_set(e, INVALID, "the path of %s is too long", name);
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* a pipe would be waited for */
    FILE *f = fd < 0 ? NULL : fdopen(fd, "rb");
    if (!f && errno == ENOENT)
        return ERR_NOT_FOUND;
    if (!f)
        return err_set(e, IO, "cannot open %s: %s", path, strerror(errno));
    enum err_code code;
    bool regular = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    size_t len = regular ? (size_t)st.st_size : 0;
    if (!regular)
        code = err_set(e, INVALID, "%s is not a file", path);
    else if (len > max_bytes)
        code = err_set(e, INVALID, "%s has %zu bytes, more than the limit of %zu", name, len,
                       max_bytes);
    else
        code = slurp(f, name, len, out_bytes, e);
    fclose(f);
    if (!code)
        *out_len = len;
    return code;
}

static float float_at(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;
    uint32_t bits = u[0] | (uint32_t)u[1] << 8 | (uint32_t)u[2] << 16 | (uint32_t)u[3] << 24;
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static enum err_code decode_samples(const char *bytes, size_t count, struct mlperf *m,
                                    struct err *e)
{
    double limit_uj = 20e6 / m->rate_hz; /* 20 W */
    if (!count)
        return err_set(e, INVALID, "trace1-energy.bin has no samples");
    m->energy_uj = calloc(count + 1, sizeof(*m->energy_uj));
    if (!m->energy_uj)
        return err_set(e, INTERNAL, "no memory for %zu samples", count);
    m->count = count;
    for (size_t i = 0; i < count; i++) {
        double uj = m->energy_uj[i] = float_at(bytes + 4 * i);
        if (!(uj >= -1e-3 * limit_uj && uj <= limit_uj))
            return err_set(e, INVALID,
                           "trace1-energy.bin is damaged: sample %zu is %g uJ, expected 0 to %g", i,
                           uj, limit_uj);
    }
    return ERR_OK;
}

static enum err_code decode_trace(const char *bytes, size_t len, struct mlperf *m, struct err *e)
{
    static const char *const name = "trace1-energy.bin";
    if (len < HEAD_BYTES)
        return err_set(e, INVALID, "%s has %zu bytes, its head alone has 5", name, len);
    if ((unsigned char)bytes[0] != 0xF1)
        return err_set(e, INVALID, "%s begins with byte 0x%02X, expected 0xF1", name,
                       (unsigned char)bytes[0]);
    if ((len - HEAD_BYTES) % 4)
        return err_set(e, INVALID, "%s is cut off: %zu bytes are not 5 + 4N", name, len);
    m->rate_hz = float_at(bytes + 1);
    if (!(m->rate_hz >= 1 && m->rate_hz <= 1e6))
        return err_set(e, INVALID, "%s gives a sample rate of %g Hz, expected 1 to 1000000", name,
                       m->rate_hz);
    return decode_samples(bytes + HEAD_BYTES, (len - HEAD_BYTES) / 4, m, e);
}

/* Stamp 0 opens nothing; odd ones open a window, even ones close it. */
static enum err_code take_stamps(const json_t *list, size_t count, struct mlperf *m, struct err *e)
{
    double last_s = 0, length_s = (double)m->count / m->rate_hz;
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(list, i);
        double t = json_number_value(item);
        if (!json_is_number(item) || t < 0 || (i && t <= last_s))
            return err_set(e, INVALID,
                           "trace1-timestamps.json: time stamp %zu (%g s) is not a time after %g s",
                           i, t, last_s);
        if (t > length_s + 1 / m->rate_hz) /* stamps are rounded */
            return err_set(e, INVALID,
                           "time stamp %zu (%g s) is not within the %g s of trace1-energy.bin: it "
                           "is cut off, or the stamps are of another trace",
                           i, t, length_s);
        if (i % 2)
            m->windows[i / 2].start_s = t;
        else if (i)
            m->windows[i / 2 - 1].end_s = t;
        last_s = t;
    }
    m->window_count = count / 2;
    return ERR_OK;
}

static enum err_code decode_stamps(const char *text, size_t len, struct mlperf *m, struct err *e)
{
    static const char name[] = "trace1-timestamps.json";
    json_error_t why;
    json_t *list = json_loadb(text, len, 0, &why);
    if (!list)
        return err_set(e, INVALID, "%s is damaged at line %d: %s", name, why.line, why.text);
    enum err_code code;
    size_t count = json_array_size(list);
    if (!json_is_array(list) || count < 3 || count % 2 == 0 || count / 2 > MLPERF_MAX_WINDOWS)
        code =
            err_set(e, INVALID, "%s has %zu time stamps, expected a list of 2N + 1", name, count);
    else if (!(m->windows = calloc(count / 2, sizeof(*m->windows))))
        code = err_set(e, INTERNAL, "no memory for %zu windows", count / 2);
    else
        code = take_stamps(list, count, m, e);
    json_decref(list);
    return code;
}

/* The published rule, bit for bit: see the head comment of the header. */
static void sum_windows(struct mlperf *m)
{
    double t = 0, step = 1 / m->rate_hz;
    size_t i = 0;
    for (size_t w = 0; w < m->window_count; w++) {
        struct mlperf_window *win = &m->windows[w];
        long double sum_uj = 0;
        for (; i < m->count && t < win->start_s; i++)
            t += step;
        win->first = i;
        for (; i < m->count && t < win->end_s; i++, t += step) {
            sum_uj += m->energy_uj[i];
            win->samples++;
        }
        win->energy_j = (double)(sum_uj / 1e6L);
    }
}

static bool is_lone(const float *e)
{
    double low = fmin(e[-1], e[1]), high = fmax(e[-1], e[1]);
    if (!(low > 0) || high - low > neighbours_rel * high)
        return false;
    return e[0] > lone_factor * high || e[0] < low / lone_factor;
}

/* Without published figures the samples themselves must be convincing. */
static enum err_code check_window(const struct mlperf *m, size_t w, struct err *e)
{
    const struct mlperf_window *win = &m->windows[w];
    for (size_t i = win->first ? win->first : 1; i + 1 < m->count && i < win->first + win->samples;
         i++) {
        const float *sample = &m->energy_uj[i];
        if (!(*sample > 0))
            return err_set(
                e, INVALID,
                "trace1-energy.bin has no energy in sample %zu, inside window %zu: a gap", i,
                2 * (w + 1));
        double excess_uj = fabs(*sample - ((double)sample[-1] + sample[1]) / 2);
        if (is_lone(sample) && excess_uj > lone_weight * win->energy_j * 1e6)
            return err_set(
                e, INVALID,
                "trace1-energy.bin is damaged: sample %zu of %g uJ stands alone between %g and %g",
                i, (double)*sample, (double)sample[-1], (double)sample[1]);
    }
    return ERR_OK;
}

static bool number_after(const char *line, const char *key, double *out)
{
    const char *at = strstr(line, key);
    if (!at)
        return false;
    at += strlen(key);
    at += strspn(at, " :");
    char *end;
    double value = strtod(at, &end);
    if (end == at || !isfinite(value))
        return false;
    *out = value;
    return true;
}

/* One line of results.txt; sections begin with `Energy data` or `Performance results for window k`.
 */
static enum err_code results_line(const char *line, struct results *r, struct published **at,
                                  struct err *e)
{
    double number, value;
    if (number_after(line, "results for window", &number) ||
        number_after(line, "data for window", &number)) {
        if (fmod(number, 2) != 0 || number < 2 || number > 2.0 * MLPERF_MAX_WINDOWS)
            return err_set(e, INVALID, "results.txt names window %g, expected an even number",
                           number);
        size_t index = (size_t)number / 2;
        *at = &r->windows[index - 1];
        if (index > r->count)
            r->count = index;
        number_after(line, "at time", &(*at)->start_s);
        number_after(line, " for", &value);
        const char *length = strstr(line, "at time");
        if (length)
            number_after(length, "for", &(*at)->length_s);
    } else if (*at && number_after(line, "Energy/Inf.", &value))
        (*at)->per_inference_uj = value;
    else if (*at && number_after(line, "Energy  ", &value))
        (*at)->energy_uj = value;
    else if (*at && number_after(line, "Runtime  ", &value))
        (*at)->runtime_s = value;
    else if (*at && number_after(line, "Throughput  ", &value))
        (*at)->per_second = value;
    else if (*at && number_after(line, "# Inferences", &value) && value >= 1 && value < 1e9)
        (*at)->inferences = (uint64_t)value;
    else
        number_after(line, "Median energy cost is", &r->median_uj);
    return ERR_OK;
}

static enum err_code decode_results(char *text, struct results *r, struct err *e)
{
    struct published *at = NULL;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\r\n", &rest); line; line = strtok_r(NULL, "\r\n", &rest)) {
        enum err_code code = results_line(line, r, &at, e);
        if (code)
            return code;
    }
    return ERR_OK;
}

static bool agree(double a, double b, double rel, double abs)
{
    return fabs(a - b) <= rel * fabs(b) + abs;
}

static double sample_uj(const struct mlperf *m, size_t i)
{
    return i < m->count ? m->energy_uj[i] : 0;
}

/* Would the published figure come out with a sample more or less at either edge? */
static bool agrees_but_edges(const struct mlperf *m, const struct mlperf_window *win,
                             double published_uj)
{
    size_t first = win->first, end = first + win->samples;
    const double at_start[] = {0, sample_uj(m, first - 1), -sample_uj(m, first)};
    const double at_end[] = {0, sample_uj(m, end), -sample_uj(m, end - 1)};
    for (size_t i = 0; i < COUNT(at_start); i++)
        for (size_t k = 0; k < COUNT(at_end); k++)
            if (agree(win->energy_j * 1e6 + at_start[i] + at_end[k], published_uj, 1e-8, print_uj))
                return true;
    return false;
}

/* Energy / energy per inference, where these three digits leave one whole number; else 0. */
static uint64_t implied_inferences(const struct published *p)
{
    if (!(p->energy_uj > 0) || p->per_inference_uj <= print_uj)
        return 0;
    double least = ceil((p->energy_uj - print_uj) / (p->per_inference_uj + print_uj));
    double most = floor((p->energy_uj + print_uj) / (p->per_inference_uj - print_uj));
    return least >= 1 && least == most && most < 1e9 ? (uint64_t)most : 0;
}

/* How many inferences ran in a window: as it is said, unless the other figures contradict. */
static enum err_code count_inferences(struct mlperf_window *win, size_t number,
                                      const struct published *p, struct err *e)
{
    win->inferences = p->inferences ? p->inferences : implied_inferences(p);
    double n = (double)win->inferences;
    if (!win->inferences)
        return ERR_OK;
    if (p->energy_uj > 0 && p->per_inference_uj > 0 &&
        !agree(p->energy_uj / n, p->per_inference_uj, 1e-6, print_uj))
        return err_set(e, INVALID,
                       "results.txt contradicts itself in window %zu: %.3f uJ / %.0f is not %.3f",
                       number, p->energy_uj, n, p->per_inference_uj);
    double rounding = 0.0006 * (p->runtime_s + p->per_second);
    if (p->runtime_s > 0 && p->per_second > 0 &&
        !agree(n, p->runtime_s * p->per_second, 1e-6, rounding))
        return err_set(e, INVALID,
                       "results.txt contradicts itself in window %zu: %.0f inferences in %.3f s "
                       "are not %.3f a second",
                       number, n, p->runtime_s, p->per_second);
    return ERR_OK;
}

static enum err_code compare_window(struct mlperf *m, size_t w, const struct published *p,
                                    struct err *e)
{
    struct mlperf_window *win = &m->windows[w];
    size_t number = 2 * (w + 1);
    double energy_uj = win->energy_j * 1e6;
    enum err_code code = count_inferences(win, number, p, e);
    if (code || !(p->energy_uj > 0))
        return code ? code : check_window(m, w, e);
    if (!agree(p->start_s, win->start_s, 0, 0.011) ||
        !agree(p->length_s, win->end_s - win->start_s, 0, 0.011))
        return err_set(
            e, INVALID,
            "window %zu is at %g s for %g s in results.txt, at %g s for %g s in the stamps", number,
            p->start_s, p->length_s, win->start_s, win->end_s - win->start_s);
    m->published++;
    m->worst_published_rel =
        fmax(m->worst_published_rel, fabs(energy_uj - p->energy_uj) / p->energy_uj);
    bool exact = agree(energy_uj, p->energy_uj, 1e-8, print_uj);
    m->edges_differ |= !exact;
    if (!exact && !agrees_but_edges(m, win, p->energy_uj))
        return err_set(
            e, INVALID,
            "the trace gives %.3f uJ for window %zu, results.txt says %.3f: one is damaged",
            energy_uj, number, p->energy_uj);
    return ERR_OK;
}

static enum err_code compare_results(struct mlperf *m, const struct results *r, struct err *e)
{
    if (r->count != m->window_count)
        return err_set(e, INVALID, "results.txt has %zu windows, the time stamps give %zu",
                       r->count, m->window_count);
    for (size_t w = 0; w < r->count; w++) {
        enum err_code code = compare_window(m, w, &r->windows[w], e);
        if (code)
            return code;
    }
    double each_uj[MLPERF_MAX_WINDOWS];
    for (size_t w = 0; w < r->count; w++) {
        if (!m->windows[w].inferences)
            return ERR_OK;
        each_uj[w] = m->windows[w].energy_j * 1e6 / (double)m->windows[w].inferences;
    }
    double median_uj = stat_median(each_uj, r->count);
    if (r->median_uj > 0 &&
        !agree(median_uj, r->median_uj, 1e-6 + m->worst_published_rel, print_uj))
        return err_set(e, INVALID, "the median is %.3f uJ per inference, results.txt says %.3f",
                       median_uj, r->median_uj);
    return ERR_OK;
}

static enum err_code read_results(const char *folder, struct mlperf *m, struct err *e)
{
    char *text;
    size_t len;
    enum err_code code = read_file(folder, "results.txt", MAX_TEXT_BYTES, &text, &len, e);
    if (code == ERR_NOT_FOUND) { /* not published: the windows stand, inferences are not known */
        code = ERR_OK;
        for (size_t w = 0; !code && w < m->window_count; w++)
            code = check_window(m, w, e);
        return code;
    }
    if (code)
        return code;
    m->has_results = true;
    struct results *r = calloc(1, sizeof(*r));
    code = r ? decode_results(text, r, e) : err_set(e, INTERNAL, "no memory for results.txt");
    if (!code)
        code = compare_results(m, r, e);
    free(r);
    free(text);
    return code;
}

static enum err_code
read_part(const char *folder, const char *name, size_t max_bytes, struct mlperf *m,
          enum err_code (*decode)(const char *, size_t, struct mlperf *, struct err *),
          struct err *e)
{
    char *bytes;
    size_t len;
    enum err_code code = read_file(folder, name, max_bytes, &bytes, &len, e);
    if (code == ERR_NOT_FOUND)
        return err_set(e, INVALID, "%s has no %s", folder, name);
    if (code)
        return code;
    code = decode(bytes, len, m, e);
    free(bytes);
    return code;
}

enum err_code mlperf_read(const char *folder, struct mlperf *out, struct err *e)
{
    struct mlperf m = {0};
    enum err_code code =
        read_part(folder, "trace1-energy.bin", MAX_TRACE_BYTES, &m, decode_trace, e);
    if (!code)
        code = read_part(folder, "trace1-timestamps.json", MAX_TEXT_BYTES, &m, decode_stamps, e);
    if (!code) {
        sum_windows(&m);
        code = read_results(folder, &m, e);
    }
    if (code)
        mlperf_free(&m);
    else
        *out = m;
    return code;
}

void mlperf_free(struct mlperf *m)
{
    free(m->energy_uj);
    free(m->windows);
    *m = (struct mlperf){0};
}
