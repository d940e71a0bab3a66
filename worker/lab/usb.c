#include "worker/lab/usb.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/usbdevice_fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "shared/base/base.h"

static const char usual_root[] = "/sys/bus/usb/devices";
enum { CONSOLE_INTERFACE = 2, POWER_INTERFACE = 4, OFF_BUS_S = 1, ST = 0x0483 };

// clang-format off
static const struct {
    unsigned product;
    enum usb_kind kind;
    int interface; /* of the power data, or of the board's console */
} known[] = {
    {0x3757, USB_V3PWR,  POWER_INTERFACE},
    {0x5740, USB_LPM01A, 0},
    {0x374b, USB_PROBE,  CONSOLE_INTERFACE}, {0x374e, USB_PROBE, CONSOLE_INTERFACE},
    {0x374f, USB_PROBE,  CONSOLE_INTERFACE}, {0x3752, USB_PROBE, 1},
    {0x3753, USB_PROBE,  CONSOLE_INTERFACE}, {0x3754, USB_PROBE, CONSOLE_INTERFACE},
    {0x3748, USB_PROBE,  CONSOLE_INTERFACE},
};
// clang-format on

static void read_text(const char *folder, const char *name, char *out, size_t size)
{
    char path[2 * USB_PATH_BYTES];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *f = fopen(path, "re");
    *out = 0;
    if (f && !fgets(out, (int)size, f))
        *out = 0;
    if (f)
        fclose(f);
    out[strcspn(out, "\r\n")] = 0;
}

static unsigned read_number(const char *folder, const char *name, int base)
{
    char text[32];
    read_text(folder, name, text, sizeof(text));
    return (unsigned)strtoul(text, NULL, base);
}

static bool read_device(const char *root, const char *entry, struct usb_device *d)
{
    *d = (struct usb_device){0};
    if (snprintf(d->folder, sizeof(d->folder), "%s/%s", root, entry) >= (int)sizeof(d->folder))
        return false;
    d->vendor = read_number(d->folder, "idVendor", 16);
    d->product = read_number(d->folder, "idProduct", 16);
    for (size_t i = 0; i < COUNT(known); i++)
        if (d->vendor == ST && d->product == known[i].product)
            d->kind = known[i].kind;
    if (!d->kind)
        return false;
    read_text(d->folder, "serial", d->serial, sizeof(d->serial));
    read_text(d->folder, "product", d->name, sizeof(d->name));
    unsigned release = read_number(d->folder, "bcdDevice", 16);
    if (release)
        snprintf(d->version, sizeof(d->version), "%x.%02x", release >> 8 & 0xff, release & 0xff);
    d->bus = read_number(d->folder, "busnum", 10);
    d->number = read_number(d->folder, "devnum", 10);
    /* 0483:5740 is any CDC device of ST; the meter says what it is */
    return d->serial[0] && (d->kind != USB_LPM01A || strstr(d->name, "PowerShield"));
}

size_t usb_list(const char *root, struct usb_device out[static USB_DEVICES_MAX])
{
    DIR *dir = opendir(root ? root : usual_root);
    size_t count = 0;
    if (!dir)
        return 0;
    for (struct dirent *e; count < USB_DEVICES_MAX && (e = readdir(dir));)
        if (e->d_name[0] != '.' && !strchr(e->d_name, ':'))
            count += read_device(root ? root : usual_root, e->d_name, &out[count]);
    closedir(dir);
    return count;
}

int usb_interface(const struct usb_device *device)
{
    for (size_t i = 0; i < COUNT(known); i++)
        if (device->product == known[i].product)
            return known[i].interface;
    return CONSOLE_INTERFACE;
}

static enum err_code find(const char *root, const char *serial, struct usb_device *out,
                          struct err *e)
{
    struct usb_device *all = calloc(USB_DEVICES_MAX, sizeof(*all));
    size_t count = all ? usb_list(root, all) : 0, hits = 0;
    for (size_t i = 0; i < count; i++)
        if (!strcmp(all[i].serial, serial)) {
            *out = all[i];
            hits++;
        }
    free(all);
    if (hits == 1)
        return ERR_OK;
    return hits ? err_set(e, CONFLICT, "%zu USB devices have the serial number %s", hits, serial)
                : err_set(e, NOT_FOUND, "no probe or meter with the serial number %s is plugged in",
                          serial);
}

/* The only entry of `folder` that begins with "tty". */
static bool tty_in(const char *folder, char *out, size_t size)
{
    DIR *dir = opendir(folder);
    bool found = false;
    if (!dir)
        return false;
    for (struct dirent *e; !found && (e = readdir(dir));)
        if (!strncmp(e->d_name, "tty", 3) && e->d_name[3]) {
            snprintf(out, size, "/dev/%.200s", e->d_name);
            found = true;
        }
    closedir(dir);
    return found;
}

enum err_code usb_port(const char *root, const char *serial, int interface,
                       char out[static USB_PATH_BYTES], struct err *e)
{
    struct usb_device d;
    enum err_code code = find(root, serial, &d, e);
    if (code)
        return code;
    int wanted = interface < 0 ? usb_interface(&d) : interface;
    const char *port = strrchr(d.folder, '/') + 1;
    for (int config = 1; config <= 2; config++) {
        char folder[2 * USB_PATH_BYTES];
        snprintf(folder, sizeof(folder), "%s/%s:%d.%d/tty", d.folder, port, config, wanted);
        if (tty_in(folder, out, USB_PATH_BYTES))
            return ERR_OK;
    }
    return err_set(e, NOT_FOUND, "%s (%s) has no serial port at its interface %d",
                   d.name[0] ? d.name : "the device", serial, wanted);
}

enum err_code usb_resolve(const char *spec, char out[static USB_PATH_BYTES], struct err *e)
{
    static const char mark[] = "usb:";
    if (strncmp(spec, mark, sizeof(mark) - 1) != 0) {
        snprintf(out, USB_PATH_BYTES, "%s", spec);
        return ERR_OK;
    }
    char serial[USB_TEXT_BYTES];
    const char *text = spec + sizeof(mark) - 1, *slash = strchr(text, '/');
    snprintf(serial, sizeof(serial), "%.*s", (int)(slash ? slash - text : (long)strlen(text)),
             text);
    return usb_port(NULL, serial, slash ? atoi(slash + 1) : -1, out, e);
}

enum err_code usb_reset(const char *serial, struct err *e)
{
    struct usb_device d;
    char path[64];
    enum err_code code = find(NULL, serial, &d, e);
    if (code)
        return code;
    snprintf(path, sizeof(path), "/dev/bus/usb/%03u/%03u", d.bus, d.number);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || ioctl(fd, USBDEVFS_RESET, 0))
        code = err_set(e, IO, "cannot reset %s (%s): %s", path, serial, strerror(errno));
    if (fd >= 0)
        close(fd);
    return code;
}

static enum err_code authorize(const struct usb_device *d, const char *text, struct err *e)
{
    char path[2 * USB_PATH_BYTES];
    snprintf(path, sizeof(path), "%s/authorized", d->folder);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool written = fd >= 0 && write(fd, text, 1) == 1;
    int why = errno;
    if (fd >= 0)
        close(fd);
    return written ? ERR_OK : err_set(e, IO, "cannot write %s: %s", path, strerror(why));
}

enum err_code usb_cycle(const char *root, const char *serial, struct err *e)
{
    struct usb_device d;
    enum err_code code = find(root, serial, &d, e);
    if (code || (code = authorize(&d, "0", e)))
        return code;
    nanosleep(&(struct timespec){OFF_BUS_S, 0}, NULL);
    return authorize(&d, "1", e);
}
