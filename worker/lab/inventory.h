/* What an agent is made of, as it tells the server: each bench with its board and its meter, the
 * devices that its configuration declares, and the probes and meters that are plugged in and
 * belong to none of them.
 *
 *   devices:
 *     - name: climate-1
 *       type: chamber                    # any word
 *       target: t40                      # optional, as all below
 *       capabilities: [heat, cool]
 *       labels: {room: lab-2}
 *       location: shelf 3
 *       firmware: {controller: "1.4"}
 *       bench: bench-1                   # it is a part of that bench: they are leased together
 *       capacity: 2                      # leases at the same time
 *       usb: 066EFF...                   # its serial number: it is there while that is plugged in
 *   discover: true                       # false: what nobody declared is not told
 *
 * Thread: the loop thread.  Borrows: the lab and the configuration. */
#pragma once
#include <jansson.h>

#include "shared/base/err.h"
#include "worker/lab/usb.h"

struct lab;
struct roll_call;

struct inventory {
    const struct lab *lab;
    const struct roll_call *roll_call; /* NULL: nobody is asked */
    const json_t *declared;            /* the list above; NULL: none */
    const char *sysfs;                 /* NULL: the usual folder */
    bool discover;

    /* Its own: what was plugged in when it was looked last. */
    struct usb_device *plugged;
    size_t plugged_count;
    int64_t looked_us;
};

/* ERR_INVALID names the device, the member and what was expected. */
MUST_CHECK enum err_code inventory_check(const json_t *benches, const json_t *declared,
                                         struct err *e);

/* As the agent protocol's `devices`.  `free` is whether the device works; who uses it is for the
 * server to know.  New reference. */
json_t *inventory_devices(struct inventory *i);
void inventory_close(struct inventory *i);
