#include "worker/lab/v3pwr_dialect.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PROMPT_WORD_MAX = 16 };
static const double argument_apart = 0.0043; /* decades: 1 % */

const double meter_rates_hz[16] = {1e5, 5e4, 2e4, 1e4, 5e3, 2e3, 1e3, 500,
                                   200, 100, 50,  20,  10,  5,   2,   1};

#define BOTH   DIALECT_BOTH
#define V3PWR  DIALECT_V3PWR
#define LPM01A DIALECT_LPM01A
// clang-format off
enum { IDENTIFY_ROWS = 2 };
static const struct command_row setup_rows[] = {
    /* spellings                                        for     required  ms    tries */
    {{"powershield"},                                   BOTH,   BOTH,     700,  4, .use = USE_IDENTITY},
    {{"version"},                                       BOTH,   0,        700,  2, .use = USE_VERSION},
    {{"power_monitor"},                                 V3PWR,  0,        400,  1},
    {{"status"},                                        BOTH,   0,        1000, 3, .use = USE_STATUS}, /* clears an error */
    {{"htc"},                                           LPM01A, LPM01A,   1500, 3},
    {{"htc"},                                           V3PWR,  0,        400,  1},
    {{"acqmode dyn"},                                   LPM01A, 0,        1500, 2},
    {{"funcmode optim"},                                LPM01A, 0,        1500, 1},
    {{"output current"},                                LPM01A, LPM01A,   1500, 3},
    {{"output current"},                                V3PWR,  0,        600,  1},
    {{"trigsrc %s"},                                    BOTH,   BOTH,     1500, 3, ARGUMENT_TRIGGER},
    {{"trigdelay 0m", "trigdelay 0"},                   BOTH,   0,        600,  1},
    /* first the format: rates above 5 to 20 kHz are refused in ASCII, and that is the default */
    {{"format bin_hexa", "format bin_hex", "format ascii_dec"}, BOTH, BOTH, 1500, 3, .use = USE_FORMAT},
    {{"freq %s", "freq %d"},                            BOTH,   BOTH,     1500, 3, ARGUMENT_RATE},
    {{"acqtime inf", "acqtime 0", "acqtime 100", "acqtime 10"}, BOTH, BOTH, 1500, 3},
    {{"temp degc", "temp degc refresh", "temp refresh pcb"}, BOTH, 0,      300,  1},
    {{"volt %s", "volt vout %s", "volt %d-3"},          BOTH,   BOTH,     6000, 2, ARGUMENT_MILLIVOLTS},
    {{"volt get", "volt vout get"},                     BOTH,   0,        1000, 1, .use = USE_VOLTAGE},
};
static const struct command_row power_on_rows[] = {
    {{"pwr on", "pwr vout on"},                         BOTH,   V3PWR,    2000, 3},
};
static const struct command_row power_off_rows[] = {
    {{"pwr off", "pwr vout off"},                       BOTH,   V3PWR,    2000, 3},
};
static const struct command_row trigger_rows[] = {
    {{"trigsrc %s"},                                    BOTH,   BOTH,     1500, 3, ARGUMENT_TRIGGER},
};
// clang-format on

const struct command_script script_setup = {setup_rows, COUNT(setup_rows)},
                            script_identify = {setup_rows, IDENTIFY_ROWS},
                            script_power_on = {power_on_rows, COUNT(power_on_rows)},
                            script_power_off = {power_off_rows, COUNT(power_off_rows)},
                            script_trigger = {trigger_rows, COUNT(trigger_rows)};

/* Names that an error line may carry; an error that names another command is not ours. */
static const char *const names[] = {
    "powershield", "version", "power_monitor", "htc",      "hrc",       "status",  "acqmode",
    "funcmode",    "output",  "trigsrc",       "freq",     "trigdelay", "format",  "acqtime",
    "volt",        "pwr",     "pwrend",        "start",    "stop",      "targrst", "temp",
    "autotest",    "calib",   "eventsrc",      "currthre", "currthres", "psrst",   "lcd",
    "range",       "echo",    "help",          "apiver",
};

static bool has_word(const char *line, const char *word, size_t len)
{
    for (const char *p = line; (p = strchr(p, word[0])); p++) {
        bool starts = p == line || !(isalnum((unsigned char)p[-1]) || p[-1] == '_');
        if (starts && !strncasecmp(p, word, len) &&
            !(isalnum((unsigned char)p[len]) || p[len] == '_'))
            return true;
    }
    return false;
}

static bool names_another(const char *line, const char *command, size_t len)
{
    if (has_word(line, command, len))
        return false;
    for (size_t i = 0; i < COUNT(names); i++)
        if (has_word(line, names[i], strlen(names[i])))
            return true;
    return false;
}

/* Arguments that exclude each other. */
static const char *const choices[][2] = {
    {"current", "energy"},    {"dyn", "stat"},           {"sw", "hw"}, {"sw", "d7"}, {"on", "off"},
    {"ascii_dec", "bin_hex"}, {"ascii_dec", "bin_hexa"},
};

/* `2m`, `2-3`, `1+3`, `3.3`; letters of a unit may follow. */
static bool number_at(const char *text, double *out)
{
    static const struct {
        char suffix;
        double factor;
    } suffixes[] = {{'u', 1e-6}, {'m', 1e-3}, {'k', 1e3}};
    if (!isdigit((unsigned char)*text))
        return false;
    char *rest;
    double value = strtod(text, &rest);
    if ((*rest == '-' || *rest == '+') && isdigit((unsigned char)rest[1]))
        value *= pow(10, strtod(rest, NULL));
    for (size_t i = 0; i < COUNT(suffixes); i++)
        if (*rest == suffixes[i].suffix)
            value *= suffixes[i].factor;
    *out = value;
    return true;
}

/* Of the argument behind a command's name. */
static bool argument_number(const char *text, const char *name, size_t len, double *out)
{
    const char *p = strcasestr(text, name);
    p = p ? p + len : text;
    for (p += strcspn(p, " "); *p; p += strcspn(p, " ")) {
        p += strspn(p, " ");
        if (number_at(p, out))
            return true;
    }
    return false;
}

/* Does it acknowledge something else than it was told?  Units may be left out: 3300 is 3300m. */
static bool contradicts(const char *line, const char *command)
{
    size_t len = strcspn(command, " ");
    char name[COMMAND_MAX];
    double asked, said;
    snprintf(name, sizeof(name), "%.*s", (int)len, command);
    for (size_t i = 0; i < COUNT(choices); i++)
        for (int k = 0; k < 2; k++) {
            const char *is = choices[i][k], *other = choices[i][!k];
            if (has_word(command + len, is, strlen(is)) && has_word(line, other, strlen(other)) &&
                !has_word(line, is, strlen(is)))
                return true;
        }
    if (!argument_number(command, name, len, &asked) || !argument_number(line, name, len, &said) ||
        !(asked > 0) || !(said > 0))
        return false;
    double apart = fmod(fabs(log10(said / asked)), 3);
    return fmin(apart, 3 - apart) > argument_apart;
}

enum answer answer_classify(const char *line, const char *command)
{
    size_t len = strcspn(command, " ");
    bool ack = !strncmp(line, "ack", 3) && !isalnum((unsigned char)line[3]);
    if (ack && has_word(line, command, len))
        return contradicts(line, command) ? ANSWER_CONTRADICTS : ANSWER_ACK;
    if (ack && !strncmp(command, "powershield", len) && strstr(line, "V3PWR"))
        return ANSWER_ACK;
    if (ack)
        return ANSWER_OTHER;
    bool refused = !strncasecmp(line, "err", 3) || strstr(line, "nknown");
    if (!refused || !strncasecmp(line, "error detail", 12))
        return ANSWER_NONE;
    /* `error: <text>` is the meter's state, free text; only `error <command>` names a command */
    const char *rest = line + strcspn(line, " :");
    return *rest == ' ' && names_another(rest, command, len) ? ANSWER_OTHER : ANSWER_REFUSED;
}

/* "PowerShield > ", "stlp>", "> ": a word at most, then the mark. */
static size_t prompt_length(const char *p)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
    size_t word = strspn(p, letters), blanks = strspn(p + word, " ");
    return word <= PROMPT_WORD_MAX && p[word + blanks] == '>' ? word + blanks + 1 : 0;
}

const char *answer_strip(char *line)
{
    char *p = line + strspn(line, " \t");
    for (size_t prompt; (prompt = prompt_length(p));)
        p += prompt + strspn(p + prompt, " \t");
    size_t len = strlen(p);
    while (len && isspace((unsigned char)p[len - 1]))
        p[--len] = 0;
    return p;
}

/* Whole thousands as `k`: the meters take `100k`, not 1e5. */
static void format_rate(char *text, size_t size, double rate_hz, bool plain)
{
    unsigned rate = (unsigned)lround(rate_hz);
    if (rate >= 1000 && !plain)
        snprintf(text, size, "%uk", rate / 1000);
    else
        snprintf(text, size, "%u", rate);
}

static void format_argument(char *text, size_t size, const struct command_row *row,
                            const struct meter_config *config, enum dialect dialect, bool plain)
{
    const char *edge = dialect == DIALECT_LPM01A ? "d7" : "hw";
    if (row->argument == ARGUMENT_RATE)
        format_rate(text, size, config->rate_hz, plain);
    else if (row->argument == ARGUMENT_MILLIVOLTS)
        snprintf(text, size, "%ld%s", lround(config->volts_v * 1000), plain ? "" : "m");
    else if (row->argument == ARGUMENT_TRIGGER)
        snprintf(text, size, "%s", config->hardware_trigger ? edge : "sw");
}

void command_format(char out_text[static COMMAND_MAX], const struct command_row *row, int spelling,
                    const struct meter_config *config, enum dialect dialect)
{
    const char *text = row->spellings[spelling], *hole = strchr(text, '%');
    if (!hole || row->argument == ARGUMENT_NONE) { /* also what a caller says */
        snprintf(out_text, COMMAND_MAX, "%s", text);
        return;
    }
    char argument[32] = "";
    format_argument(argument, sizeof(argument), row, config, dialect, hole[1] == 'd');
    snprintf(out_text, COMMAND_MAX, "%.*s%s%s", (int)(hole - text), text, argument, hole + 2);
}

void answer_identity(const char *line, struct meter_info *info, enum dialect *out_dialect)
{
    bool v3 = strstr(line, "V3PWR");
    const char *serial = strrchr(line, ' ');
    *out_dialect = v3 ? DIALECT_V3PWR : DIALECT_LPM01A;
    snprintf(info->model, sizeof(info->model), "%s", v3 ? "STLINK-V3PWR" : "X-NUCLEO-LPM01A");
    snprintf(info->serial, sizeof(info->serial), "%.60s", serial ? serial + 1 : "");
    if (strstr(info->serial, "V3PWR") || !strcmp(info->serial, "powershield"))
        info->serial[0] = 0;
    info->gain_rel = (v3 ? 0.005 : 0.02) / sqrt(3);
    info->range_max_a = v3 ? 0.55 : 0.08;
}

bool answer_volts(const char *line, double *out_v)
{
    const char *last = strrchr(line, ' ');
    char *rest;
    double value = strtod(last ? last + 1 : line, &rest);
    if (!last || rest == last + 1 || !(value > 0))
        return false;
    double volts = value;
    if ((*rest == '-' || *rest == '+') && isdigit((unsigned char)rest[1]))
        volts = value * pow(10, strtod(rest, NULL));
    else if (!strcasecmp(rest, "mv") || !strcmp(rest, "m") || (!*rest && value >= 100))
        volts = value / 1000;
    else if (*rest && strcasecmp(rest, "v") != 0)
        return false;
    if (volts < 0.1 || volts > 20)
        return false;
    *out_v = volts;
    return true;
}

bool answer_temperature(const char *line, double *out_c)
{
    const char *p = strcasestr(line, "temp");
    bool ours = p == line || (p && !strncmp(line, "ack ", 4));
    for (p = ours ? p + strcspn(p, " :") : ""; *p; p += strcspn(p, " :")) {
        p += strspn(p, " :");
        char *rest;
        double value = strtod(p, &rest);
        if (rest == p || !(isdigit((unsigned char)*p) || *p == '-' || *p == '+'))
            continue;
        double celsius = strcasestr(line, "degf") ? (value - 32) / 1.8 : value;
        if (celsius < -60 || celsius > 150)
            return false;
        *out_c = celsius;
        return true;
    }
    return false;
}

bool meter_parse_rate(const char *text, double *out_hz)
{
    char *rest;
    double value = strtod(text, &rest);
    if (rest == text)
        return false;
    if (*rest == 'k' || *rest == 'K') {
        value *= 1000;
        rest++;
    }
    if (*rest && strcasecmp(rest, "hz") != 0)
        return false;
    for (size_t i = 0; i < COUNT(meter_rates_hz); i++)
        if (fabs(value - meter_rates_hz[i]) < 1e-6) {
            *out_hz = meter_rates_hz[i];
            return true;
        }
    return false;
}
