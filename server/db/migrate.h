/* Brings the schema up to date.  Every migration is one transaction, recorded with its SHA-256; an
 * applied one whose text has changed is refused.  Servers that start together wait for each other
 * on an advisory lock. Errors: DB; CONFLICT when the schema is newer than this program or an old
 * migration was changed. */
#pragma once
#include "server/work.h"

MUST_CHECK enum err_code migrate(struct work *w, int *out_applied);
