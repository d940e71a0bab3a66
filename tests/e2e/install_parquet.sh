#!/bin/bash
# A virtual environment with pyarrow and DuckDB, which read our Parquet files; prints its Python.
# Kept in $SWITCHYARD_CACHE (default ~/.cache/switchyard), so it is made once.
set -euo pipefail
cache=${SWITCHYARD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/switchyard}
venv=$cache/parquet
mkdir -p "$cache"
exec 9>"$cache/parquet.lock"
flock 9
if [ ! -e "$venv/complete" ]; then
    rm -rf "${venv:?}"
    python3 -m venv "$venv" >&2
    "$venv/bin/python" -m pip --quiet --disable-pip-version-check --no-input install pyarrow duckdb >&2
    touch "$venv/complete"
fi
echo "$venv/bin/python"
