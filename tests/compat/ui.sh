#!/bin/bash
# ui.sh [VERSION]: every page of that Prefect's own UIs in Chromium, in front of our server.
set -u
here=$(dirname "$(readlink -f "$0")")
cd "$here/../.." || exit 1
venv=$("$here/install_prefect.sh" "${1:-3.9.1}") || { echo "skipped: Prefect cannot be installed here"; exit 77; }
UI_FOLDER=$("$venv/bin/python" -c 'import pathlib, prefect; print(pathlib.Path(prefect.__file__).parent / "server")')
export UI_FOLDER BROWSER_TEST=$here/prefect_ui.mjs BROWSER_S=${BROWSER_S:-1700}
exec tests/browser/run.sh
