#include "shared/base/utf8.h"

#include "shared/base/base.h"

/* Length of the valid UTF-8 sequence at s, 0 if there is none.  Source: RFC 3629, section 4. */
static int utf8_len(const unsigned char *s)
{
    static const struct {
        unsigned char from, to, second_from, second_to;
        int len;
    } rows[] = {
        {0x20, 0x7e, 0, 0, 1},       {'\t', '\t', 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2},
        {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3},
        {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
        {0xf4, 0xf4, 0x80, 0x8f, 4}, {'\n', '\n', 0, 0, 1},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (s[0] < rows[i].from || s[0] > rows[i].to)
            continue;
        if (rows[i].len > 1 && (s[1] < rows[i].second_from || s[1] > rows[i].second_to))
            return 0;
        for (int k = 2; k < rows[i].len; k++)
            if ((s[k] & 0xc0) != 0x80)
                return 0;
        return rows[i].len;
    }
    return 0;
}

void text_clean(char *text)
{
    for (unsigned char *s = (unsigned char *)text; *s;) {
        int len = utf8_len(s);
        if (!len)
            *s = '?';
        s += len ? len : 1;
    }
}
