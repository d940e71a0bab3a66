/* What a tool's words say: whether it proved itself, what went wrong, and what a person can do. */
#include <string.h>

#include "worker/lab/board.h"

enum { REMEDY_BYTES = 160 };

/* Looked for in every line; the first row that fits a line is the one.  `hopeless`: the same will
 * happen again however often the board is tried.
 * Source: the tools' own sources and output; power-and-boards, sections 4.2, 4.4. */
// clang-format off
static const struct board_trouble troubles[] = {
    {"LIBUSB_ERROR_ACCESS",          "the agent's account may not open the probe: install the tool's udev rules", true},
    {"Access denied",                "the agent's account may not open the probe: install the tool's udev rules", true},
    {"LIBUSB_ERROR_BUSY",            "another program holds the probe: end it", false},
    {"Resource busy",                "another program holds the probe: end it", false},
    {"DEV_CONNECT_ERR",              "another program holds the probe: end it", false},
    {"LIBUSB_ERROR_TIMEOUT",         "the probe hangs: it needs a USB reset", false},
    {"DEV_USB_COMM_ERR",             "the probe hangs: it needs a USB reset", false},
    {"LIBUSB_ERROR_NO_DEVICE",       "the probe left the bus: look at cable and hub", false},
    {"LIBUSB_ERROR_PIPE",            "the probe left the bus: look at cable and hub", false},
    {"Error: open failed",           "no probe of that serial number is plugged in: compare `board.serial` with `lsusb -v -d 0483:`", false},
    {"Couldn't find any ST-Link",    "no probe of that serial number is plugged in: compare `board.serial` with `lsusb -v -d 0483:`", false},
    {"No connected debug probe",     "no probe of that serial number is plugged in: compare `board.serial` with `lsusb -v -d 0483:`", false},
    {"No debug probe detected",      "no probe of that serial number is plugged in: compare `board.serial` with `lsusb -v -d 0483:`", false},
    {"Can't find target/",           "this OpenOCD does not know the chip: take a newer one, or STM32_Programmer_CLI", true},
    {"Can't find interface/",        "this OpenOCD has not the ST-LINK's configuration: is it installed completely?", true},
    {"Cannot identify target",       "this OpenOCD does not know the chip (0.12 no STM32U5A5): take a newer one, or STM32_Programmer_CLI", true},
    {"unknown chip id",              "this st-flash does not know the chip (1.7 no STM32U5): take 1.8 or another back-end", true},
    {"not recognized",               "pyOCD does not know the chip: install its pack (`pyocd pack install`)", true},
    {"RDP level 1",                  "the chip's read-out protection is on: STM32_Programmer_CLI takes it off and erases the chip", true},
    {"RDP level 2",                  "the chip's read-out protection is on for ever", true},
    {"ead Out Protection",           "the chip's read-out protection is on: STM32_Programmer_CLI takes it off and erases the chip", true},
    {"eadout protection",            "the chip's read-out protection is on: STM32_Programmer_CLI takes it off and erases the chip", true},
    {"is locked",                    "the chip is locked: its option bytes have to be set anew (STM32_Programmer_CLI)", true},
    {"device protected",             "the chip is locked: its option bytes have to be set anew (STM32_Programmer_CLI)", true},
    {"No STM32 target found",        "the probe does not reach the chip: is it powered, the IDD jumper and SWD in place?", false},
    {"init mode failed",             "the probe does not reach the chip: is it powered, the IDD jumper and SWD in place?", false},
    {"may be too low",               "the probe does not reach the chip: is it powered, the IDD jumper and SWD in place?", false},
    {"Failed to enter SWD",          "the probe does not reach the chip: is it powered, the IDD jumper and SWD in place?", false},
    {"Unable to get core ID",        "the probe does not reach the chip: is it powered, the IDD jumper and SWD in place?", false},
    {"No ACK received",              "the probe does not reach the chip: is it powered, the IDD jumper and SWD in place?", false},
};
// clang-format on

static void note_trouble(struct board_verdict *v, const char *line)
{
    for (size_t i = 0; !v->trouble && i < COUNT(troubles); i++)
        if (strstr(line, troubles[i].text))
            v->trouble = &troubles[i];
}

void board_verdict_line(struct board_verdict *v, const char *line)
{
    note_trouble(v, line);
    for (size_t i = 0; i < BACKEND_TEXTS_MAX; i++) {
        const char *proof = v->backend->proof[i], *failure = v->backend->failure[i];
        v->proven[i] |= proof && strstr(line, proof);
        if (failure && !v->complaint[0] && strstr(line, failure)) {
            size_t len = strnlen(line, sizeof(v->complaint) - 1);
            memcpy(v->complaint, line, len);
            v->complaint[len] = 0;
        }
    }
}

/* " (remedy)", or nothing. */
static const char *remedy(const struct board_verdict *v, char out[static REMEDY_BYTES])
{
    out[0] = 0;
    if (v->trouble)
        snprintf(out, REMEDY_BYTES, " (%s)", v->trouble->advice);
    return out;
}

enum err_code board_verdict(const struct board_verdict *v, const struct step_exit *how,
                            struct err *e)
{
    const char *name = v->backend->name, *last = how->last[0] ? how->last : "nothing";
    char advice[REMEDY_BYTES];
    if (how->cancelled)
        return err_set(e, CANCELLED, "flashing was cancelled");
    if (how->timed_out)
        return err_set(e, TIMEOUT, "%s did not end in time; its last words: %.160s%s", name, last,
                       remedy(v, advice));
    if (how->signal)
        return err_set(e, IO, "%s was ended by signal %d%s", name, how->signal, remedy(v, advice));
    if (v->complaint[0])
        return err_set(e, IO, "%s (status %d): %.200s%s", name, how->status, v->complaint,
                       remedy(v, advice));
    if (how->status)
        return err_set(e, IO, "%s ended with status %d; its last words: %.160s%s", name,
                       how->status, last, remedy(v, advice));
    for (size_t i = 0; i < BACKEND_TEXTS_MAX; i++)
        if (v->backend->proof[i] && !v->proven[i])
            return err_set(e, IO,
                           "%s ended with status 0 but never said `%s`; its last words: %.160s%s",
                           name, v->backend->proof[i], last, remedy(v, advice));
    return ERR_OK;
}

/* "V", a digit, "J", digits, then whatever of M, B, S comes with digits. */
bool board_probe_version(const char *line, char *out, size_t size)
{
    static const char digits[] = "0123456789";

    for (const char *v = strchr(line, 'V'); v; v = strchr(v + 1, 'V')) {
        size_t major = strspn(v + 1, digits), len = 1 + major;
        if (!major || major > 2 || v[len] != 'J' || !strspn(v + len + 1, digits))
            continue;
        for (len++; v[len] && (strchr(digits, v[len]) || strchr("MBS", v[len]));)
            len++;
        snprintf(out, size, "%.*s", (int)len, v);
        return true;
    }
    return false;
}
