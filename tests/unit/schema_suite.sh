#!/bin/bash
# schema_suite.sh: the official JSON-Schema-Test-Suite, Draft 2020-12, against ours.  The source distribution of
# Python's jsonschema carries it; kept in $SWITCHYARD_CACHE (default ~/.cache/switchyard), never in the tree.
set -euo pipefail
version=4.23.0
hash=sha256:d71497fef26351a33265337fa77ffeb82423f3ea21283cd9467bb03999266bc4
cache=${SWITCHYARD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/switchyard}
suite=$cache/json-schema-suite-$version
program=${SWITCHYARD_BUILD:-build/debug}/tests/unit/schema_suite

fetch() {
    local work
    work=$(mktemp -d)
    trap 'rm -rf "${work:?}"' RETURN
    echo "jsonschema==$version --hash=$hash" >"$work/requirements.txt"
    python3 -m pip --quiet --disable-pip-version-check --no-input download --no-deps --no-binary jsonschema \
        --require-hashes --requirement "$work/requirements.txt" --dest "$work" >&2 || return 1
    tar -xzf "$work/jsonschema-$version.tar.gz" -C "$work" "jsonschema-$version/json"
    mkdir -p "$suite"
    cp -R "$work/jsonschema-$version/json/tests" "$work/jsonschema-$version/json/remotes" "$suite"
    touch "$suite/complete"
}

make --no-print-directory MODE="$(basename "${SWITCHYARD_BUILD:-build/debug}")" "$program" >&2
mkdir -p "$cache"
exec 9>"$suite.lock"
flock 9
[ -e "$suite/complete" ] || fetch || { echo "skipped: the package index cannot be reached"; exit 77; }
exec "$program" "$suite"
