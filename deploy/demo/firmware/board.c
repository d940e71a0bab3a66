#include "board.h"

#define REG(address) (*(volatile uint32_t *)(address))

#define USART_SR   REG(0x40011000)
#define USART_DR   REG(0x40011004)
#define USART_BRR  REG(0x40011008)
#define USART_CR1  REG(0x4001100C)
#define SYST_CSR   REG(0xE000E010)
#define SYST_RVR   REG(0xE000E014)
#define SYST_CVR   REG(0xE000E018)
#define NVIC_ISER1 REG(0xE000E104)
#define SCB_ICSR   REG(0xE000ED04)

enum {
    SR_RXNE = 1 << 5,
    SR_TXE = 1 << 7,
    CR1_ON = 1 << 13 | 1 << 5 | 1 << 3 | 1 << 2, /* UE, RXNEIE, TE, RE */
    BRR_115200_AT_16_MHZ = 139,
    USART1_IRQ_BIT = 37 - 32,
    SYST_MAX = 0xFFFFFF,
    SYST_ON_EIGHTH = 1 | 1 << 1, /* enabled, interrupt, reference clock = core / 8 */
    ICSR_SYST_PENDING = 1 << 26,
    RING = 256,
};

static volatile uint8_t ring[RING];
static volatile uint32_t ring_in,
    ring_out; /* free-running; lost bytes cost a command, never order */
static volatile uint32_t wraps;

void usart1_handler(void);
void systick_handler(void);

void usart1_handler(void)
{
    if (!(USART_SR & SR_RXNE))
        return;
    uint8_t byte = (uint8_t)USART_DR;
    if (ring_in - ring_out < RING) {
        ring[ring_in % RING] = byte;
        ring_in++;
    }
}

void systick_handler(void)
{
    wraps++;
}

void board_init(void)
{
    USART_BRR = BRR_115200_AT_16_MHZ;
    USART_CR1 = CR1_ON;
    NVIC_ISER1 = 1u << USART1_IRQ_BIT;
}

void board_print(const char *text)
{
    for (; *text; text++) {
        while (!(USART_SR & SR_TXE))
            ;
        USART_DR = (uint8_t)*text;
    }
}

void board_print_u32(uint32_t value)
{
    char text[11], *p = &text[10];

    *p = 0;
    do
        *--p = (char)('0' + value % 10);
    while (value /= 10);
    board_print(p);
}

void board_print_hex(uint32_t value)
{
    char text[9];

    for (int i = 0; i < 8; i++)
        text[i] = "0123456789abcdef"[value >> (28 - 4 * i) & 15];
    text[8] = 0;
    board_print(text);
}

int board_read(void)
{
    if (ring_in == ring_out)
        return -1;
    int byte = ring[ring_out % RING];
    ring_out++;
    return byte;
}

/* Interrupts are held off between the look and the sleep; a pending one ends WFI all the same. */
void board_idle(void)
{
    __asm volatile("cpsid i" ::: "memory");
    if (ring_in == ring_out)
        __asm volatile("wfi" ::: "memory");
    __asm volatile("cpsie i" ::: "memory");
}

void watch_start(void)
{
    wraps = 0;
    SYST_RVR = SYST_MAX;
    SYST_CVR = 0;
    SYST_CSR = SYST_ON_EIGHTH;
    while (!SYST_CVR) /* it stands at 0 until its first load */
        ;
}

uint64_t watch_stop_us(void)
{
    uint32_t before, value;

    do {
        before = wraps;
        value = SYST_CVR;
    } while (before != wraps || SCB_ICSR & ICSR_SYST_PENDING);
    SYST_CSR = 0;
    uint64_t count = (uint64_t)before * (SYST_MAX + 1u) + (SYST_MAX - value);
    return count * 8u / (CORE_HZ / 1000000u);
}
