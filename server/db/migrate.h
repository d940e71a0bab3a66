/* Brings the schema up to date, or only looks whether it is
 * (PREFECT_SERVER_DATABASE_MIGRATE_ON_START is off).  Every migration is one transaction, recorded
 * with its SHA-256; an applied one whose text has changed is refused.  Servers that start together
 * wait for each other on an advisory lock. Errors: DB; CONFLICT when the schema is newer than this
 * program, an old migration was changed, or one is missing and not to be applied. */
#pragma once
#include "server/work.h"

MUST_CHECK enum err_code migrate(struct work *w, int *out_applied);
