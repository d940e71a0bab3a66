/* Recordings in the file store, and their pyramids beside them.
 *
 * The pyramid of the content SHA is the file `SHA.pyramid`: {magic, samples} and its bins.  It is
 * made when a trace is stored, or looked at first, and again when it is not whole. */
#pragma once
#include "server/model/trace.h"
#include "server/work.h"

/* Mapped until the work's arena is reset.  NOT_FOUND: no such content; INVALID: it is no trace. */
MUST_CHECK enum err_code trace_map(struct work *w, const char *sha256, struct recording *out);
/* A content was stored: when it is a trace, its pyramid is made.  Failing costs nothing but time
 * later. */
void trace_stored(struct work *w, const char *sha256);
