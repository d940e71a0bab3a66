#!/bin/bash
# lab.sh [VERSION]: a lab's set-up as it is with Prefect today, against our server, with a real S3 server (Ceph), a real Docker
# registry and real Git.
set -u
here=$(dirname "$(readlink -f "$0")")
. "$here/../e2e/s3_server.sh"
why=$(s3_missing)
command -v docker-registry >/dev/null || why='docker-registry is not installed'
[ -z "$why" ] || { echo "skipped: $why"; exit 77; }
version=${1:-3.9.1}
venv=$("$here/install_collections.sh" "$version") || { echo "skipped: the collections cannot be installed here"; exit 77; }
dir=$(mktemp -d)
pids=
trap 's3_stop; kill $pids 2>/dev/null; wait $pids 2>/dev/null; rm -rf "${dir:?}"' EXIT

s3_start s3_start_ceph "$dir/s3" || { echo "skipped: the S3 server did not start"; exit 77; }

export LAB_REGISTRY_USER=lab LAB_REGISTRY_PASSWORD=registry-secret LAB_GIT_TOKEN=git-token-4711
registry=127.0.0.1:$(free_port)
mkdir "$dir/registry" "$dir/git-https" "$dir/git-https/git"
python3 -Wignore -c 'import crypt, os
print(os.environ["LAB_REGISTRY_USER"] + ":" + crypt.crypt(os.environ["LAB_REGISTRY_PASSWORD"], crypt.mksalt(crypt.METHOD_BLOWFISH)))' >"$dir/registry/htpasswd"
cat >"$dir/registry/config.yml" <<END
version: 0.1
log: {level: warn}
storage: {filesystem: {rootdirectory: $dir/registry/blobs}}
http: {addr: "$registry"}
auth: {htpasswd: {realm: lab, path: $dir/registry/htpasswd}}
END
docker-registry serve "$dir/registry/config.yml" >"$dir/registry/log" 2>&1 &
pids=$!
curl -s -m 2 --retry 40 --retry-delay 1 --retry-connrefused -o /dev/null "http://$registry/v2/" || { cat "$dir/registry/log"; echo "not ok the registry does not start"; exit 1; }
exec 3< <(exec python3 "$here/git_server.py" "$dir/git-https" "$LAB_GIT_TOKEN")
pids="$pids $!"
read -t 30 -r LAB_GIT_URL <&3 || { echo "not ok the Git server does not start"; exit 1; }

export LAB_GIT_URL LAB_GIT_FOLDER=$dir/git-https/git GIT_SSL_CAINFO=$dir/git-https/cert.pem GIT_TERMINAL_PROMPT=0
export LAB_S3_URL=$s3_endpoint LAB_S3_KEY=$s3_key LAB_S3_SECRET=$s3_secret LAB_REGISTRY_URL=http://$registry
"$here/journeys.py" --python "$venv/bin/python" "$version" lab
