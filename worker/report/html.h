/* Text into HTML, safely.  Private to worker/report. */
#pragma once
#include "shared/base/buf.h"

/* Verbatim; the caller vouches for it. */
void html_put(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Escaped for text and for quoted attributes. */
void html_text(struct buf *b, const char *text);
/* As a data: URL's base64 part. */
void html_base64(struct buf *b, const struct buf *bytes);

extern const char report_style[];
