#!/bin/bash
# The probe behind the volume $SIM/volume: takes firmware.bin into the board's flash and enumerates anew.  $1 says how well.
volume=$SIM/volume
file=$volume/firmware.bin

burn() { { printf '\177ELF\n'; cat "$1"; } >"$SIM/part" && mv "$SIM/part" "$SIM/flash.elf"; }
vanish() { mv "$volume" "$SIM/away"; rm -f "$SIM/away/"{firmware.bin,FAIL.TXT}; sleep "${1:-0.3}"; }
appear() { mv "$SIM/away" "$volume"; }
fail() { vanish; echo "$1" >"$SIM/away/FAIL.TXT"; appear; }

for run in 1 2 3 4 5 6 7; do
    until [ -s "$file" ]; do sleep 0.02; [ -d "$SIM" ] || exit; done
    echo volume >>"$SIM/runs"
    sleep 0.1
    cp "$file" "$SIM/taken"
    case $1 in
    good) burn "$SIM/taken"; vanish; appear ;;
    slow) sleep 4; burn "$SIM/taken"; vanish 2; appear ;;
    stays) burn "$SIM/taken"; rm "$file" ;;                      # a hub hides that the volume went
    fail) fail 'The interface firmware FAILED to reset/halt the target MCU' ;;
    fail-late) vanish; appear; sleep 0.25; echo 'error: flash timeout' >"$volume/FAIL.TXT" ;;
    fail-once) [ $run -gt 1 ] && { burn "$SIM/taken"; vanish; appear; } || fail 'Error while flashing' ;;
    lazy) vanish; appear ;;
    keeps) exit ;;                                               # never takes it
    gone) vanish; exit ;;                                        # unplugged while it wrote
    esac
done
