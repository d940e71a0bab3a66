/* Limits of task tags: concurrency limits named "tag:..." whose slots task runs hold by leases. */
#pragma once
#include "server/db/db.h"
#include "server/model/tag_limit.h"

MUST_CHECK enum err_code tag_limit_put(struct work *w, const struct tag_limit *in,
                                       struct uuid *out_id, bool *out_created);
/* Rows of tag_limit_resource.  By id, or by tag when that is not NULL; NOT_FOUND otherwise. */
MUST_CHECK enum err_code tag_limit_get(struct work *w, struct uuid id, const char *tag,
                                       struct rows *out);
MUST_CHECK enum err_code tag_limit_delete(struct work *w, struct uuid id, const char *tag);
/* Frees all slots, then gives one to each of `holders`. */
MUST_CHECK enum err_code tag_limit_reset(struct work *w, const char *tag, struct uuids holders);

/* Their names as limits: an array as a parameter. */
const char *tag_limit_names(struct work *w, const struct strings *tags);

/* A slot of each limit, all or nothing; rows: id, tag, slots in all.  LOCKED names the tag that is
 * in the way; *out_never: there will never be a slot. */
MUST_CHECK enum err_code tag_slots_take(struct work *w, const struct tag_slots *in,
                                        struct rows *out, bool *out_never);
/* Rows: id, name with "tag:", slots in all. */
MUST_CHECK enum err_code tag_slots_give_back(struct work *w, const struct tag_slots *in,
                                             struct rows *out);
