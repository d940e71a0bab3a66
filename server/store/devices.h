/* Devices of agents, the people who hold them, and what a waiting run waits for.
 *
 * A hold keeps a device from the claims of runs until it is released or its time is over.  A lease
 * is a claim: its token fences whoever drives the device (docs/agent-protocol.md).
 * Errors: NOT_FOUND, CONFLICT (held by somebody else; several agents have such a device). */
#pragma once
#include "server/db/db.h"
#include "server/model/agent.h"
#include "server/model/run_why.h"

MUST_CHECK enum err_code device_hold(struct work *w, const char *name,
                                     const struct device_hold *in);
/* agent NULL: whichever has it. */
MUST_CHECK enum err_code device_release(struct work *w, const char *name, const char *agent);
/* JSON array, as GET /switchyard/devices answers it. */
MUST_CHECK enum err_code devices_list(struct work *w, struct rows *out);
MUST_CHECK enum err_code run_placement(struct work *w, struct uuid run, struct run_placement *out);
