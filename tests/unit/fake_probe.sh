#!/bin/bash
# The programs that flash boards, and a probe's volume, as they behave in the field: exit codes that lie included.
#
# Called by the name of the tool that it plays (a link).  $SIM/scenario says what happens; $SIM/runs counts the calls; the board's
# flash is $SIM/flash.elf.  One probe is there, SN7; asked for another, or for none, a tool finds nothing or takes SN8, the wrong one.
# Source: power-and-boards, sections 4.2 and 4.4; texts without a board seen of OpenOCD 0.12.0, stlink-tools 1.7.0, pyOCD 0.46.
tool=${0##*/}
scenario=$(cat "$SIM/scenario")
echo "$tool $*" >>"$SIM/runs"
run=$(grep -c . "$SIM/runs")
board=$SIM/flash.elf

burn() { # FILE: what is run from now on
    { printf '\177ELF\n'; cat "$1"; } >"$SIM/part" && mv "$SIM/part" "$board"
}
option() { # NAME: the word behind it
    local name=$1
    shift
    while [ $# -gt 1 ]; do
        [ "$1" = "$name" ] && { echo "$2"; return; }
        shift
    done
}

# What each tool calls things: its serial number and image, and its words.
case $tool in
openocd)
    for word; do
        case $word in
        "adapter serial "*) serial=${word#adapter serial } ;;
        "program "*) image=${word#program \{} image=${image%%\}*} ;;
        target/*) chip=$word ;;
        esac
    done
    case $* in *"verify"*) verify=1 ;; esac
    # The banner is the last bytes of the one segment that the test's ELF has.
    [ -z "$image" ] || { tail -c +85 "$image" >"$SIM/plain"; image=$SIM/plain; }
    none='Error: open failed'; none_rc=1
    good='** Programming Started **\n** Programming Finished **\n** Verify Started **\n** Verified OK **\n** Resetting Target **\nshutdown command invoked'
    mismatch='Error: checksum mismatch - attempting binary compare\n** Verify Failed **'; fail_rc=1
    busy='Error: libusb_open() failed with LIBUSB_ERROR_BUSY\nError: open failed'
    locked='Warn : RDP level 1 (0xBB)\nError: failed erasing sectors 0 to 3\n** Programming Failed **'
    unknown='Warn : Cannot identify target as an STM32 L4 or L5 family device.\nError: auto_probe failed\n** Programming Failed **'
    unpowered='Info : Target voltage: 0.004\nError: target voltage may be too low for reliable debugging\nError: init mode failed (unable to connect to the target)'
    lie='Error: timed out while waiting for target halted' ;;
st-flash)
    serial=$(option --serial "$@") image=$(option write "$@") verify=1
    none="2026-01-01T00:00:00 WARN usb.c: Couldn't find any ST-Link devices"; none_rc=255
    good='2026-01-01T00:00:00 INFO common.c: Starting verification of write complete\n2026-01-01T00:00:00 INFO common.c: Flash written and verified! jolly good!'
    mismatch='2026-01-01T00:00:00 ERROR common.c: Verification of flash failed at offset: 512\nstlink_fwrite_flash() == -1'; fail_rc=255
    busy='2026-01-01T00:00:00 ERROR usb.c: [!] send_recv send request failed: LIBUSB_ERROR_TIMEOUT'
    locked='2026-01-01T00:00:00 ERROR common.c: Flash memory is locked: the device is locked by RDP level 1'
    unknown='2026-01-01T00:00:00 WARN common.c: unknown chip id! 0x482\nFailed to connect to target'
    unpowered='2026-01-01T00:00:00 WARN common.c: Failed to enter SWD mode\nFailed to connect to target'
    lie='2026-01-01T00:00:00 ERROR common.c: LIBUSB_ERROR_TIMEOUT' ;;
pyocd)
    serial=$(option -u "$@") image=${!#} chip=$(option -t "$@") verify=1
    none="No connected debug probe matches unique ID '$serial'\n0000559 E No target device available [load_cmd]"; none_rc=1
    good='0001234 I Loading image.bin [load_cmd]\n0002234 I Erased 4096 bytes (1 sector), programmed 1024 bytes (1 page), identical 0 bytes (0 pages) at 12.34 kB/s [loader]'
    mismatch='0002345 C flash program page failure (address 0x08000000; result code 0x1) [__main__]'; fail_rc=1
    busy='0000345 E Error while opening probe: [Errno 16] Resource busy [__main__]'
    locked='0000345 W stm32 device is locked [target]\n0000346 C SWD/JTAG transfer error [__main__]'
    unknown='0000345 C Target type '$chip' not recognized. Use "pyocd list --targets" to see available target types. [__main__]'
    unpowered='0000345 C No ACK received [__main__]'
    lie='0000345 C No connected debug probes [__main__]' ;;
STM32_Programmer_CLI)
    for word; do
        case $word in
        sn=*) serial=${word#sn=} ;;
        -v) verify=1 ;;
        esac
    done
    image=$(option -w "$@")
    none='Error: No debug probe detected.'; none_rc=1
    good='ST-LINK SN  : SN7\nST-LINK FW  : V3J10M3\nFile download complete\nTime elapsed during download operation: 00:00:00.520\nVerifying ...\nDownload verified successfully'
    mismatch='File download complete\nError: Data mismatch found at address 0x08000000 (byte = 0xFF instead of 0x00)\nError: Download verification failed'; fail_rc=1
    busy='Error: ST-LINK error (DEV_CONNECT_ERR)'
    locked='Error: Read Out Protection active: level 1'
    unknown=$none # what it says is not known
    unpowered='ST-LINK SN  : SN7\nVoltage     : 0.00V\nError: No STM32 target found!'
    lie='Error: No STM32 target found!' ;;
esac
say() { printf '%b\n' "$1"; }
fail() { say "$1" >&2; exit "$2"; }

[ "$serial" = SN8 ] || [ "$serial" = SN7 ] || fail "$none" "$none_rc"
[ -n "$verify" ] || fail "fake: not asked to verify" 3
[ -s "$image" ] || fail "fake: no image" 3
case $scenario in
good) burn "$image"; say "$good" ;;
stderr) burn "$image"; say "$good" >&2 ;;
no-probe) fail "$none" "$none_rc" ;;
busy) fail "$busy" "$fail_rc" ;;
busy-once) [ "$run" -gt 1 ] || fail "$busy" "$fail_rc"; burn "$image"; say "$good" ;;
locked) fail "$locked" "$fail_rc" ;;
unknown) fail "$unknown" "$fail_rc" ;;
unpowered) fail "$unpowered" "$fail_rc" ;;
mismatch) fail "$mismatch" "$fail_rc" ;;
error-0) say "$lie"; exit 0 ;;                           # a wrapper that loses the exit code
good-and-error-0) burn "$image"; say "$good"; say "$lie" ;;
good-1) burn "$image"; say "$good"; exit 1 ;;
silent-0) exit 0 ;;
silent-1) exit 1 ;;
lazy) say "$good" ;;                                     # says all is well, has written nothing
other) echo 'SY-BOOT build=b6 target=t model=m' >"$SIM/other"; burn "$SIM/other"; say "$good" ;;
half) head -c 12 "$image" >"$SIM/half"; burn "$SIM/half"; say 'erasing'; kill -9 $$ ;;
unplugged) say 'erasing'; fail 'Error: LIBUSB_ERROR_NO_DEVICE' "$fail_rc" ;;
hang) trap '' TERM; say 'waiting for the target'; sleep 60 & wait; sleep 60 ;;
hang-once) [ "$run" -gt 1 ] || { sleep 60; exit 0; }; burn "$image"; say "$good" ;;
huge) burn "$image"; head -c 3000000 /dev/zero | tr '\0' 'x'; echo; for i in {1..3000}; do echo "progress $i"; done; say "$good" ;;
binary) burn "$image"; head -c 20000 /dev/urandom; echo; say "$good" ;;
cut) burn "$image"; printf '%b' "$good" ;;               # no line end behind the last word
esac
