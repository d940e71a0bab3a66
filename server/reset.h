/* `switchyard-server database reset`: everything goes, also below a running server. */
#pragma once
#include "server/db/db.h"
#include "server/server.h"

/* Empties the database and installs the block types again; with `files`, also that folder. */
MUST_CHECK enum err_code reset_database(struct work *w, const char *files, struct err *e);

/* News from whoever reset the database: the sockets of this server end; what it keeps in memory is
 * read again by the other handlers of news. */
void reset_heard(struct server *server, const char *rest);
