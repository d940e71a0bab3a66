/* `flow run --emulate`: the devices that a flow asks for, as emulated benches of this process.
 *
 *   devices: {left: {target: T}, right: {type: bench, target: T, count: 2}, oven: {type: chamber}}
 *     benches  left, right-1, right-2       devices  {left: {name}, right: [{name}, {name}], oven:
 * {name}}
 *
 * A `board` is that of a bench of its own, a `meter` the one of the first bench that has a board
 * alone; of anything else there is only the name. */
#pragma once
#include <jansson.h>

#include "shared/base/err.h"

/* `wanted` as flow_devices() gives it; `*out_benches` as lab_open() takes it; both are new
 * references.  Errors: INVALID names the device. */
MUST_CHECK enum err_code emulate_devices(const json_t *wanted, json_t **out_benches,
                                         json_t **out_devices, struct err *e);
