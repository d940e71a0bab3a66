/* Text for people: the terminal's width and colours, relative times, safe cells.
 * Thread: any; struct term is read only after term_open(). */
#pragma once
#include "shared/base/arena.h"
#include "shared/base/buf.h"

#include <stdio.h>

struct term {
    FILE *out;
    bool tty; /* out is a terminal */
    bool color;
    int width; /* columns; 0 when not a terminal: nothing is cut */
    int height;
    int64_t now_us;
};

enum color { COLOR_NONE, COLOR_GREEN, COLOR_RED, COLOR_YELLOW, COLOR_BLUE, COLOR_DIM, COLOR_BOLD };

/* Colours: a terminal, no NO_COLOR in the environment, and TERM is not dumb. */
void term_open(struct term *t, FILE *out, bool want_color);
/* Width and height may change while the program runs. */
void term_measure(struct term *t);

/* Start and end of a colour; empty strings without colours. */
const char *color_on(const struct term *t, enum color c);
const char *color_off(const struct term *t, enum color c);

enum color state_color(const char *state_type);

/* "now", "12s ago", "3m ago", "in 2h", "5d ago". */
const char *time_ago(struct arena *a, int64_t now_us, int64_t then_us);
/* "0.4s", "12.3s", "3m 04s", "2h 10m", "4d 3h". */
const char *duration_text(struct arena *a, double seconds);

/* Control characters (also of the C1 set) become spaces, so that no value can drive the terminal.
 */
const char *safe_text(struct arena *a, const char *text);
/* Characters of UTF-8 text. */
int text_columns(const char *text);
/* At most `columns` characters, the last one an ellipsis if something was cut. */
const char *text_cut(struct arena *a, const char *text, int columns);
/* Words between column `left` and `columns` (0: not wrapped), and a line end; the first line starts
 * at column `at`. */
void text_wrap(FILE *out, const char *text, int columns, int at, int left);
