/* Vectors and reset.  A fault stops the board: it falls silent, and the bench sees that. */
#include <stddef.h>
#include <stdint.h>

extern uint32_t stack_top, data_image, data_start, data_end, bss_start, bss_end;

int main(void);
void usart1_handler(void);
void systick_handler(void);
void reset_handler(void);
static void stop(void);

enum { SYSTICK = 15, USART1 = 16 + 37 };

__attribute__((section(".vectors"), used)) static const void *const vectors[16 + 82] = {
    &stack_top,
    reset_handler,
    stop,
    stop,
    stop,
    stop,
    stop,
    [SYSTICK] = systick_handler,
    [USART1] = usart1_handler,
};

static void stop(void)
{
    for (;;)
        __asm volatile("wfi");
}

void reset_handler(void)
{
    uint32_t *from = &data_image;
    for (uint32_t *to = &data_start; to < &data_end;)
        *to++ = *from++;
    for (uint32_t *to = &bss_start; to < &bss_end;)
        *to++ = 0;
    main();
    stop();
}

/* The compiler may call these by itself. */
void *memcpy(void *restrict to, const void *restrict from, size_t count);
void *memset(void *to, int byte, size_t count);

void *memcpy(void *restrict to, const void *restrict from, size_t count)
{
    uint8_t *t = to;
    const uint8_t *f = from;
    while (count--)
        *t++ = *f++;
    return to;
}

void *memset(void *to, int byte, size_t count)
{
    uint8_t *t = to;
    while (count--)
        *t++ = (uint8_t)byte;
    return to;
}
