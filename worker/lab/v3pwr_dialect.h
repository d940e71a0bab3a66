/* What STLINK-V3PWR and X-NUCLEO-LPM01A are told, and how their answers are read.
 *
 * The two differ, and so do their firmware versions; documents disagree.  Each difference is a row
 * here: commands for one of them only, commands that may fail, second spellings.
 *
 * Answers are matched by the command's name, never by position: prompts, service lines and late
 * answers of earlier commands come in between.
 * Thread: any (no state).  Source: power-and-boards, sections 1.1 to 1.3, 2.4. */
#pragma once
#include "worker/lab/meter.h"

enum dialect { DIALECT_V3PWR = 1, DIALECT_LPM01A = 2, DIALECT_BOTH = 3 };

enum command_argument { ARGUMENT_NONE, ARGUMENT_RATE, ARGUMENT_MILLIVOLTS, ARGUMENT_TRIGGER };

enum { COMMAND_MAX = 64, SPELLINGS_MAX = 4, ANSWER_MAX = STREAM_TEXT_MAX };

/* What an answer is good for, besides having come. */
enum answer_use {
    USE_NONE,
    USE_IDENTITY,
    USE_VERSION,
    USE_STATUS,
    USE_FORMAT,
    USE_VOLTAGE,
    USE_CALLER
};

struct command_row {
    /* The next one is tried when one is refused.  `%s` is the argument with its suffix (`10k`,
     * `3300m`), `%d` the same in plain digits (10000, 3300). */
    const char *spellings[SPELLINGS_MAX];
    uint8_t dialects;
    uint8_t required; /* dialects that cannot work without it */
    uint16_t timeout_ms;
    uint8_t attempts;
    enum command_argument argument;
    enum answer_use use;
};

struct command_script {
    const struct command_row *rows;
    size_t count;
};

/* script_identify: the part of the setup that only asks. */
extern const struct command_script script_setup, script_identify, script_power_on, script_power_off,
    script_trigger;

enum answer { ANSWER_NONE, ANSWER_ACK, ANSWER_REFUSED, ANSWER_CONTRADICTS, ANSWER_OTHER };

/* `line` without prompts; ANSWER_OTHER is an answer to another command, ANSWER_CONTRADICTS an
 * acknowledgement of another argument (`ack freq 5k` to `freq 10k`). */
enum answer answer_classify(const char *line, const char *command);
/* Skips prompts, blanks and zeros in place. */
const char *answer_strip(char *line);
void command_format(char out_text[static COMMAND_MAX], const struct command_row *row, int spelling,
                    const struct meter_config *config, enum dialect dialect);
void answer_identity(const char *line, struct meter_info *info, enum dialect *out_dialect);
/* `3300-03`, `3300m`, `3300`, `3.3`; false when it is none of these. */
bool answer_volts(const char *line, double *out_v);
/* `ack temp 27`, `ack temp degc 27`, `temp 31 degC`; false when it is none of these. */
bool answer_temperature(const char *line, double *out_c);
