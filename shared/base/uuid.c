#include "shared/base/uuid.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "shared/base/clock.h"

static void fill_random(void *bytes, size_t len)
{
    if (getrandom(bytes, len, 0) != (ssize_t)len)
        abort(); /* 16 bytes never come short, see getrandom(2) */
}

static void stamp(struct uuid *id, uint8_t version)
{
    id->bytes[6] = (uint8_t)((id->bytes[6] & 0x0f) | (version << 4));
    id->bytes[8] = (uint8_t)((id->bytes[8] & 0x3f) | 0x80);
}

struct uuid uuid_v4(void)
{
    struct uuid id;
    fill_random(id.bytes, sizeof(id.bytes));
    stamp(&id, 4);
    return id;
}

/* The 12 bits after the version count within one millisecond (RFC 9562, 6.2, method 1), so that ids
 * made by one process sort in the order in which they were made. */
struct uuid uuid_v7(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static int64_t last_ms;
    static uint16_t counter;
    struct uuid id;

    fill_random(id.bytes + 8, 8);
    pthread_mutex_lock(&lock);
    int64_t now_ms = clock_now_us() / 1000;
    if (now_ms > last_ms) {
        last_ms = now_ms;
        counter = 0;
    } else if (++counter > 0xfff) {
        last_ms++; /* borrow from the future rather than wait */
        counter = 0;
    }
    uint64_t ms = (uint64_t)last_ms;
    uint16_t count = counter;
    pthread_mutex_unlock(&lock);

    for (int i = 0; i < 6; i++)
        id.bytes[i] = (uint8_t)(ms >> (8 * (5 - i)));
    id.bytes[6] = (uint8_t)(count >> 8);
    id.bytes[7] = (uint8_t)count;
    stamp(&id, 7);
    return id;
}

void uuid_format(struct uuid id, char out_text[static UUID_TEXT_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    char *p = out_text;

    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *p++ = '-';
        *p++ = digits[id.bytes[i] >> 4];
        *p++ = digits[id.bytes[i] & 15];
    }
    *p = '\0';
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool uuid_parse(const char *text, size_t len, struct uuid *out)
{
    struct uuid id;
    size_t at = 0;

    if (len != 36 && len != 32)
        return false;
    for (int i = 0; i < 16; i++) {
        if (len == 36 && (i == 4 || i == 6 || i == 8 || i == 10) && text[at++] != '-')
            return false;
        int high = hex_value(text[at]), low = hex_value(text[at + 1]);
        if (high < 0 || low < 0)
            return false;
        id.bytes[i] = (uint8_t)(high << 4 | low);
        at += 2;
    }
    *out = id;
    return true;
}
