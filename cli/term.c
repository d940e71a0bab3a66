#include "cli/term.h"

#include "shared/base/clock.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { MIN_WIDTH = 40 };

static const char *const color_codes[] = {
    [COLOR_NONE] = "",           [COLOR_GREEN] = "\033[32m", [COLOR_RED] = "\033[31m",
    [COLOR_YELLOW] = "\033[33m", [COLOR_BLUE] = "\033[34m",  [COLOR_DIM] = "\033[2m",
    [COLOR_BOLD] = "\033[1m",
};

static const struct {
    const char *type;
    enum color color;
} state_colors[] = {
    {"COMPLETED", COLOR_GREEN}, {"FAILED", COLOR_RED},       {"CRASHED", COLOR_RED},
    {"RUNNING", COLOR_BLUE},    {"CANCELLED", COLOR_YELLOW}, {"CANCELLING", COLOR_YELLOW},
    {"PAUSED", COLOR_YELLOW},   {"SCHEDULED", COLOR_DIM},    {"PENDING", COLOR_DIM},
};

void term_measure(struct term *t)
{
    struct winsize size;
    const char *columns = getenv("COLUMNS");

    t->width = t->height = 0;
    if (!t->tty)
        return;
    t->width = 80;
    t->height = 24;
    if (ioctl(fileno(t->out), TIOCGWINSZ, &size) == 0 && size.ws_col) {
        t->width = size.ws_col;
        t->height = size.ws_row ? size.ws_row : 24;
    } else if (columns && atoi(columns) > 0) {
        t->width = atoi(columns);
    }
    if (t->width < MIN_WIDTH)
        t->width = MIN_WIDTH;
}

void term_open(struct term *t, FILE *out, bool want_color)
{
    const char *no_color = getenv("NO_COLOR"), *kind = getenv("TERM");

    *t = (struct term){.out = out, .now_us = clock_now_us()};
    t->tty = isatty(fileno(out)) == 1;
    t->color =
        t->tty && want_color && !(no_color && *no_color) && kind && strcmp(kind, "dumb") != 0;
    term_measure(t);
}

const char *color_on(const struct term *t, enum color c)
{
    return t->color ? color_codes[c] : "";
}

const char *color_off(const struct term *t, enum color c)
{
    return t->color && c != COLOR_NONE ? "\033[0m" : "";
}

enum color state_color(const char *state_type)
{
    for (size_t i = 0; state_type && i < COUNT(state_colors); i++)
        if (strcmp(state_colors[i].type, state_type) == 0)
            return state_colors[i].color;
    return COLOR_NONE;
}

const char *time_ago(struct arena *a, int64_t now_us, int64_t then_us)
{
    static const struct {
        int64_t below_s, unit_s;
        char letter;
    } units[] = {
        {60, 1, 's'}, {3600, 60, 'm'}, {INT64_C(48) * 3600, 3600, 'h'}, {INT64_MAX, 86400, 'd'}};
    int64_t away_s = (now_us - then_us) / 1000000, s = away_s < 0 ? -away_s : away_s;
    size_t i = 0;

    if (s == 0)
        return "now";
    while (s >= units[i].below_s)
        i++;
    return arena_printf(a, away_s < 0 ? "in %lld%c" : "%lld%c ago",
                        (long long)(s / units[i].unit_s), units[i].letter);
}

const char *duration_text(struct arena *a, double seconds)
{
    if (!(seconds >= 0))
        return "-";
    if (seconds < 59.95)
        return arena_printf(a, "%.1fs", seconds);
    long long s = llround(seconds);
    if (s < 3600)
        return arena_printf(a, "%lldm %02llds", s / 60, s % 60);
    if (s < 86400)
        return arena_printf(a, "%lldh %02lldm", s / 3600, s / 60 % 60);
    return arena_printf(a, "%lldd %lldh", s / 86400, s / 3600 % 24);
}

const char *safe_text(struct arena *a, const char *text)
{
    size_t len = strlen(text), n = 0;
    char *out = arena_strndup(a, text, len);

    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        bool c1 = c == 0xC2 && ((unsigned char)text[i + 1] & 0xE0) == 0x80;
        if (c1)
            i++;
        out[n] = ' ';
        if (c >= 0x20 && c != 0x7F && !c1)
            out[n] = text[i];
        n++;
    }
    out[n] = '\0';
    return out;
}

static bool starts_character(char c)
{
    return ((unsigned char)c & 0xC0) != 0x80;
}

int text_columns(const char *text)
{
    int n = 0;

    for (; *text; text++)
        n += starts_character(*text);
    return n;
}

const char *text_cut(struct arena *a, const char *text, int columns)
{
    if (text_columns(text) <= columns)
        return text;
    const char *end = text;
    for (int n = 0; *end; end++)
        if (starts_character(*end) && ++n > columns - 1)
            break;
    return arena_printf(a, "%.*s…", (int)(end - text), text);
}

void text_wrap(FILE *out, const char *text, int columns, int at, int left)
{
    int column = at;

    while (*text) {
        int word = (int)strcspn(text, " \n");
        if (columns && column > left && column + 1 + word > columns) {
            fprintf(out, "\n%*s", left, "");
            column = left;
        } else if (column > left) {
            fputc(' ', out);
            column++;
        } else if (column < left) {
            fprintf(out, "%*s", left - column, "");
            column = left;
        }
        fprintf(out, "%.*s", word, text);
        column += word;
        text += word;
        text += *text != '\0';
    }
    fputc('\n', out);
}
