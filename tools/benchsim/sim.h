/* switchyard-benchsim: a power monitor and the board that it supplies, without hardware.
 *
 *   meter.c    commands and answers of a V3PWR or an LPM01A, state of the acquisition
 *   stream.c   samples, frames, pacing, the meter's transmit buffer
 *   current.c  what the board draws, noise, quantiser, replay of recorded traces
 *   board.c    QEMU, its UART and the firmware's marks
 *   faults.c   what goes wrong, and when
 *   truth.c    truth.json: what really was sent and drawn
 *
 * It shares no code with the worker: what the two agree on is the reference alone.
 * Source: power-and-boards, sections 1, 2, 7.3. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum personality { V3PWR = 1, LPM01A_100 = 2, LPM01A_107 = 4, LPM01A = 6, ANY = 7 };

enum {
    PATH_MAX_BYTES = 512,
    TEXT_MAX = 256,
    TX_BYTES = 1 << 20, /* larger than a real one: this host may be busy with other things */
    REPLIES_MAX = 32,
    FAULTS_MAX = 16,
    ACQUISITIONS_MAX = 16,
    WINDOWS_MAX = 64,
    TRUTH_BLOCKS_MAX = 20000,
    BLOCK_SAMPLES = 1000,
};

/* ---- faults ---- */

struct fault {
    char name[24], when[24];
    double value;
    bool has_value, fired;
    double fired_s;
    uint64_t fired_sample;
};

struct faults {
    struct fault items[FAULTS_MAX];
    size_t count;
};

/* NAME[=VALUE][@WHEN]; WHEN is [ACQUISITION:]SECONDS or a command's name.  NULL, or what is wrong.
 */
const char *fault_parse(struct faults *f, const char *text);
void fault_list(FILE *out);

/* ---- what was true ---- */

struct truth_window {
    uint64_t first, end;
    long n;
    double drawn_c, sent_c;
};

struct truth_run {
    double rate_hz, volts_v;
    uint64_t samples;
    double drawn_c, sent_c;
    struct truth_window windows[WINDOWS_MAX];
    size_t window_count;
    double *blocks_c; /* sent charge up to the end of each 1000 samples */
    size_t block_count;
};

/* ---- the board ---- */

enum board_state { BOARD_OFF, BOARD_BOOTING, BOARD_IDLE, BOARD_INFERRING };

struct sim;

struct board {
    bool present, powered;
    const char *machine;
    char image[PATH_MAX_BYTES];
    pid_t qemu;
    int qemu_fd, uart_fd, uart_slave, inotify_fd;
    enum board_state state;
    uint64_t since_ns;      /* of the state */
    uint64_t uart_until_ns; /* the UART is sending */
    char line[TEXT_MAX];
    size_t line_len, line_sent; /* line_sent: of a line without its end */
    double active_a;
    long window_n;
    uint64_t reboot_at_ns;  /* 0: none planned */
    char held[TEXT_MAX];    /* the end mark, until the emulated time is over */
    uint64_t release_at_ns; /* 0: nothing is held */
};

bool board_open(struct sim *s);
void board_power(struct sim *s, bool on);
void board_brown_out(struct sim *s, uint64_t dark_ns);
void board_from_qemu(struct sim *s);
void board_from_uart(struct sim *s);
void board_image_changed(struct sim *s);
/* The held end mark goes out; the board is idle from then on. */
void board_release(struct sim *s);
void board_tick(struct sim *s);
void board_close(struct sim *s);

/* ---- the current ---- */

struct current {
    uint64_t random;
    double gain, filtered_a;
    float *replay_uj;
    size_t replay_count;
    double replay_rate_hz;
};

bool current_load(struct current *c, const char *folder);
/* Before noise, gain and quantiser: what the board draws at sample k of an acquisition. */
double current_drawn_a(struct sim *s, uint64_t k, uint64_t now_ns);
double current_measured_a(struct sim *s, double drawn_a);
uint16_t quantise(double a);
double quantised_a(uint16_t raw);

/* ---- the meter ---- */

/* ARMED: started, waiting for an edge on the trigger input. */
enum meter_mode { METER_STANDALONE, METER_HOST, METER_ARMED, METER_RUNNING };

struct reply {
    uint64_t at_ns;
    char text[TEXT_MAX];
    bool begins_stream;
};

struct meter {
    enum personality personality;
    enum meter_mode mode;
    int fd, slave;
    char link[PATH_MAX_BYTES];
    bool quiet; /* power_monitor: no prompts */
    double rate_hz, volts_v, acqtime_s;
    bool ascii, power_on, power_auto;
    char error[TEXT_MAX]; /* until read by `status` */
    char line[TEXT_MAX];
    size_t line_len;
    struct reply replies[REPLIES_MAX];
    size_t reply_count;
    char shifted[TEXT_MAX];
    uint64_t replug_at_ns, deaf_until_ns; /* it starts up */
    bool hardware_trigger;
    double trigger_delay_s;
    uint64_t edge_at_ns; /* 0: it has not come yet */
    /* the acquisition */
    uint64_t samples, in_block, origin_ns;
    uint32_t clock_base_ms;
    int run; /* 1 is the first */
    double min_a, max_a;
    double block_clock_ms;
    uint8_t tx[TX_BYTES];
    size_t tx_len;
    uint32_t tx_pct_forced;
    bool zero, stuck;
    uint16_t stuck_raw;
};

bool meter_open(struct sim *s);
void meter_input(struct sim *s);
void meter_tick(struct sim *s, uint64_t now_ns);
/* The board raises the pin at the begin of a window. */
void meter_edge(struct sim *s, uint64_t now_ns);
void meter_unplug(struct sim *s, double for_s);
/* Behind all that waits to be said, a few bytes at a time. */
void meter_say_slowly(struct sim *s, const char *text);
void meter_close(struct sim *s);

void stream_begin(struct sim *s, uint64_t now_ns);
void stream_advance(struct sim *s, uint64_t now_ns);
void stream_end(struct sim *s, const char *why);
void stream_flush(struct sim *s);
void stream_put(struct sim *s, const void *bytes, size_t len);
/* The fault fires now: by name, in this acquisition, at this sample. */
struct fault *stream_fault(struct sim *s, const char *name);

struct sim {
    char dir[PATH_MAX_BYTES];
    struct meter meter;
    struct board board;
    struct current current;
    struct faults faults;
    struct truth_run runs[ACQUISITIONS_MAX];
    size_t run_count;
    double speed;
};

uint64_t now_ns(void);
/* A pty in raw mode; the slave stays open so that readers may come and go. */
bool pty_open(int *out_master, int *out_slave, const char *link);
struct truth_run *truth_run(struct sim *s);
void truth_write(struct sim *s);
/* A command fault armed for this command (or for all of them). */
struct fault *fault_for_command(struct sim *s, const char *name, const char *command);
struct fault *fault_find(struct sim *s, const char *name);
