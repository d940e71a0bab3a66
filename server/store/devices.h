/* Devices of agents, and the people who hold them.
 *
 * A hold keeps a device from the claims of runs until it is released or its time is over.  A lease
 * is a claim: its token fences whoever drives the device (docs/agent-protocol.md).
 * A device is known by its agent (name or id) and its name; without an agent it is that of the only
 * one that has such a device, or of the only one that is there.
 * Errors: NOT_FOUND, CONFLICT (held by somebody else; several agents have such a device). */
#pragma once
#include "server/db/db.h"
#include "server/model/agent.h"

MUST_CHECK enum err_code device_hold(struct work *w, const char *name,
                                     const struct device_hold *in);
MUST_CHECK enum err_code device_release(struct work *w, const char *name,
                                        const struct device_release *in);
/* The hold goes, and the runs that use it become CANCELLING; what was done to them is for
 * transitions_announce(). */
struct transition_list;
MUST_CHECK enum err_code device_kick(struct work *w, const char *name,
                                     const struct device_release *in, struct transition_list *done);
/* In maintenance no run gets it; a run that uses it goes on. */
MUST_CHECK enum err_code device_maintain(struct work *w, const char *name,
                                         const struct device_maintenance *in);
/* Out of quarantine, by hand: its agent hears of it at its next heartbeat. */
MUST_CHECK enum err_code device_return(struct work *w, const char *name,
                                       const struct device_release *in);
/* JSON object: totals and what befell it, newest first. */
MUST_CHECK enum err_code device_history(struct work *w, const char *name, const char *agent,
                                        struct rows *out);
/* JSON array, as GET /switchyard/devices answers it.  name NULL: all. */
MUST_CHECK enum err_code devices_list(struct work *w, const char *name, struct rows *out);
