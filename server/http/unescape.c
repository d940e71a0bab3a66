#include "server/http/unescape.h"

#include <ctype.h>
#include <stdlib.h>

/* A NUL would end the text before its time: `%00` is no escape. */
static bool is_escape(const char *text, size_t len)
{
    return len > 2 && text[0] == '%' && isxdigit((unsigned char)text[1]) &&
           isxdigit((unsigned char)text[2]) && (text[1] != '0' || text[2] != '0');
}

char *unescape(struct arena *a, const char *text, size_t len, bool plus)
{
    char *out = arena_array(a, char, len + 1), *p = out;

    for (size_t i = 0; i < len; i++) {
        if (is_escape(text + i, len - i)) {
            *p++ = (char)strtol((char[]){text[i + 1], text[i + 2], '\0'}, NULL, 16);
            i += 2;
        } else {
            *p++ = (char)(plus && text[i] == '+' ? ' ' : text[i]);
        }
    }
    *p = '\0';
    return out;
}
