#include "server/settings.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/base/log.h"
#include "shared/json/codec.h"
#include "shared/json/doc.h"
#include "shared/json/write.h"

extern char **environ;

enum setting_kind { BOOL, INT, FLOAT, DURATION, TEXT, SECRET, JSON, WORDS };
enum setting_role { HERE, MOOT, SDK };

struct setting {
    const char *env, *path;
    enum setting_kind kind;
    const char *def;
    double least, most; /* DURATION: seconds */
    enum setting_role role;
    const char *older; /* another name of the variable, NULL: none */
};

#define ANY      HUGE_VAL
#define ABOVE_0  1e-6
#define ABOVE_1H 3600.000001
static const struct setting rows[SETTING_COUNT] = {
    {0},
#define SETTING(name, path, kind, def, least, most, role, older)                                   \
    {"PREFECT_" #name, path, kind, def, least, most, role, older},
#include "server/settings.def"
#undef SETTING
};
static const char mask[] = "**********";

/* ---- reading ---- */

static bool read_flag(const char *text, struct setting_value *out)
{
    static const char *const words[] = {"false", "0", "no",  "off", "n", "f",
                                        "true",  "1", "yes", "on",  "y", "t"};
    for (size_t i = 0; i < COUNT(words); i++)
        if (strcasecmp(text, words[i]) == 0) {
            out->flag = i >= COUNT(words) / 2;
            return true;
        }
    return false;
}

static bool read_number(const char *text, double *out)
{
    char *end;

    errno = 0;
    *out = strtod(text, &end);
    return end != text && !*end && !errno && isfinite(*out);
}

static bool read_integer(const struct setting *row, const char *text, struct setting_value *out)
{
    char *end;

    errno = 0;
    out->integer = strtoll(text, &end, 10);
    return end != text && !*end && !errno && (double)out->integer >= row->least &&
           (double)out->integer <= row->most;
}

static bool read_seconds(const struct setting *row, const char *text, struct setting_value *out)
{
    double s;

    if (read_number(text, &s)) {
        if (fabs(s) > (double)INT64_MAX / 2e6)
            return false;
        out->us = llround(s * 1e6);
    } else if (duration_parse(text, strlen(text), &out->us)) {
        return false;
    }
    return (double)out->us >= row->least * 1e6 && (double)out->us <= row->most * 1e6;
}

static bool is_json(const char *text)
{
    struct arena a = {0};
    struct doc doc;
    struct doc_error error;
    bool good = doc_parse(&a, text, strlen(text), &doc, &error);

    arena_reset(&a);
    return good;
}

/* What may be vacuumed; Prefect knows no other setting with a list of words. */
static const char *const vacuum_words[] = {"events", "flow_runs", "orphans"};

static const char *next_word(const char *text, size_t *out_len)
{
    static const char blanks[] = " ,[]\"";

    text += strspn(text, blanks);
    *out_len = strcspn(text, blanks);
    return *out_len ? text : NULL;
}

static bool read_words(const char *text, struct setting_value *out)
{
    struct setting_value flag;
    size_t len;

    if (read_flag(text, &flag)) {
        out->text = flag.flag ? "events,flow_runs,orphans" : "events";
        return true;
    }
    for (const char *word = text; (word = next_word(word, &len)); word += len) {
        size_t i = 0;
        while (i < COUNT(vacuum_words) &&
               (strlen(vacuum_words[i]) != len || memcmp(word, vacuum_words[i], len) != 0))
            i++;
        if (i == COUNT(vacuum_words))
            return false;
    }
    out->text = text;
    return true;
}

static bool read_value(const struct setting *row, const char *text, struct setting_value *out)
{
    switch (row->kind) {
    case BOOL:
        return read_flag(text, out);
    case INT:
        return read_integer(row, text, out);
    case FLOAT:
        return read_number(text, &out->number) && out->number >= row->least &&
               out->number <= row->most;
    case DURATION:
        return read_seconds(row, text, out);
    case WORDS:
        return read_words(text, out);
    default:
        out->text = text;
        return row->kind != JSON || is_json(text);
    }
}

/* What a value of the row looks like, with its range. */
static void describe(const struct setting *row, char *out, size_t size)
{
    static const char *const kinds[] = {
        [BOOL] = "true or false", [INT] = "a whole number",
        [FLOAT] = "a number",     [DURATION] = "seconds or a duration such as PT5M",
        [TEXT] = "a text",        [SECRET] = "a text",
        [JSON] = "a JSON value",  [WORDS] = "words of events, flow_runs, orphans",
    };
    int n = snprintf(out, size, "%s", kinds[row->kind]);

    if (row->kind < INT || row->kind > DURATION)
        return;
    if (row->least > 0 && row->least < 1)
        n += snprintf(out + n, size - (size_t)n, " above 0");
    else
        n += snprintf(out + n, size - (size_t)n, " from %.0f", row->least);
    if (isfinite(row->most))
        snprintf(out + n, size - (size_t)n, " to %.0f", row->most);
}

enum err_code settings_set(struct settings *s, enum setting_id id, const char *from,
                           const char *text, struct err *e)
{
    const struct setting *row = &rows[id];
    struct setting_value v = {.from = from};
    char expected[100];

    if (!read_value(row, text, &v)) {
        describe(row, expected, sizeof(expected));
        return err_set(e, INVALID, "%s: expected %s, got \"%s\"", from, expected,
                       row->kind == SECRET ? mask : text);
    }
    s->values[id] = v;
    return ERR_OK;
}

static void set_default(struct settings *s, enum setting_id id)
{
    const struct setting *row = &rows[id];
    struct setting unbounded = *row;

    s->values[id] = (struct setting_value){.is_null = !row->def};
    if (row->role != HERE)
        unbounded.most = ANY;
    if (row->def && !read_value(&unbounded, row->def, &s->values[id]))
        abort(); /* a row's default is not a value */
}

/* The variable that sets the row, NULL: none.  An empty one counts as not set. */
static const char *environment_name(const struct setting *row, const char **out_text)
{
    const char *names[] = {row->env, row->older};

    for (size_t i = 0; i < COUNT(names); i++) {
        const char *text = names[i] ? getenv(names[i]) : NULL;
        if (text && *text) {
            *out_text = text;
            return names[i];
        }
    }
    return NULL;
}

enum err_code settings_read(struct settings *out, struct err *e)
{
    for (int i = SETTING_NONE + 1; i < SETTING_COUNT; i++) {
        enum setting_id id = (enum setting_id)i;
        const char *text = "", *name = NULL;
        if (rows[i].role == HERE)
            name = environment_name(&rows[i], &text);
        set_default(out, id);
        enum err_code rc = name ? settings_set(out, id, name, text, e) : ERR_OK;
        if (rc)
            return rc;
    }
    return ERR_OK;
}

static bool is_known(const char *name, size_t len)
{
    for (size_t i = 1; i < COUNT(rows); i++) {
        const char *names[] = {rows[i].env, rows[i].older};
        for (size_t j = 0; j < COUNT(names); j++)
            if (names[j] && strlen(names[j]) == len && strncasecmp(name, names[j], len) == 0)
                return true;
    }
    return false;
}

void settings_warn(void)
{
    char name[128];

    for (size_t i = 1; i < COUNT(rows); i++) {
        const char *text, *set = NULL;
        if (rows[i].role == MOOT)
            set = environment_name(&rows[i], &text);
        if (set)
            log_warn("setting has no effect here", KV_S("name", set));
    }
    for (char **at = environ; *at; at++) {
        size_t len = strcspn(*at, "=");
        bool ours = strncmp(*at, "PREFECT_", 8) == 0 && (*at)[8] != '_'; /* PREFECT__ is internal */
        if (!ours || is_known(*at, len))
            continue;
        snprintf(name, sizeof(name), "%.*s", (int)len, *at);
        log_warn("setting is not known", KV_S("name", name));
    }
}

/* ---- use ---- */

bool settings_bool(const struct settings *s, enum setting_id id)
{
    assert(rows[id].kind == BOOL);
    return s->values[id].flag;
}

int64_t settings_int(const struct settings *s, enum setting_id id)
{
    assert(rows[id].kind == INT);
    return s->values[id].integer;
}

int64_t settings_us(const struct settings *s, enum setting_id id)
{
    assert(rows[id].kind == FLOAT || rows[id].kind == DURATION);
    if (rows[id].kind == DURATION)
        return s->values[id].us;
    return llround(fmin(s->values[id].number, 1e12) * 1e6);
}

const char *settings_text(const struct settings *s, enum setting_id id)
{
    assert(rows[id].kind == TEXT || rows[id].kind == SECRET || rows[id].kind == JSON);
    return s->values[id].text;
}

bool settings_has(const struct settings *s, enum setting_id id, const char *word)
{
    size_t len, expected = strlen(word);

    assert(rows[id].kind == WORDS);
    for (const char *at = s->values[id].text; (at = next_word(at, &len)); at += len)
        if (len == expected && memcmp(at, word, len) == 0)
            return true;
    return false;
}

/* ---- printing ---- */

/* `P1DT1H1M1.5S`, as Prefect prints durations here and nowhere else. */
static void write_iso(struct buf *out, int64_t us)
{
    static const struct {
        int64_t s;
        char letter;
    } units[] = {{INT64_C(365) * 86400, 'Y'}, {86400, 'D'}, {3600, 'H'}, {60, 'M'}};
    char text[64] = "P";
    int n = 1;
    int64_t rest_s = us / 1000000, fraction = us % 1000000;
    bool clock = false;

    for (size_t i = 0; i < COUNT(units); i++) {
        if (rest_s < units[i].s)
            continue;
        if (i >= 2 && !clock)
            n += snprintf(text + n, sizeof(text) - (size_t)n, "T");
        clock = i >= 2;
        n += snprintf(text + n, sizeof(text) - (size_t)n, "%" PRId64 "%c", rest_s / units[i].s,
                      units[i].letter);
        rest_s %= units[i].s;
    }
    if (rest_s || fraction || n == 1) {
        n += snprintf(text + n, sizeof(text) - (size_t)n, "%s%" PRId64, clock ? "" : "T", rest_s);
        if (fraction)
            n += snprintf(text + n, sizeof(text) - (size_t)n, ".%06" PRId64, fraction);
        while (fraction && text[n - 1] == '0')
            n--;
        snprintf(text + n, sizeof(text) - (size_t)n, "S");
    }
    write_string(out, text);
}

static void write_words(struct buf *out, const char *text)
{
    size_t len;

    write_array(out);
    for (const char *at = text; (at = next_word(at, &len)); at += len)
        write_string_n(out, at, len);
    write_end_array(out);
}

static void write_value(struct buf *out, enum setting_kind kind, const struct setting_value *v)
{
    if (v->is_null)
        write_null(out);
    else if (kind == BOOL)
        write_bool(out, v->flag);
    else if (kind == INT)
        write_int64(out, v->integer);
    else if (kind == FLOAT)
        write_double(out, v->number);
    else if (kind == DURATION)
        write_iso(out, v->us);
    else if (kind == WORDS)
        write_words(out, v->text);
    else if (kind == JSON)
        write_raw(out, (struct raw){v->text, strlen(v->text)});
    else
        write_string(out, kind == SECRET ? mask : v->text);
}

static size_t common_prefix(const char *a, const char *b)
{
    size_t common = 0;

    for (size_t i = 0; a[i] && a[i] == b[i]; i++)
        if (a[i] == '.')
            common = i + 1;
    return common;
}

static const char *open_objects(struct buf *out, const char *path)
{
    const char *dot;

    while ((dot = strchr(path, '.'))) {
        char key[64];
        snprintf(key, sizeof(key), "%.*s", (int)(dot - path), path);
        write_key(out, key);
        write_object(out);
        path = dot + 1;
    }
    return path;
}

static void close_objects(struct buf *out, const char *path)
{
    for (; (path = strchr(path, '.')); path++)
        write_end_object(out);
}

void settings_write(struct buf *out, const struct settings *s)
{
    const char *before = "";

    write_object(out);
    for (size_t i = 1; i < COUNT(rows); i++) {
        size_t common = common_prefix(before, rows[i].path);
        close_objects(out, before + common);
        write_key(out, open_objects(out, rows[i].path + common));
        write_value(out, rows[i].kind, &s->values[i]);
        before = rows[i].path;
    }
    close_objects(out, before);
    write_end_object(out);
}

void settings_print(const struct settings *s)
{
    for (size_t i = 1; i < COUNT(rows); i++) {
        struct buf text = {.max_bytes = 1 << 16};
        if (!s->values[i].from)
            continue;
        write_value(&text, rows[i].kind, &s->values[i]);
        printf("%s %.*s (%s)\n", rows[i].path, (int)text.len, text.bytes, s->values[i].from);
        buf_free(&text);
    }
}
