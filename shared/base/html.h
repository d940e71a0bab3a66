/* Text into HTML, safely. */
#pragma once
#include "shared/base/buf.h"

/* Escaped for text and for quoted attributes. */
void html_text(struct buf *b, const char *text);
