#!/bin/bash
# install_prefect.sh [VERSION]: a virtual environment with Prefect's SDK and CLI; prints its folder.
# Kept in $SWITCHYARD_CACHE (default ~/.cache/switchyard), so it is made once.
set -euo pipefail
version=${1:-3.9.1}
cache=${SWITCHYARD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/switchyard}
venv=$cache/prefect-$version
mkdir -p "$cache"
# Servers before 3.9 do not start with a newer FastAPI.
bounds=()
case $version in
3.[0-6].*) bounds=("fastapi<0.117" "starlette<0.48") ;;
3.[78].*) bounds=("fastapi<0.140") ;;
esac
exec 9>"$cache/prefect-$version.lock"
flock 9
[ -e "$venv/complete" ] && [ "${bounds[*]}" = "$(cat "$venv/complete")" ] && { echo "$venv"; exit 0; }

rm -rf "$venv"
python3 -m venv "$venv" >&2
wheel=$(mktemp -d)
trap 'rm -rf "$wheel"' EXIT
pip=("$venv/bin/python" -m pip --quiet --disable-pip-version-check --no-input)
"${pip[@]}" download --no-deps --dest "$wheel" "prefect==$version" >&2

# A package index may lag behind one requirement of the newest Prefect (3.9.1 wants a certifi that some do
# not have yet).  So its requirements are installed from its metadata, that one without its version.
python3 - "$wheel" > "$wheel/requirements.txt" <<'PY'
import glob, re, sys, zipfile

lagging = {"certifi"}
archive = zipfile.ZipFile(glob.glob(sys.argv[1] + "/prefect-*.whl")[0])
metadata = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
for line in archive.read(metadata).decode().split("\n\n")[0].splitlines():
    field, _, need = line.partition(": ")
    if field == "Requires-Dist" and "extra ==" not in need:
        name = re.match(r"[\w.-]+", need)[0]
        print(name if name.lower() in lagging else need)
PY
# importlib_metadata: older versions import it without asking for it.
"${pip[@]}" install -r "$wheel/requirements.txt" asyncpg importlib_metadata "${bounds[@]}" >&2
"${pip[@]}" install --no-deps "$wheel"/prefect-*.whl >&2
got=$("$venv/bin/python" -c 'import prefect; print(prefect.__version__)')
[ "$got" = "$version" ] || { echo "asked for Prefect $version, got $got" >&2; exit 1; }
echo "${bounds[*]}" > "$venv/complete"
echo "$venv"
