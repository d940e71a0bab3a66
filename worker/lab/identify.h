/* Asks a bench who it is, while nobody uses it: the version that its probe gives in DETAILS.TXT on
 * its volume, then serial number and version of its meter.  A meter that is sending belongs to
 * somebody: it is left alone.
 *
 * Thread: the loop's; the volume is read on another. */
#pragma once
#include <uv.h>

#include "worker/lab/bench.h"

struct identity {
    char probe_version[48], meter_serial[64], meter_version[48]; /* "" : not told */
};

struct identify;
/* `done` is called once, from the loop; then the object is gone.  NULL: out of memory. */
struct identify *identify_start(uv_loop_t *loop, const struct bench *bench,
                                void (*done)(void *ctx, const struct identity *found), void *ctx);
/* Without `done`.  NULL is accepted. */
void identify_stop(struct identify *i);

/* "Version: 0221" of an ST-LINK, "Interface Version: 0255" of DAPLink; false: the folder has no
 * DETAILS.TXT that says so. */
bool identify_details(const char *volume, char *out, size_t size);
