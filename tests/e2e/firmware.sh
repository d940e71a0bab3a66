#!/bin/sh
# The demo's firmware in QEMU against an independent computation.
for program in python3 make arm-none-eabi-gcc qemu-system-arm; do
    command -v $program >/dev/null || { echo "skipped: $program is not installed"; exit 77; }
done
exec env PYTHONDONTWRITEBYTECODE=1 python3 "$(dirname "$0")/firmware.py"
