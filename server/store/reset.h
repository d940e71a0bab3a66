/* Empties the database: every table but the record of migrations, in one transaction.  Servers that
 * run on it are told after the commit ("reset" and "hello", see news.h). */
#pragma once
#include "server/db/db.h"

/* Waits a few seconds for running transactions.  DB when they do not end. */
MUST_CHECK enum err_code reset_tables(struct work *w);
