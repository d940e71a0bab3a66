/* C values as texts for statements, in the arena of the work. */
#pragma once
#include "server/db/db.h"
#include "shared/json/value.h"

/* NULL for the nil UUID. */
const char *param_uuid(struct work *w, struct uuid id);
/* JSON array of strings; NULL for a null list. */
const char *param_strings(struct work *w, struct strings list);
/* Array literals for `= ANY($1)`. */
const char *param_uuid_array(struct work *w, struct uuids list);
const char *param_text_array(struct work *w, struct strings list);
/* NULL for INT_NONE. */
const char *param_int(struct work *w, int64_t value);
