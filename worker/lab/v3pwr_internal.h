/* What the parts of the driver share: v3pwr.c (states, interface), v3pwr_command.c (scripts) and
 * v3pwr_acquire.c (the acquisition).  The picture of the states is in v3pwr.c. */
#pragma once
#include "worker/io/uv_serial.h"
#include "worker/lab/v3pwr_dialect.h"

enum state { DRAINING, COMMAND, READY, STARTING, STREAMING, STOPPING, FAULTED, ASKING, FAILED };

enum {
    BAUD = 921600,
    QUIET_MS = 60,
    IDLE_MS = 500, /* nobody measures with it */
    DRAIN_LIMIT_MS = 6000,
    DETAIL_MS = 80,
    CLEAR_MS = 300,
    LATE_FEW = 3,
    FOREIGN_MS = 400,
    SLOW_FOREIGN_MS = 1600, /* `volt` calibrates for 1.3 s */
    START_MS = 5000,
    STALL_MS = 4000,
    LAG_MAX_MS = 3000,
    STAMP_MS = 3000,
    END_QUIET_MS = 150,
    STOP_QUIET_MS = 2000,
    STOP_AGAIN_MS = 1500,
    STOP_LIMIT_MS = 6000,
    FAULT_MS = 250,
    ASK_MS = 700,
    BLOCKS_WITHOUT_STAMP = 5,
    ASCII_RATE_MAX_HZ = 20000, /* a meter that carries less refuses the rate */
};

struct meter {
    enum state state;
    uv_timer_t timer;
    struct uv_serial *serial;
    struct meter_config config;
    char port[256];
    struct meter_listener listener;
    struct meter_info info;
    enum dialect dialect;
    struct command_script script;
    struct command_row caller_row; /* of meter_ops.command */
    char caller_text[COMMAND_MAX];
    size_t row;
    int spelling, attempt;
    int owed;        /* commands sent whose answers have not come */
    uint64_t row_ms; /* when the row was sent first */
    uint64_t lag_ms; /* how long recent answers took: time-outs grow with it */
    char command[COMMAND_MAX];
    char refusal[ANSWER_MAX]; /* of the running command; its detail follows in lines of its own */
    char first_refusal[ANSWER_MAX + COMMAND_MAX];
    bool refused, clearing; /* `status` is to be read; is read now */
    int late;               /* answers to other commands, of this script */
    bool contradicted;      /* the refusal acknowledges another argument */
    char foreign[80];       /* the last answer to another command */
    char answer[ANSWER_MAX];
    char line[ANSWER_MAX];
    size_t line_len;
    uint64_t since_ms; /* when the state was entered */
    bool announced, ended, asked, overcurrent, closing;
    bool set_up_again;  /* once per meter */
    bool start_pending; /* `start` follows the set-up */
    uint64_t stop_ms;   /* when `stop` was sent last */
    char fault[300];
    struct v3pwr_stream stream;
    struct err err;
};

struct state_row {
    const char *name;
    void (*bytes)(struct meter *m, const uint8_t *bytes, size_t len);
    void (*timeout)(struct meter *m);
};

extern const struct state_row meter_states[FAILED + 1];

/* The only place where the state changes; 0: no time-out. */
void meter_enter(struct meter *m, enum state state, uint64_t timeout_ms);
void meter_set_timer(struct meter *m, uint64_t timeout_ms);
uint64_t meter_in_state_ms(const struct meter *m);
void meter_tell(struct meter *m, const struct meter_news *news);
void meter_warn(struct meter *m, const char *fmt, ...) PRINTF_LIKE(2, 3);
void meter_fail(struct meter *m, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);
bool meter_send(struct meter *m, const char *command);
void meter_ready(struct meter *m);
/* After `stop`: an acquisition of an earlier program, too slow to be noticed as noise, forbids most
 * commands. */
void meter_set_up_again(struct meter *m);
/* In front of m->foreign, for the text of a failure. */
const char *meter_foreign_text(const struct meter *m);
/* Calls `take` for each line; what is behind the line after which the state changed is not used. */
size_t meter_each_line(struct meter *m, const uint8_t *bytes, size_t len,
                       void (*take)(struct meter *m, const char *line));

/* v3pwr_command.c */
void meter_run_script(struct meter *m, struct command_script script);
void meter_command_bytes(struct meter *m, const uint8_t *bytes, size_t len);
void meter_command_timeout(struct meter *m);

/* The rows of v3pwr_acquire.c. */
void acquire_begin(struct meter *m);
void acquire_start_bytes(struct meter *m, const uint8_t *bytes, size_t len);
void acquire_start_timeout(struct meter *m);
void acquire_stream_bytes(struct meter *m, const uint8_t *bytes, size_t len);
void acquire_stream_timeout(struct meter *m);
void acquire_send_stop(struct meter *m);
void acquire_stop_bytes(struct meter *m, const uint8_t *bytes, size_t len);
void acquire_stop_timeout(struct meter *m);
void acquire_feed(struct meter *m, const uint8_t *bytes, size_t len);
void acquire_fault_timeout(struct meter *m);
void acquire_ask_bytes(struct meter *m, const uint8_t *bytes, size_t len);
void acquire_say_fault(struct meter *m);
