#include "server/http/unescape.h"

#include <ctype.h>
#include <stdlib.h>

char *unescape(struct arena *a, const char *text, size_t len, bool plus)
{
    char *out = arena_array(a, char, len + 1), *p = out;

    for (size_t i = 0; i < len; i++) {
        if (text[i] == '%' && i + 2 <= len - 1 && isxdigit((unsigned char)text[i + 1]) &&
            isxdigit((unsigned char)text[i + 2])) {
            *p++ = (char)strtol((char[]){text[i + 1], text[i + 2], '\0'}, NULL, 16);
            i += 2;
        } else {
            *p++ = (char)(plus && text[i] == '+' ? ' ' : text[i]);
        }
    }
    *p = '\0';
    return out;
}
