/* What a page is made of besides text.  Private to worker/report. */
#pragma once
#include "shared/base/html.h"

/* Verbatim; the caller vouches for it. */
void html_put(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* As a data: URL's base64 part. */
void html_base64(struct buf *b, const struct buf *bytes);

extern const char report_style[];
