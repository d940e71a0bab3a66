#!/bin/bash
# tests/browser/run.sh: opens every page of the dashboard in Chromium, against a server of its own (or the dashboard at
# BROWSER_URL).  BROWSER_TEST names another test, BROWSER_ONLY is in the names of the cases that are wanted, SCREENSHOTS a folder for
# pictures, BROWSER_S its limit.  Exits with 77 and says why when there is no Chromium, Node or package registry.
set -u
cd "$(dirname "$0")/../.."
skip() {
    echo "skipped: $1"
    exit 77
}
chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || skip 'there is no chromium (apt install chromium)'
command -v node >/dev/null && command -v npm >/dev/null || skip 'there is no node or npm (apt install nodejs npm)'

modules=$PWD/build/browser
mkdir -p "$modules"
test=${BROWSER_TEST:-tests/browser/test.mjs}
cp tests/browser/package.json tests/browser/*.mjs "$test" "$modules/"
if ! cmp -s "$modules/package.json" "$modules/installed.json"; then
    npm --prefix "$modules" install --no-audit --no-fund --loglevel=error >"$modules/npm.log" 2>&1 ||
        skip "npm could not install playwright-core: $(tail -n 1 "$modules/npm.log")"
    cp tests/browser/package.json "$modules/installed.json"
fi

if [ -z "${BROWSER_URL:-}" ]; then
    server=${SWITCHYARD_BUILD:-build/debug}/switchyard-server
    [ -x "$server" ] || { echo "not ok $server is not there, expected after make"; exit 1; }
    folder=$(mktemp -d "${TMPDIR:-/tmp}/switchyard-browser-XXXXXX")
    chmod 755 "$folder"
    port=$(node -e 's = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })')
    exec 3< <(exec "$server" --dev --data "$folder/data" --listen "127.0.0.1:$port" 2>"$folder/server.log")
    pid=$!
    trap 'kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; rm -rf "$folder"' EXIT
    read -t 60 -r ready url <&3
    if [ "$ready" != ready ]; then
        echo "not ok the server does not start: $(tail -n 3 "$folder/server.log")"
        exit 1
    fi
    BUILD=$(realpath "${SWITCHYARD_BUILD:-build/debug}")
    export BROWSER_URL=$url/ BUILD
fi
CHROMIUM=$chromium timeout "${BROWSER_S:-220}" node "$modules/$(basename "$test")"
