/* Traces on disk; the format stands in trace.h. */
#include <errno.h>
#include <math.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/base/fault.h"
#include "worker/lab/trace.h"

enum {
    MAGIC_BYTES = 8,
    PART_HEAD_BYTES = 12,
    SHA_BYTES = 32,
    HEAD_MAX_BYTES = 16 << 20,
    FORMAT = 1,
    PYRAMID_BASE = 256,
    PYRAMID_STEP = 16,
    PYRAMID_LEVELS = 5,
};
static const char magic[] = "SYTRACE1";

/* ---- writing ---- */

struct writer {
    FILE *file;
    EVP_MD_CTX *whole;
    uint64_t bytes;
    bool failed;
};

static void put(struct writer *w, const void *bytes, size_t len)
{
    if (!len || w->failed)
        return;
    if (FAULT("trace.write") || fwrite(bytes, 1, len, w->file) != len)
        w->failed = true;
    EVP_DigestUpdate(w->whole, bytes, len);
    w->bytes += len;
}

static void part_head(const char *name, uint64_t len, uint8_t out[static PART_HEAD_BYTES])
{
    memcpy(out, name, 4);
    for (int i = 0; i < 8; i++)
        out[4 + i] = (uint8_t)(len >> 8 * i);
}

static void part_sha(const uint8_t *head, const void *bytes, size_t len, uint8_t *out)
{
    EVP_MD_CTX *sha = EVP_MD_CTX_new();
    EVP_DigestInit_ex(sha, EVP_sha256(), NULL);
    EVP_DigestUpdate(sha, head, PART_HEAD_BYTES);
    EVP_DigestUpdate(sha, bytes, len);
    EVP_DigestFinal_ex(sha, out, NULL);
    EVP_MD_CTX_free(sha);
}

static void put_part(struct writer *w, const char *name, const void *bytes, size_t len)
{
    uint8_t head[PART_HEAD_BYTES], sha[SHA_BYTES];
    part_head(name, len, head);
    part_sha(head, bytes, len, sha);
    put(w, head, sizeof(head));
    put(w, bytes, len);
    put(w, sha, sizeof(sha));
}

static json_t *head_json(const struct trace *t)
{
    json_t *marks = json_array(), *windows = json_array(), *suspects = json_array();
    for (size_t i = 0; i < t->mark_count; i++)
        json_array_append_new(marks,
                              json_pack("{s:I,s:s,s:s}", "at", (json_int_t)t->marks[i].sample,
                                        "name", t->marks[i].name, "text", t->marks[i].text));
    for (size_t i = 0; i < t->window_count; i++)
        json_array_append_new(windows,
                              json_pack("{s:f,s:f,s:I,s:f}", "start_s", t->windows[i].start_s,
                                        "end_s", t->windows[i].end_s, "inferences",
                                        (json_int_t)t->windows[i].inferences, "device_s",
                                        t->windows[i].device_s));
    for (size_t i = 0; i < t->suspect_count; i++)
        json_array_append_new(suspects,
                              json_pack("{s:I,s:I,s:i}", "first", (json_int_t)t->suspects[i].first,
                                        "count", (json_int_t)t->suspects[i].count, "verdict",
                                        (int)t->suspects[i].verdict));
    json_t *provenance = t->provenance ? json_incref(t->provenance) : json_object();
    return json_pack("{s:i,s:s,s:f,s:f,s:I,s:I,s:o,s:o,s:o,s:o}", "format", FORMAT, "code",
                     t->code == SAMPLE_HEX16 ? "hex16" : "dec32", "rate_hz", t->rate_hz, "volts_v",
                     t->volts_v, "samples", (json_int_t)trace_count(t), "lost", (json_int_t)t->lost,
                     "marks", marks, "windows", windows, "suspects", suspects, "provenance",
                     provenance);
}

/* Level after level, each {bin width, bins} as u32, then its points. */
static void put_pyramid(struct writer *w, const struct trace *t)
{
    struct buf b = {.max_bytes = TRACE_MAX_BYTES};
    uint64_t width = PYRAMID_BASE, count = trace_count(t);
    for (int level = 0; level < PYRAMID_LEVELS && width <= count; level++, width *= PYRAMID_STEP) {
        size_t bins = (size_t)((count + width - 1) / width);
        struct trace_point *points = calloc(bins, sizeof(*points));
        if (!points)
            break;
        uint32_t head[2] = {(uint32_t)width, (uint32_t)trace_bins(t, 0, count, width, points)};
        buf_add(&b, head, sizeof(head));
        buf_add(&b, points, head[1] * sizeof(*points));
        free(points);
    }
    put_part(w, "PYRA", b.bytes, b.len);
    buf_free(&b);
}

static void put_all(struct writer *w, const struct trace *t)
{
    json_t *head = head_json(t);
    char *text = head ? json_dumps(head, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(head);
    w->failed |= !text;
    put(w, magic, MAGIC_BYTES);
    put_part(w, "HEAD", text ? text : "", text ? strlen(text) : 0);
    free(text);
    put_part(w, "SAMP", t->raw.bytes, t->raw.len);
    put_pyramid(w, t);
    put_part(w, "END ", NULL, 0);
}

/* A file is replaced at once or not at all; anything else (a pipe, a device) is written to. */
static bool is_special(const char *path)
{
    struct stat st;
    return !stat(path, &st) && !S_ISREG(st.st_mode);
}

static bool close_writer(struct writer *w, int *out_errno)
{
    w->failed |= fflush(w->file) != 0;
    *out_errno = errno;
    if (!w->failed && fsync(fileno(w->file)) && errno != EINVAL) {
        w->failed = true;
        *out_errno = errno;
    }
    w->failed |= fclose(w->file) != 0;
    return !w->failed;
}

enum err_code trace_write(const struct trace *t, const char *path,
                          char out_sha256[static TRACE_SHA_TEXT], uint64_t *out_bytes,
                          struct err *e)
{
    char temporary[4096];
    bool special = is_special(path);
    if (snprintf(temporary, sizeof(temporary), "%s%s", path, special ? "" : ".part") >=
        (int)sizeof(temporary))
        return err_set(e, INVALID, "the path of the trace is too long");
    struct writer w = {.file = fopen(temporary, "wb"), .whole = EVP_MD_CTX_new()};
    if (!w.file) {
        EVP_MD_CTX_free(w.whole);
        return err_set(e, IO, "cannot write the trace %s: %s", path, strerror(errno));
    }
    EVP_DigestInit_ex(w.whole, EVP_sha256(), NULL);
    errno = 0;
    put_all(&w, t);
    uint8_t sha[SHA_BYTES];
    EVP_DigestFinal_ex(w.whole, sha, NULL);
    EVP_MD_CTX_free(w.whole);
    int why;
    if (!close_writer(&w, &why) || (!special && rename(temporary, path))) {
        if (!special)
            unlink(temporary);
        return err_set(e, IO, "cannot write the trace %s: %s", path, strerror(why ? why : EIO));
    }
    for (size_t i = 0; i < SHA_BYTES; i++)
        snprintf(&out_sha256[2 * i], 3, "%02x", sha[i]);
    *out_bytes = w.bytes;
    return ERR_OK;
}

/* ---- reading ---- */

struct reader {
    const char *path;
    FILE *file;
    uint64_t at, size;
    struct err *e;
};

/* The bytes of a part of known length, with their digest checked. */
static enum err_code read_body(struct reader *r, const uint8_t *head, uint64_t len, char *bytes)
{
    uint8_t sha[SHA_BYTES], expected[SHA_BYTES];
    if (fread(bytes, 1, len, r->file) != len || fread(sha, 1, sizeof(sha), r->file) != sizeof(sha))
        return err_set(r->e, IO, "cannot read %s", r->path);
    part_sha(head, bytes, len, expected);
    if (memcmp(sha, expected, sizeof(sha)) != 0)
        return err_set(r->e, INVALID, "%s is damaged in its part %.4s (SHA-256 does not match)",
                       r->path, (const char *)head);
    r->at += PART_HEAD_BYTES + len + SHA_BYTES;
    bytes[len] = 0;
    return ERR_OK;
}

/* The part `name`; *out_bytes has a final zero and is the caller's. */
static enum err_code read_part(struct reader *r, const char *name, uint64_t max_bytes,
                               char **out_bytes, uint64_t *out_len)
{
    uint8_t head[PART_HEAD_BYTES];
    uint64_t len = 0;
    if (fread(head, 1, sizeof(head), r->file) != sizeof(head))
        return err_set(r->e, INVALID, "%s is cut off at byte %llu, before its part %.4s", r->path,
                       (unsigned long long)r->at, name);
    for (int i = 7; i >= 0; i--)
        len = len << 8 | head[4 + i];
    if (memcmp(head, name, 4) != 0 || len > max_bytes)
        return err_set(r->e, INVALID, "%s is damaged at byte %llu: part %.4s expected", r->path,
                       (unsigned long long)r->at, name);
    if (len + PART_HEAD_BYTES + SHA_BYTES > r->size - r->at)
        return err_set(r->e, INVALID, "%s is cut off at byte %llu, inside its part %.4s", r->path,
                       (unsigned long long)r->size, name);
    char *bytes = malloc(len + 1);
    if (!bytes)
        return err_set(r->e, INTERNAL, "no memory for %llu bytes of trace",
                       (unsigned long long)len);
    enum err_code code = read_body(r, head, len, bytes);
    if (code) {
        free(bytes);
        return code;
    }
    *out_bytes = bytes;
    *out_len = len;
    return ERR_OK;
}

/* Those beyond a limit would be dropped without a word. */
static bool lists_fit(const json_t *head)
{
    return json_array_size(json_object_get(head, "marks")) <= TRACE_MAX_MARKS &&
           json_array_size(json_object_get(head, "windows")) <= TRACE_MAX_MARKS &&
           json_array_size(json_object_get(head, "suspects")) <= TRACE_MAX_SUSPECTS;
}

static bool take_lists(struct trace *t, const json_t *head)
{
    size_t i;
    json_t *item;
    if (!lists_fit(head))
        return false;
    json_array_foreach(json_object_get(head, "marks"), i, item)
    {
        json_int_t at;
        const char *name, *text;
        if (json_unpack(item, "{s:I,s:s,s:s}", "at", &at, "name", &name, "text", &text) || at < 0)
            return false;
        trace_mark(t, (uint64_t)at, name, text);
    }
    json_array_foreach(json_object_get(head, "windows"), i, item)
    {
        struct trace_window w;
        json_int_t inferences;
        if (json_unpack(item, "{s:F,s:F,s:I,s:F}", "start_s", &w.start_s, "end_s", &w.end_s,
                        "inferences", &inferences, "device_s", &w.device_s) ||
            inferences < 0)
            return false;
        w.inferences = (uint64_t)inferences;
        trace_window(t, &w);
    }
    json_array_foreach(json_object_get(head, "suspects"), i, item)
    {
        json_int_t first, count;
        int verdict;
        if (json_unpack(item, "{s:I,s:I,s:i}", "first", &first, "count", &count, "verdict",
                        &verdict) ||
            first < 0 || count < 0 || verdict < 0 || verdict > BLOCK_CLOCK)
            return false;
        trace_suspect(
            t, &(struct stream_block){(uint64_t)first, (uint64_t)count, 0, 0, (unsigned)verdict});
    }
    return true;
}

static enum err_code take_head(struct reader *r, struct trace *t, const char *text, uint64_t len,
                               uint64_t *out_samples)
{
    json_error_t why;
    json_t *head = json_loadb(text, len, 0, &why);
    int format = 0;
    const char *code = "";
    double rate_hz = 0, volts_v = 0;
    json_int_t samples = -1, lost = 0;
    bool good = head && !json_unpack(head, "{s:i,s:s,s:F,s:F,s:I,s:I}", "format", &format, "code",
                                     &code, "rate_hz", &rate_hz, "volts_v", &volts_v, "samples",
                                     &samples, "lost", &lost);
    bool known = !strcmp(code, "hex16") || !strcmp(code, "dec32");
    good = good && format == FORMAT && known && rate_hz >= 1 && rate_hz <= 1e6 && volts_v > 0 &&
           volts_v <= 20 && samples >= 0 && lost >= 0;
    if (good) {
        trace_init(t, !strcmp(code, "hex16") ? SAMPLE_HEX16 : SAMPLE_DEC32, rate_hz, volts_v);
        good = take_lists(t, head) && t->lost <= (uint64_t)lost;
        t->lost = (uint64_t)lost;
        t->provenance = json_incref(json_object_get(head, "provenance"));
    }
    json_decref(head);
    *out_samples = (uint64_t)samples;
    return good ? ERR_OK
                : err_set(r->e, INVALID, "%s has a head that this version does not understand",
                          r->path);
}

static bool raw_makes_sense(const struct trace *t)
{
    const uint8_t *raw = (const uint8_t *)t->raw.bytes;
    for (size_t i = 0; i < t->raw.len; i += (size_t)t->code) {
        int8_t exponent = (int8_t)raw[i + (size_t)t->code - 1];
        if (t->code == SAMPLE_HEX16 ? raw[i + 1] >= 0xF0
                                    : exponent < SAMPLE_DEC_MIN || exponent > SAMPLE_DEC_MAX)
            return false;
    }
    return true;
}

static bool windows_make_sense(const struct trace *t)
{
    double last_s = 0, end_s = (double)trace_count(t) / t->rate_hz;
    for (size_t i = 0; i < t->window_count; i++) {
        const struct trace_window *w = &t->windows[i];
        if (!(w->start_s >= last_s && w->end_s > w->start_s && w->end_s <= end_s + 1e-9 &&
              w->inferences))
            return false;
        last_s = w->end_s;
    }
    return true;
}

static bool suspects_make_sense(const struct trace *t)
{
    uint64_t last = 0;
    for (size_t i = 0; i < t->suspect_count; i++) {
        const struct stream_block *b = &t->suspects[i];
        if (b->first < last || b->first > trace_count(t))
            return false;
        last = b->first;
    }
    return true;
}

static enum err_code read_parts(struct reader *r, struct trace *t)
{
    char *bytes;
    uint64_t len, samples;
    enum err_code code = read_part(r, "HEAD", HEAD_MAX_BYTES, &bytes, &len);
    if (code)
        return code;
    code = take_head(r, t, bytes, len, &samples);
    free(bytes);
    if (code || (code = read_part(r, "SAMP", TRACE_MAX_BYTES, &bytes, &len)))
        return code;
    t->raw.bytes = bytes;
    t->raw.len = t->raw.cap = len;
    if (len % (size_t)t->code || trace_count(t) != samples || !raw_makes_sense(t))
        return err_set(r->e, INVALID, "%s: its samples are not what its head says", r->path);
    if (!windows_make_sense(t))
        return err_set(r->e, INVALID, "%s: its windows are not in order within the trace", r->path);
    if (!suspects_make_sense(t))
        return err_set(r->e, INVALID, "%s: its damaged blocks are not in order within the trace",
                       r->path);
    if ((code = read_part(r, "PYRA", TRACE_MAX_BYTES, &bytes, &len)))
        return code;
    free(bytes);
    if ((code = read_part(r, "END ", 0, &bytes, &len)))
        return code;
    free(bytes);
    return r->at == r->size ? ERR_OK
                            : err_set(r->e, INVALID, "%s has bytes after its end", r->path);
}

enum err_code trace_read(const char *path, struct trace *out, struct err *e)
{
    struct reader r = {.path = path, .file = fopen(path, "rb"), .at = MAGIC_BYTES, .e = e};
    if (!r.file)
        return err_set(e, IO, "cannot open %s: %s", path, strerror(errno));
    struct stat st;
    char start[MAGIC_BYTES];
    struct trace t = {0};
    enum err_code code;
    if (fstat(fileno(r.file), &st) || fread(start, 1, sizeof(start), r.file) != sizeof(start) ||
        memcmp(start, magic, MAGIC_BYTES) != 0)
        code = err_set(e, INVALID, "%s is not a trace: it does not begin with %s", path, magic);
    else {
        r.size = (uint64_t)st.st_size;
        code = read_parts(&r, &t);
    }
    fclose(r.file);
    if (code)
        trace_free(&t);
    else
        *out = t;
    return code;
}
