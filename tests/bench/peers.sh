#!/bin/bash
# make bench-peers: the rows of `make bench` against a real Prefect server in the same run, as ratios.  Each server has a PostgreSQL
# of its own with the same settings and is loaded alone.  PEER (3.9.1) is the version, from PyPI; SECONDS_EACH and RUNS as in run.sh.
set -euo pipefail
cd "$(dirname "$0")/../.."
runs=${RUNS:-100000}
. tests/bench/lib.sh
version=${PEER:-3.9.1}
conn=16

as() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; else "$@"; fi; }
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

start_peer() {
    local venv db=$dir/peer
    venv=$(tests/compat/install_prefect.sh "$version")
    dbport=$(free_port) port=$(free_port) api=http://127.0.0.1:$port/api
    mkdir "$db" && { [ "$(id -u)" != 0 ] || chown postgres "$db"; }
    as "$pg/initdb" -N -A trust -U prefect -E UTF8 --locale=C.UTF-8 -D "$db/data" >/dev/null
    as "$pg/postgres" -D "$db/data" -k "$db" -c listen_addresses=127.0.0.1 -c port="$dbport" >"$db/log" 2>&1 &
    pids=("$!" "${pids[@]}")
    for _ in $(seq 100); do "$pg/pg_isready" -q -h "$db" -p "$dbport" && break; sleep 0.1; done
    "$pg/createdb" -h "$db" -p "$dbport" -U prefect prefect
    sql() { "$pg/psql" -h "$dir/peer" -p "$dbport" -U prefect -qAt prefect "$@"; }
    PREFECT_HOME=$dir/home PREFECT_API_DATABASE_CONNECTION_URL="postgresql+asyncpg://prefect@127.0.0.1:$dbport/prefect" \
        PREFECT_SERVER_ANALYTICS_ENABLED=false DO_NOT_TRACK=1 \
        "$venv/bin/prefect" server start --host 127.0.0.1 --port "$port" >"$dir/peer.log" 2>&1 &
    pids=("$!" "${pids[@]}")
    for _ in $(seq 600); do curl -sf "$api/health" >/dev/null && return; sleep 0.2; done
    tail -5 "$dir/peer.log" >&2
    exit 1
}

# figures FILE: the rows of one server
figures() {
    flow=$(curl -sS -X POST "$api/flows/" -H 'content-type: application/json' -d '{"name":"bench"}' | json id)
    for i in $(seq 200); do
        curl -sS -X POST "$api/flow_runs/" -H 'content-type: application/json' -d "{\"flow_id\":\"$flow\",\"state\":{\"type\":\"PENDING\"}}" |
            sed 's/^{"id":"\([^"]*\)".*/\1/'
    done >"$dir/ids"
    for scenario in transitions creations reads lifecycles logs events filter20 count; do load "$port" "$scenario" "$conn"; done >"$1"
    many_runs
    for scenario in filter20 count; do load "$port" "$scenario" "$conn" | sed "s/^$scenario */$scenario@$runs /"; done >>"$1"
}

echo "switchyard-server ..." >&2
start_ours
figures "$dir/ours"
kill "$pid" && wait "$pid" || true
echo "prefect $version ..." >&2
start_peer
figures "$dir/theirs"
printf '%-18s %12s %12s %8s   %s\n' "$conn connections" switchyard "prefect" ratio "p99 ms: ours, theirs"
paste "$dir/ours" "$dir/theirs" | awk '{printf "%-18s %10.0f/s %10.1f/s %7.0fx   %.1f, %.1f%s\n", $1, $3, $9, $3 / ($9 > 0 ? $9 : 0.1), $5, $11, ($6 + $12 ? "  errors: " $6 ", " $12 : "")}'
