#!/bin/bash
# s3.get and the demo's flow against a real S3 server: what is right arrives, what is wrong says why.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/e2e/s3_server.sh
how=${S3_START:-s3_start_ceph}
case $how in
s3_start_minio) why=$(s3_missing_minio) ;;
*) why=$(s3_missing) ;;
esac
[ -z "$why" ] || { echo "skipped: $why"; exit 77; }
worker=$PWD/${SWITCHYARD_BUILD:-build/debug}/switchyard-worker
dir=$(mktemp -d) || exit 1
failed=0
count=0
trap 's3_stop; rm -rf "${dir:?}"' EXIT

say_ok() { count=$((count + 1)); echo "ok $count - $1"; }
say_bad() {
    count=$((count + 1)); failed=1
    echo "not ok $count - $1"
    sed 's/^/# /' "$dir/out"
}

s3_start "$how" "$dir/s3" ||
    { tail -n 3 "$dir"/s3/*/*.out; echo "skipped: the S3 server did not start in three tries"; exit 77; }
s3_curl PUT /models >/dev/null || { echo "not ok - no bucket could be made"; exit 1; }
for model in fc-tiny ad01; do
    s3_curl PUT "/models/$model.tflite" -T "deploy/demo/models/$model.tflite" >/dev/null || exit 1
done
# A name that needs encoding in the path and in what is signed.
cp deploy/demo/models/fc-tiny.tflite "$dir/odd"
s3_curl PUT '/models/odd%20%2B%C3%A4%3D%281%29/m.tflite' -T "$dir/odd" >/dev/null || exit 1

cat >"$dir/flow.yaml" <<'EOF'
name: fetch
parameters:
  endpoint: {type: string}
  bucket: {type: string, default: models}
  key: {type: string}
  access_key: {type: string}
  secret_key: {type: string}
  sha256: {type: string, default: ""}
tasks:
  get:
    uses: s3.get
    with:
      endpoint: "{{ parameters.endpoint }}"
      bucket: "{{ parameters.bucket }}"
      key: "{{ parameters.key }}"
      access_key: "{{ parameters.access_key }}"
      secret_key: "{{ parameters.secret_key }}"
      path: got
EOF

# fetch NAME STATUS TEXT PARAMETERS...: TEXT must be in the output, the secret must not.
fetch() {
    local name=$1 status=$2 text=$3
    shift 3
    rm -rf "${dir:?}/work"
    timeout 60 "$worker" flow run "$dir/flow.yaml" --work "$dir/work" --data "$dir/data" --param "endpoint=$s3_endpoint" \
        --param "access_key=$s3_key" --param "secret_key=$s3_secret" "$@" >"$dir/out" 2>&1
    local got=$?
    if [ $got = "$status" ] && grep -q -- "$text" "$dir/out" && ! grep -qF -- "$s3_secret" "$dir/out"; then
        say_ok "$name"
    else
        say_bad "$name (exit status $got, expected $status and '$text')"
    fi
}

fetch "an object" 0 'fc-tiny.tflite: 1840 bytes' --param key=fc-tiny.tflite
cmp -s "$dir/work/got" deploy/demo/models/fc-tiny.tflite && say_ok "its bytes" || say_bad "its bytes"
fetch "a larger object" 0 'ad01.tflite: 276976 bytes' --param key=ad01.tflite
fetch "a key that needs encoding" 0 ': 1840 bytes' --param 'key=odd +ä=(1)/m.tflite'
fetch "a key that is not there" 1 'the bucket has no object of this key' --param key=none
fetch "a bucket that is not there" 1 'the server has no bucket of this name' --param key=x --param bucket=nobucket
fetch "a wrong secret" 1 'the secret key is not the one that belongs' --param key=fc-tiny.tflite --param secret_key=wrong
fetch "an unknown key" 1 'the server does not know the access key' --param key=fc-tiny.tflite --param access_key=NOBODY
fetch "nobody listens" 1 'connect to server\|Could.*connect' --param key=x --param endpoint=http://127.0.0.1:1

# The flow of the demo, up to the hardware, with credentials from the agent's environment.
cp -r deploy/demo/firmware "$dir/firmware"
git -C "$dir/firmware" init -q -b main && git -C "$dir/firmware" add -A &&
    git -C "$dir/firmware" -c user.name=t -c user.email=t@t commit -q -m t
AWS_ACCESS_KEY_ID=$s3_key AWS_SECRET_ACCESS_KEY=$s3_secret timeout 120 "$worker" flow run deploy/demo/energy-profile.yaml \
    --dry-run --work "$dir/demo" --data "$dir/data" --param model=ad01 --param target=netduinoplus2 \
    --param "repository=$dir/firmware" --param "s3_endpoint=$s3_endpoint" >"$dir/out" 2>&1
if [ $? = 0 ] && grep -q '^model_from_s3 *Completed' "$dir/out" && grep -q '^build *Completed' "$dir/out"; then
    say_ok "the demo's flow takes its model from S3"
else
    say_bad "the demo's flow takes its model from S3"
fi
echo "1..$count"
exit $failed
