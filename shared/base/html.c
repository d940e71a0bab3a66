#include "shared/base/html.h"

#include <string.h>

void html_text(struct buf *b, const char *text)
{
    static const char *const codes[] = {
        ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;", ['\''] = "&#39;"};

    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        const char *code = c < COUNT(codes) ? codes[c] : NULL;
        buf_add(b, code ? code : text, code ? strlen(code) : 1);
    }
}
