/* The two boards: UART, stopwatch, idle.  Registers: ST RM0033 (STM32F205), RM0090 (STM32F405), ARM
 * DDI 0403. */
#pragma once
#include <stdint.h>

/* UART with an interrupt and a ring behind it: the receiver itself is one byte deep. */
void board_init(void);

void board_print(const char *text);
void board_print_u32(uint32_t value);
void board_print_hex(uint32_t value);

/* The next received byte, or -1. */
int board_read(void);

/* Sleeps until an interrupt, unless a byte has come. */
void board_idle(void);

/* Counts core clock / 8 from watch_start(); off, and silent, until then and after watch_stop_us().
 */
void watch_start(void);
uint64_t watch_stop_us(void);
