/* A schedule as clients send it: one of three objects.  What fits none of them is told about each,
 * as pydantic does for a union.   Thread: any. */
#pragma once
#include "shared/json/decode.h"

/* Reads the member: its text is kept as it is. */
read_fn schedule_check;
