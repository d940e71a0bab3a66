#include <stdlib.h>
#include <string.h>

#include "shared/json/value.h"

/* Of a UTF-16 unit behind `\u`: the first half of a pair stands for both. */
static size_t unit_len(unsigned unit, bool ascii)
{
    if (unit < 0x80)
        return unit && strchr("\"\\\b\f\n\r\t", (int)unit) ? 2 : unit < 0x20 ? 6 : 1;
    if (ascii)
        return 6;
    if (unit >= 0xd800 && unit < 0xe000)
        return unit < 0xdc00 ? 4 : 0;
    return unit < 0x800 ? 2 : 3;
}

/* Of a byte of UTF-8: the first one stands for all of its character. */
static size_t byte_len(unsigned char byte, bool ascii)
{
    if (byte < 0x80 || !ascii)
        return 1;
    return (byte & 0xc0) == 0x80 ? 0 : byte < 0xf0 ? 6 : 12;
}

/* What is at text[*i] within a string; *i moves behind it. */
static size_t take_character(const char *text, size_t *i, bool ascii)
{
    if (text[*i] != '\\')
        return byte_len((unsigned char)text[(*i)++], ascii);
    char letter = text[*i + 1];
    if (letter != 'u') {
        *i += 2;
        return letter == '/' ? 1 : 2;
    }
    char hex[5] = {0};
    memcpy(hex, text + *i + 2, 4);
    *i += 6;
    return unit_len((unsigned)strtoul(hex, NULL, 16), ascii);
}

size_t raw_compact_len(struct raw json, bool ascii)
{
    size_t len = 0;
    bool quoted = false;

    for (size_t i = 0; i < json.len;) {
        if (json.text[i] == '"') {
            quoted = !quoted;
            len++, i++;
        } else if (quoted) {
            len += take_character(json.text, &i, ascii);
        } else {
            len += !strchr(" \t\r\n", json.text[i++]);
        }
    }
    return len;
}
