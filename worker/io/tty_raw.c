#include "worker/io/tty_raw.h"

#include <asm/termbits.h>
#include <sys/ioctl.h>

int tty_make_raw(int fd, unsigned baud)
{
    struct termios2 t;
    if (ioctl(fd, TCGETS2, &t))
        return -1;
    t.c_iflag = 0;
    t.c_oflag = 0;
    t.c_lflag = 0;
    t.c_cflag = CS8 | CREAD | CLOCAL | BOTHER | BOTHER << IBSHIFT;
    t.c_ispeed = t.c_ospeed = baud;
    t.c_cc[VMIN] = 1; /* a read of 0 bytes means hang-up, never "nothing yet" */
    t.c_cc[VTIME] = 0;
    return ioctl(fd, TCSETS2, &t) || ioctl(fd, TCFLSH, TCIFLUSH) ? -1 : 0;
}
