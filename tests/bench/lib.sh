# What run.sh and peers.sh share.  `dir` is a folder that goes away with the script.
B=build/release
secs=${SECONDS_EACH:-4}
runs=${RUNS:-1000000}
pg=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
dir=$(mktemp -d "${TMPDIR:-/tmp}/sy-bench.XXXXXX")
chmod 755 "$dir"
pids=()
stop() {
    local p
    for p in "${pids[@]}"; do kill "$p" 2>/dev/null && wait "$p" 2>/dev/null; done
    rm -rf "$dir"
}
trap stop EXIT

# Ours on its own private PostgreSQL (fsync on): sets pid, port, api and sql().
start_ours() {
    "$B/switchyard-server" --dev --data "$dir/data" --listen 127.0.0.1:0 >"$dir/out" 2>"$dir/err" & pid=$!
    pids+=("$pid")
    for _ in $(seq 600); do grep -q ready "$dir/out" && break; sleep 0.05; done
    port=$(sed -n 's/^ready .*:\([0-9]*\)$/\1/p' "$dir/out")
    [ -n "$port" ] || { cat "$dir/err" >&2; exit 1; }
    api=http://127.0.0.1:$port/api
    sql() { "$pg/psql" -h "$dir/data/run" -U switchyard -qAt switchyard "$@"; }
}

# json MEMBER: of the object on standard input
json() { sed "s/.*\"$1\":\"\([^\"]*\)\".*/\1/"; }

# load PORT SCENARIO CONNECTIONS: a row of figures
load() { "$B/tests/bench/load" 127.0.0.1 "$1" "$2" "$3" "$secs" "$flow" "$dir/ids"; }

# many_runs: copies one run until there are $runs, nine of ten completed; works on Prefect's table and on ours.
many_runs() {
    sql -c "INSERT INTO flow_run SELECT n.*
              FROM (SELECT f AS run FROM flow_run f LIMIT 1) one, generate_series(1, $runs) i,
                   LATERAL (SELECT CASE WHEN i % 10 > 0 THEN 'COMPLETED' WHEN i % 20 = 0 THEN 'FAILED' WHEN i % 40 = 10 THEN 'RUNNING'
                                   ELSE 'SCHEDULED' END) s (type),
                   LATERAL jsonb_populate_record(run, jsonb_build_object('id', md5('many' || i)::uuid, 'name', 'run-' || i,
                       'state_type', s.type, 'state_name', initcap(s.type), 'state_id', NULL, 'idempotency_key', NULL,
                       'expected_start_time', now() - i * interval '1 second')) n"
    sql -c "VACUUM ANALYZE flow_run"
}
