#include "worker/lab/firmware_size.h"

#include <stdlib.h>
#include <string.h>

/* A decimal number without sign, at most 15 digits; -1 when there is none. */
static int64_t number(const char *text, const char **out_end)
{
    int64_t n = 0;
    size_t digits = strspn(text, "0123456789");

    *out_end = text + digits;
    if (!digits || digits > 15)
        return -1;
    for (size_t i = 0; i < digits; i++)
        n = n * 10 + (text[i] - '0');
    return n;
}

/* "   text    data     bss     dec     hex filename" and then one row. */
static void read_table(struct firmware_size *size, const char *line)
{
    int64_t columns[3]; /* text, data, bss */

    if (!size->table) {
        const char *p = line + strspn(line, " \t");
        size->table = !strncmp(p, "text", 4) && strstr(p, "data") && strstr(p, "bss");
        return;
    }
    size->table = false;
    for (int i = 0; i < 3; i++) {
        columns[i] = number(line + strspn(line, " \t"), &line);
        if (columns[i] < 0)
            return;
    }
    size->flash_bytes = columns[0] + columns[1];
    size->ram_bytes = columns[1] + columns[2];
}

/* "region `FLASH' overflowed by 1234 bytes" */
static void read_overflow(struct firmware_size *size, const char *line)
{
    static const char mark[] = "region `", middle[] = "' overflowed by ";
    const char *name = strstr(line, mark), *end;

    if (!name)
        return;
    name += sizeof(mark) - 1;
    const char *quote = strstr(name, middle);
    if (!quote || (size_t)(quote - name) >= sizeof(size->region))
        return;
    int64_t bytes = number(quote + sizeof(middle) - 1, &end);
    if (bytes <= size->overflow_bytes || strncmp(end, " byte", 5) != 0)
        return;
    size->overflow_bytes = bytes;
    memcpy(size->region, name, (size_t)(quote - name));
    size->region[quote - name] = 0;
}

/* "Total Flash memory (text + data): 1234(+0) bytes" */
static void read_memap(const char *line, const char *mark, int64_t *out)
{
    const char *at = strstr(line, mark), *end;

    if (!at)
        return;
    at += strlen(mark);
    int64_t bytes = number(at + strspn(at, " \t"), &end);
    if (bytes >= 0)
        *out = bytes;
}

void firmware_size_line(struct firmware_size *size, const char *line)
{
    read_table(size, line);
    read_overflow(size, line);
    read_memap(line, "Total Static RAM memory (data + bss):", &size->ram_bytes);
    read_memap(line, "Total Flash memory (text + data):", &size->flash_bytes);
}
