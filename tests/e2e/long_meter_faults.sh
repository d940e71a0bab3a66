#!/bin/sh
# Twelve dialects for each fault of the meter.
exec python3 "$(dirname "$0")/test_meter_faults.py" all
