/* The benches of an agent: a board and the meter that feeds it, handed out to one run at a time.
 *
 * An emulated bench is a child process `switchyard-benchsim --dir DIR --machine TARGET`, started
 * with the lab and again whenever it ends.  It keeps the ports DIR/meter and DIR/uart and runs
 * DIR/flash.elf while the meter's supply is on.
 *
 *   DOWN ──both ports are there──> READY ──child ended──> DOWN (again after 0.2 .. 10 s)
 *
 * A bench that is not emulated is READY as long as both of its ports exist.
 *
 * Owns:   its children; they end with it.
 * Thread: the loop thread. */
#pragma once
#include <jansson.h>
#include <uv.h>

#include "shared/base/err.h"

struct lab;

enum bench_status { BENCH_DOWN, BENCH_READY };

/* Rungs of the recovery ladder, see recovery.h. */
enum rung {
    RUNG_RETRY,
    RUNG_POWER_CYCLE,
    RUNG_USB_RESET,
    RUNG_HUB_CYCLE,
    RUNG_QUARANTINE,
    RUNG_COUNT
};

struct bench {
    const char *name, *target;
    const char *backend;           /* how the board is flashed: a row of board.c */
    const char *board_serial;      /* of the board's probe; "" when it has none */
    const char *volume;            /* mount point of the probe's volume; "" : found by its serial */
    const char *uart;              /* path of the board's serial port */
    const char *meter_driver;      /* "v3pwr" */
    const char *meter_port;        /* path of the meter's serial port */
    const char *dir;               /* absolute; of an emulated bench, else NULL */
    const char *hooks[RUNG_COUNT]; /* commands that replace a rung; NULL: the agent's own way */
    const char *location;          /* "" : not told */
    const json_t *labels, *capabilities; /* NULL: none; kept by the lab */
    bool emulated;
    enum bench_status status;
};

/* Over all starts of the agent, see lab_keep_health(); without it since the agent started. */
struct bench_health {
    unsigned flashes, failures, rungs[RUNG_COUNT];
    bool quarantined; /* handed to nobody until it is returned */
    bool supplied;    /* maybe */
    char reason[200];
    /* As the devices themselves said when they were used last; "" : not yet. */
    char probe_version[48], meter_version[48], meter_serial[64];
};

/* A place in the line for a bench.  Embedded by the one who waits; unused when zeroed. */
struct bench_ticket {
    const char *name;                             /* of the bench, or NULL: any of the target */
    const char *target;                           /* or NULL: any */
    void (*granted)(struct bench_ticket *ticket); /* called once, never from within lab_wait() */
    void *owner;
    const struct bench *bench; /* set while it is held */
    struct bench_ticket *next;
    bool waiting;
};

/* `config` is the member `benches` of the agent's configuration:
 *
 *   benches:
 *     - name: bench-1
 *       target: netduinoplus2
 *       emulated: true                  # then `board` and `meter` may be left out
 *       board: {backend: qemu, serial: SIM001, uart: /dev/serial/by-id/...}
 *       meter: {driver: v3pwr, port: /dev/serial/by-id/...}
 *
 * NULL or an empty list is a lab without benches.  Emulated ones live in DATA_DIR/benches/NAME.
 * `simulator` NULL: switchyard-benchsim next to this program, else in PATH.
 * Errors: ERR_INVALID names the bench and the member; ERR_IO. */
MUST_CHECK enum err_code lab_open(struct lab **out, uv_loop_t *loop, const json_t *config,
                                  const char *data_dir, const char *simulator, struct err *e);

/* Ends the children; `closed` is called when all are gone and the lab is freed.  Nobody may wait or
 * hold. */
void lab_close(struct lab *lab, void (*closed)(void *ctx), void *ctx);

size_t lab_count(const struct lab *lab);
const struct bench *lab_at(const struct lab *lab, size_t index);
const struct bench *lab_find(const struct lab *lab, const char *name); /* NULL: there is none */
/* The bench of that name, or the one that has a part of that name.  Parts are BENCH.board and
 * BENCH.meter. */
const struct bench *lab_find_device(const struct lab *lab, const char *name);
void bench_part_name(const struct bench *bench, const char *part, char *out, size_t size);

/* First come, first served among the tickets that a bench fits; only READY benches are given.
 * Errors: ERR_NOT_FOUND: no bench can ever fit. */
MUST_CHECK enum err_code lab_wait(struct lab *lab, struct bench_ticket *ticket, struct err *e);

/* Gives the bench back or leaves the line; harmless otherwise. */
void lab_leave(struct lab *lab, struct bench_ticket *ticket);

/* What a step has seen of a bench; RUNG_QUARANTINE takes it out, with the reason. */
void lab_note_flash(struct lab *lab, const struct bench *bench, bool good);
void lab_note_rung(struct lab *lab, const struct bench *bench, enum rung rung, const char *reason);
void lab_note_meter(struct lab *lab, const struct bench *bench, const char *serial,
                    const char *version);
/* Whether its board may have supply: since a step drives the bench, until one has cut it. */
void lab_note_supply(struct lab *lab, const struct bench *bench, bool on);
void lab_note_probe(struct lab *lab, const struct bench *bench, const char *version);
void lab_return(struct lab *lab, const struct bench *bench); /* out of quarantine */
/* The file that the above outlive the agent in; what it says is taken over.  Best effort: one that
 * cannot be read or written is logged. */
void lab_keep_health(struct lab *lab, const char *path);
const char *lab_health_path(const struct lab *lab); /* NULL: nowhere */
void lab_set_health_path(struct lab *lab, const char *path);
/* NULL: not of this lab. */
struct bench_health *lab_health(const struct lab *lab, const struct bench *bench);
json_t *bench_health_json(const struct bench_health *health);
void lab_changed(struct lab *lab); /* who waits is looked at anew */

/* The newest lease of it that a run was given: older ones do not drive it any more. */
void lab_leased(struct lab *lab, const struct bench *bench, int64_t token);
int64_t lab_token(const struct lab *lab, const struct bench *bench);

/* The bench that a step drives: of the device that its `device` names, else of `bench`, else of the
 * only one.  The run must have all of it: the bench, or its board and its meter.
 * Errors: INVALID: the run has not got it; NOT_FOUND: this agent has not that one; CONFLICT as the
 * next. */
struct step_call;
struct step_run;
MUST_CHECK enum err_code bench_of(struct step_call *call, const struct bench **out);
/* Asked before each thing that is done to the bench.  CONFLICT: the lease is over, or another has
 * it. */
MUST_CHECK enum err_code bench_may_drive(const struct step_run *run, const struct bench *bench,
                                         struct err *e);
struct lease;
MUST_CHECK enum err_code bench_may_drive_under(const struct lease *lease, const struct lab *lab,
                                               const struct bench *bench, struct err *e);
/* `device` in the table of such a step. */
#define BENCH_PARAM                                                                                \
    {                                                                                              \
        "device", FLOW_STRING, false, NULL,                                                        \
            "which of the flow's `devices`; default: `bench`, or the only one"                     \
    }
