# Sourced by tests: a real S3 server on loopback, in a folder of its own.
#
#   s3_start HOW DIR      three tries with s3_start_ceph or s3_start_minio; sets s3_endpoint
#   s3_start_ceph DIR     Ceph's object gateway over one monitor and one OSD in memory
#   s3_start_minio DIR    MinIO, built by s3_build_minio with Go out of its module (minutes, once)
#   s3_stop               ends what was started
#   s3_curl METHOD PATH [CURL ARGS]   a signed request, for setting up buckets and objects
#
# Key and secret are $s3_key and $s3_secret.  s3_missing and s3_missing_minio print what is not installed.
s3_key=TESTKEY0123456789ABC
s3_secret='test/secret+with=signs0123456789'
s3_pids=
s3_dir=

s3_minio_version=v0.0.0-20260212201848-7aac2a2c5b7c
s3_minio=${XDG_CACHE_HOME:-$HOME/.cache}/switchyard/minio/$s3_minio_version/minio

s3_missing_of() {
    local program
    for program in "$@"; do
        command -v "$program" >/dev/null || { echo "$program is not installed"; return; }
    done
}

s3_missing() {
    s3_missing_of ceph-mon ceph-osd ceph radosgw radosgw-admin monmaptool curl
}

# Go is needed once, to build it.
s3_missing_minio() {
    if [ -x "$s3_minio" ]; then s3_missing_of curl; else s3_missing_of go curl; fi
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# s3_step SECONDS NAME COMMAND...: until it succeeds; its output is in $s3_dir/NAME.out.  All that is started must be alive.
# The commands may be repeated: ceph's own client now and then dies after its work is done.
s3_step() {
    local end=$((SECONDS + $1)) name=$2 pid
    shift 2
    until timeout 30 "$@" >"$s3_dir/$name.out" 2>&1; do
        for pid in $s3_pids; do
            kill -0 "$pid" 2>/dev/null || { echo "a server ended before $name"; return 1; }
        done
        [ $SECONDS -lt $end ] || { echo "$name: $(tail -n 1 "$s3_dir/$name.out")"; return 1; }
        sleep 0.1
    done
}

# s3_serve NAME COMMAND...: in the background, five times if need be: an OSD that sends its first command before it was given the
# monitors' map (a busy machine) is sent away for a wrong fsid, and ends.
s3_serve() {
    local name=$1
    shift
    (
        trap 'kill -9 $child; exit' TERM
        for _ in 1 2 3 4 5; do
            "$@" >>"$s3_dir/$name.out" 2>&1 &
            child=$!
            wait $child
        done
    ) &
    s3_pids="$s3_pids $!"
}

s3_curl() {
    local method=$1 path=$2
    shift 2
    curl -sS -f --max-time 20 --aws-sigv4 aws:amz:us-east-1:s3 -u "$s3_key:$s3_secret" -X "$method" \
        -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' "$@" "$s3_endpoint$path"
}

s3_start_ceph() {
    local dir=$1 mon rgw osd_id=b007198a-459d-43cb-aeb6-a26879ce9309 fsid=e97a4af8-9f72-4f6c-b89f-65eaa6e6125e
    mon=$(free_port) && rgw=$(free_port) || return 1
    s3_dir=$dir
    s3_endpoint=http://127.0.0.1:$rgw
    mkdir -p "$dir/mon" "$dir/osd" "$dir/rgw"
    cat >"$dir/ceph.conf" <<EOF
[global]
fsid = $fsid
mon_host = v1:127.0.0.1:$mon
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
osd_pool_default_size = 1
osd_pool_default_min_size = 1
mon_allow_pool_size_one = true
osd_crush_chooseleaf_type = 0
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
mon_max_pg_per_osd = 1000
run_dir = $dir
admin_socket = $dir/\$name.asok
log_file = $dir/\$name.log
pid_file = $dir/\$name.pid
keyring = $dir/keyring
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
osd_objectstore = memstore
memstore_device_bytes = 536870912
[mon.a]
mon_data = $dir/mon
mon_data_avail_crit = 1
mon_data_avail_warn = 2
[osd.0]
osd_uuid = $osd_id
osd_data = $dir/osd
osd_journal = $dir/osd/journal
[client.rgw]
rgw_data = $dir/rgw
rgw_frontends = beast endpoint=127.0.0.1:$rgw
rgw_enable_usage_log = false
EOF
    local ceph="ceph -c $dir/ceph.conf" osd="ceph-osd -c $dir/ceph.conf -i 0" admin="radosgw-admin -c $dir/ceph.conf -n client.rgw"
    s3_step 30 keyring ceph-authtool "$dir/keyring" --create-keyring --gen-key -n mon. --cap mon 'allow *' &&
        s3_step 30 monmap monmaptool -c "$dir/ceph.conf" --create --clobber --fsid $fsid --addv a "[v1:127.0.0.1:$mon]" "$dir/monmap" &&
        s3_step 30 mon-mkfs ceph-mon -c "$dir/ceph.conf" --mkfs -i a --monmap "$dir/monmap" --keyring "$dir/keyring" || return 1
    s3_serve mon ceph-mon -c "$dir/ceph.conf" -i a -f
    s3_step 60 osd-create $ceph osd create $osd_id && s3_step 60 osd-mkfs $osd --mkfs || return 1
    s3_serve osd $osd -f
    s3_step 60 osd-up sh -c "$ceph osd stat | grep -q ' 1 up'" || return 1
    s3_serve rgw radosgw -c "$dir/ceph.conf" -n client.rgw -f
    s3_step 120 answer curl -sS -f --max-time 5 "$s3_endpoint/" &&
        s3_step 60 user sh -c "$admin user info --uid=test || $admin user create --uid=test --display-name=test \
            --access-key=$s3_key --secret='$s3_secret'"
}

# Through Go's module proxy, under a lock and in one move, so that two tests at a time share one build.  About 1,400 modules
# and packages: says how far it is.
s3_build_minio() {
    local dir=${s3_minio%/*}
    mkdir -p "$dir" && (
        flock 9 && { [ -x "$s3_minio" ] || {
            echo "building MinIO $s3_minio_version with $(go version)"
            GOBIN=$dir/new CGO_ENABLED=0 nice -n 5 go install -v -ldflags='-s -w' "github.com/minio/minio@$s3_minio_version" 2>&1 |
                awk -v start="$(date +%s)" 'NR % 100 == 0 { "date +%s" | getline now; close("date +%s")
                    print NR " modules and packages in " now - start " s: " $NF; fflush() } { last = $0 } END { print last }'
            mv "$dir/new/minio" "$s3_minio"
        }; }
    ) 9>"$dir/lock"
}

s3_start_minio() {
    local dir=$1 port
    port=$(free_port) || return 1
    s3_dir=$dir
    s3_endpoint=http://127.0.0.1:$port
    mkdir -p "$dir/disk"
    MINIO_ROOT_USER=$s3_key MINIO_ROOT_PASSWORD=$s3_secret MINIO_BROWSER=off MINIO_UPDATE=off \
        "$s3_minio" server --quiet --certs-dir "$dir/certs" --address "127.0.0.1:$port" "$dir/disk" >"$dir/minio.out" 2>&1 &
    s3_pids=$!
    s3_step 120 answer curl -sS -f --max-time 5 "$s3_endpoint/minio/health/ready"
}

# s3_start HOW DIR: three tries, since another program may take a port in between.
s3_start() {
    local how=$1 try
    for try in 1 2 3; do
        $how "$2/$try" && return
        s3_stop
    done
    return 1
}

s3_stop() {
    [ -z "$s3_pids" ] || kill $s3_pids 2>/dev/null
    wait $s3_pids 2>/dev/null
    s3_pids=
}
