/* Raw mode at any baud rate.  A file of its own: the kernel's <asm/termbits.h>, which knows more
 * than POSIX rates, cannot live beside <termios.h>, which <uv.h> brings. */
#pragma once

/* 8 bits, no echo, no flow control, input flushed.  0, or -1 with errno. */
int tty_make_raw(int fd, unsigned baud);
