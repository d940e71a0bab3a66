#!/bin/bash
# install_collections.sh [VERSION]: a virtual environment with prefect-aws, prefect-docker and prefect-github over that of
# install_prefect.sh; prints its folder.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
version=${1:-3.9.1}
prefect=$("$here/install_prefect.sh" "$version")
venv=$(dirname "$prefect")/collections-$version
exec 9>"$venv.lock"
flock 9
[ -e "$venv/complete" ] && { echo "$venv"; exit 0; }

cd / # pip wants a folder that is there
rm -rf "${venv:?}"
python3 -m venv "$venv" >&2
packages=$("$venv/bin/python" -c 'import site; print(site.getsitepackages()[0])')
"$prefect/bin/python" -c 'import site; print(site.getsitepackages()[0])' >"$packages/prefect.pth"
pip=("$venv/bin/python" -m pip --quiet --disable-pip-version-check --no-input)
"${pip[@]}" install prefect-aws prefect-docker prefect-github >&2
# They may bring a Prefect of their own, which would hide the one that is asked for.
if [ -d "$packages/prefect" ]; then "${pip[@]}" uninstall -y prefect >&2; fi
sed "1s|.*|#!$venv/bin/python|" "$prefect/bin/prefect" >"$venv/bin/prefect"
chmod 755 "$venv/bin/prefect"
got=$("$venv/bin/python" -c 'import prefect; print(prefect.__version__)')
[ "$got" = "$version" ] || { echo "asked for Prefect $version, got $got" >&2; exit 1; }
touch "$venv/complete"
echo "$venv"
