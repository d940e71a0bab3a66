/* The program on the board: waits for a line, obeys, answers.
 *
 *   (reset)   SY-BOOT build=<id> target=<machine> model=<name>
 *   run N     SY-START n=<N>          N inferences, the UART silent between the two lines
 *             SY-END n=<N> us=<time> check=<CRC-32 of all outputs>
 *   id        the boot line again
 *   other     SY-ERR <reason> */
#include <stddef.h>

#include "board.h"
#include "model.h"
#include "network.h"

enum { LINE_BYTES = 64, MAX_RUNS = 1000000 };

static struct network net;
static const char *model_wrong; /* why the model is not accepted, or NULL */

static void say_id(void)
{
    board_print("SY-BOOT build=");
    board_print(build_id);
    board_print(" target=" TARGET " model=");
    board_print(model_name);
    board_print("\r\n");
}

static void say_error(const char *reason)
{
    board_print("SY-ERR ");
    board_print(reason);
    board_print("\r\n");
}

static void say_count(const char *what, uint32_t count)
{
    board_print(what);
    board_print_u32(count);
}

static void run(uint32_t count)
{
    static int8_t in[MAX_WIDTH], out[MAX_WIDTH];
    uint32_t check = 0;

    if (model_wrong) {
        say_error(model_wrong);
        return;
    }
    say_count("SY-START n=", count);
    board_print("\r\n");
    watch_start();
    for (uint32_t k = 0; k < count; k++) {
        network_input(&net, k, in);
        network_run(&net, in, out);
        check = crc32_add(check, out, network_outputs(&net));
    }
    uint64_t us = watch_stop_us();
    say_count("SY-END n=", count);
    say_count(" us=", us > UINT32_MAX ? UINT32_MAX : (uint32_t)us);
    board_print(" check=");
    board_print_hex(check);
    board_print("\r\n");
}

/* 0 when the text is not a number from 1 to MAX_RUNS. */
static uint32_t number(const char *text)
{
    uint32_t n = 0;

    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return 0;
        n = n * 10 + (uint32_t)(*text - '0');
        if (n > MAX_RUNS)
            return 0;
    }
    return n;
}

/* What follows the word and one blank, or NULL. */
static const char *after(const char *line, const char *word)
{
    while (*word && *line == *word) {
        line++;
        word++;
    }
    return *word ? NULL : line;
}

static void obey(const char *line)
{
    const char *rest = after(line, "run ");
    uint32_t count = rest ? number(rest) : 0;

    if (count)
        run(count);
    else if (rest)
        say_error("run takes a number from 1 to 1000000");
    else if ((rest = after(line, "id")) && !*rest)
        say_id();
    else if (*line)
        say_error("unknown command, known are: run N, id");
}

int main(void)
{
    char line[LINE_BYTES];
    uint32_t len = 0;

    board_init();
    model_wrong = network_read(&net, model_bytes, model_size);
    say_id();
    for (;;) {
        int byte = board_read();
        if (byte < 0) {
            board_idle();
        } else if (byte == '\n' || byte == '\r') {
            line[len < LINE_BYTES ? len : 0] = 0;
            if (len < LINE_BYTES)
                obey(line);
            else
                say_error("the line is too long");
            len = 0;
        } else if (len < LINE_BYTES) {
            line[len] = (char)byte;
            len++;
        }
    }
}
