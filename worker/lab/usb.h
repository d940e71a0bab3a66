/* USB devices as sysfs shows them: found by serial number, never by ttyACM number.
 *
 * `root` is the folder of the devices, NULL for /sys/bus/usb/devices.
 * Thread: any (no state); reset and cycle block.
 * Source: power-and-boards, sections 1.1, 4.1, 4.4. */
#pragma once
#include "shared/base/err.h"

enum { USB_PATH_BYTES = 512, USB_TEXT_BYTES = 128, USB_DEVICES_MAX = 256 };

enum usb_kind { USB_PROBE = 1, USB_V3PWR, USB_LPM01A };

struct usb_device {
    enum usb_kind kind;
    unsigned vendor, product, bus, number;
    char serial[USB_TEXT_BYTES], name[USB_TEXT_BYTES];
    char version[16];            /* of the device, as USB tells it: "3.07" */
    char folder[USB_PATH_BYTES]; /* in sysfs */
};

/* Probes of boards and meters; the count. */
size_t usb_list(const char *root, struct usb_device out[static USB_DEVICES_MAX]);
/* The serial port of a device's interface: "/dev/ttyACM3".  NOT_FOUND says what is missing. */
MUST_CHECK enum err_code usb_port(const char *root, const char *serial, int interface,
                                  char out[static USB_PATH_BYTES], struct err *e);
/* Where the power data or the console of this device come from. */
int usb_interface(const struct usb_device *device);

/* What a configuration says of a port: a path, or `usb:SERIAL` with `/INTERFACE` behind it when it
 * is not the usual one.  Ask again each time: ports move. */
MUST_CHECK enum err_code usb_resolve(const char *spec, char out[static USB_PATH_BYTES],
                                     struct err *e);

/* Rungs of the recovery ladder. */
MUST_CHECK enum err_code usb_reset(const char *serial, struct err *e);
/* The device is taken off the bus for a second and let in again. */
MUST_CHECK enum err_code usb_cycle(const char *root, const char *serial, struct err *e);
