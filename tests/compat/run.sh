#!/bin/bash
# run.sh [--all] VERSION: the compatibility tests with that version of Prefect's SDK; --all: every journey.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
quick=--quick
[ "$1" != --all ] || { quick=; shift; }
if ! venv=$("$here/install_prefect.sh" "$1"); then
    [ "${CI:-}" = true ] || { echo "skipped: Prefect $1 cannot be installed here"; exit 77; }
    exit 1
fi
"$venv/bin/python" "$here/test_sdk.py"
"$venv/bin/python" "$here/test_runs.py"
"$venv/bin/python" "$here/test_blocks.py"
"$venv/bin/python" "$here/test_background.py"
"$venv/bin/python" "$here/test_channel.py"
"$venv/bin/python" "$here/test_automations.py"
"$venv/bin/python" "$here/test_worker.py"
exec "$here/journeys.py" $quick "$1"
