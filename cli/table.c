#include "cli/table.h"

#include "shared/base/clock.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_COLUMNS = 16,
    GAP = 2,
    MIN_CUT = 8,
    PATH_BYTES = 64,
    SHORT_ID = 8,
    LIST_BYTES = 1 << 16
};

struct layout {
    int count, widths[MAX_COLUMNS], id_digits;
};

json_t *json_at(json_t *object, const char *path)
{
    char key[PATH_BYTES];

    while (object && *path) {
        size_t len = strcspn(path, ".");
        if (len >= sizeof(key))
            return NULL;
        memcpy(key, path, len);
        key[len] = '\0';
        object = json_object_get(object, key);
        path += len + (path[len] == '.');
    }
    return object;
}

const char *text_at(json_t *object, const char *path)
{
    const char *text = json_string_value(json_at(object, path));
    return text ? text : "";
}

static const char *plain_cell(struct arena *a, json_t *value)
{
    if (!value || json_is_null(value))
        return "-";
    if (json_is_string(value))
        return json_string_length(value) ? json_string_value(value) : "-";
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(12));
    const char *kept = arena_strndup(a, text ? text : "", text ? strlen(text) : 0);
    free(text);
    return kept;
}

static const char *list_cell(struct arena *a, json_t *value)
{
    struct buf b = {.max_bytes = LIST_BYTES};
    size_t i;
    json_t *item;

    json_array_foreach(value, i, item)
    {
        const char *text = plain_cell(a, item);
        if (i)
            buf_lit(&b, ", ");
        buf_add(&b, text, strlen(text));
    }
    const char *kept = b.len ? arena_strndup(a, b.bytes, b.len) : "-";
    buf_free(&b);
    return kept;
}

static const char *ago_cell(const struct term *t, struct arena *a, json_t *value)
{
    int64_t us;

    if (!json_is_string(value) ||
        !time_parse(json_string_value(value), json_string_length(value), &us))
        return plain_cell(a, value);
    return time_ago(a, t->now_us, us);
}

static const char *switch_cell(struct arena *a, const struct column *c, json_t *value)
{
    if (!json_is_true(value))
        return "";
    char *text = arena_strndup(a, c->title, strlen(c->title));
    for (char *p = text; *p; p++)
        *p = (char)tolower(*p);
    return text;
}

static const char *cell(const struct term *t, struct arena *a, const struct column *c, json_t *row,
                        int id_digits)
{
    json_t *v = json_at(row, c->path);
    const char *text = "-";

    switch (c->kind) {
    case CELL_AGO:
        text = ago_cell(t, a, v);
        break;
    case CELL_DURATION:
        text = json_number_value(v) > 0 ? duration_text(a, json_number_value(v)) : "-";
        break;
    case CELL_REAL:
        text = json_is_number(v) ? arena_printf(a, "%.6g", json_number_value(v)) : "-";
        break;
    case CELL_CHANGE:
        text = json_is_number(v) ? arena_printf(a, "%+.2f", json_number_value(v)) : "-";
        break;
    case CELL_LIST:
        text = list_cell(a, v);
        break;
    case CELL_SWITCH:
        text = switch_cell(a, c, v);
        break;
    case CELL_ID:
        text = arena_printf(a, "%.*s", id_digits, plain_cell(a, v));
        break;
    case CELL_TEXT:
    case CELL_STATE:
        text = plain_cell(a, v);
        break;
    }
    return safe_text(a, text);
}

static int compare_texts(const void *x, const void *y)
{
    return strcmp(*(const char *const *)x, *(const char *const *)y);
}

/* As many leading characters of the ids as tell all rows apart. */
static int digits_needed(struct arena *a, const char *path, json_t *rows)
{
    size_t n = json_array_size(rows), i;
    const char **ids = arena_array(a, const char *, n + 1);
    int need = SHORT_ID;
    json_t *row;

    json_array_foreach(rows, i, row) ids[i] = text_at(row, path);
    qsort(ids, n, sizeof(*ids), compare_texts);
    for (i = 1; i < n; i++) {
        int same = 0;
        while (ids[i][same] && ids[i][same] == ids[i - 1][same])
            same++;
        if (ids[i][same] && same + 1 > need)
            need = same + 1;
    }
    return need;
}

static void measure(const struct term *t, struct arena *a, const struct column *columns,
                    json_t *rows, struct layout *l)
{
    size_t i;
    json_t *row;

    for (l->count = 0; columns[l->count].path && l->count < MAX_COLUMNS; l->count++) {
        l->widths[l->count] = text_columns(columns[l->count].title);
        if (columns[l->count].kind == CELL_ID)
            l->id_digits = digits_needed(a, columns[l->count].path, rows);
    }
    const struct arena_mark mark = arena_mark(a);
    json_array_foreach(rows, i, row)
    {
        for (int c = 0; c < l->count; c++) {
            int width = text_columns(cell(t, a, &columns[c], row, l->id_digits));
            if (width > l->widths[c])
                l->widths[c] = width;
        }
        arena_rewind(a, &mark);
    }
}

/* Takes columns away from the widest flexible column until the table fits. */
static void fit(const struct term *t, const struct column *columns, struct layout *l)
{
    int total = -GAP;

    for (int c = 0; c < l->count; c++)
        total += l->widths[c] + GAP;
    while (t->width && total > t->width) {
        int widest = -1;
        for (int c = 0; c < l->count; c++)
            if (!columns[c].fixed && columns[c].kind != CELL_ID && l->widths[c] > MIN_CUT &&
                (widest < 0 || l->widths[c] > l->widths[widest]))
                widest = c;
        if (widest < 0)
            return;
        l->widths[widest]--;
        total--;
    }
}

static void put_cell(const struct term *t, const char *text, int pad_to, enum color color)
{
    int pad = pad_to - text_columns(text);

    fprintf(t->out, "%s%s%s%*s", color_on(t, color), text, color_off(t, color), pad > 0 ? pad : 0,
            "");
}

static void put_row(const struct term *t, struct arena *a, const struct column *columns,
                    const struct layout *l, json_t *row)
{
    for (int c = 0; c < l->count; c++) {
        bool last = c == l->count - 1;
        const char *text = row ? cell(t, a, &columns[c], row, l->id_digits) : columns[c].title;
        enum color color = !row                            ? COLOR_BOLD
                           : columns[c].kind == CELL_STATE ? state_color(text_at(row, "state_type"))
                                                           : COLOR_NONE;
        put_cell(t, text_cut(a, text, l->widths[c]), last ? 0 : l->widths[c] + GAP, color);
    }
    fputc('\n', t->out);
}

void table_print(struct term *t, struct arena *a, const struct column *columns, json_t *rows)
{
    struct layout l = {.id_digits = SHORT_ID};
    size_t i;
    json_t *row;

    measure(t, a, columns, rows, &l);
    fit(t, columns, &l);
    put_row(t, a, columns, &l, NULL);
    const struct arena_mark mark = arena_mark(a);
    json_array_foreach(rows, i, row)
    {
        put_row(t, a, columns, &l, row);
        arena_rewind(a, &mark);
    }
}

static void put_nested(const struct term *t, struct arena *a, json_t *value)
{
    char *text = json_dumps(value, JSON_INDENT(2) | JSON_REAL_PRECISION(12));

    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        fprintf(t->out, "  %s\n", safe_text(a, line));
    free(text);
}

void details_print(struct term *t, struct arena *a, const struct column *columns, json_t *object)
{
    int width = 0;

    for (const struct column *c = columns; c->path; c++)
        width = text_columns(c->title) > width ? text_columns(c->title) : width;
    for (const struct column *c = columns; c->path; c++) {
        json_t *v = json_at(object, c->path);
        bool nested = c->kind == CELL_TEXT && (json_object_size(v) > 0 || json_array_size(v) > 0);
        put_cell(t, c->title, width + GAP, COLOR_BOLD);
        enum color color =
            c->kind == CELL_STATE ? state_color(text_at(object, "state_type")) : COLOR_NONE;
        put_cell(t, nested ? "" : cell(t, a, c, object, 36), 0, color);
        fputc('\n', t->out);
        if (nested)
            put_nested(t, a, v);
    }
}

void json_print(FILE *out, json_t *value)
{
    json_dumpf(value, out, JSON_INDENT(2) | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    fputc('\n', out);
}
