#!/bin/bash
# make bench: a fresh server on its own private PostgreSQL, load from one thread on the same machine.
# SECONDS_EACH (4) per row, RUNS (1000000) for the large table; needs nothing but the built programs and pgbench.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/bench/lib.sh
start_ours
rss() { awk '/VmRSS/ {printf "%.1f MB", $2 / 1024}' "/proc/${1:-$pid}/status"; }

flow=$(curl -sS -X POST "$api/flows/" -H "content-type: application/json" -d '{"name":"bench"}' | json id)
sql -c "INSERT INTO flow_run (id, name, flow_id, state_id, state_type, state_name, state_timestamp, state_details, expected_start_time)
        SELECT md5(i::text)::uuid, 'run-' || i, '$flow', gen_random_uuid(), 'PENDING', 'Pending', now(), '{}', now() FROM generate_series(1, 20000) i"
sql -c "VACUUM ANALYZE"
sql -c "SELECT id FROM flow_run" >"$dir/ids"

printf 'server idle: %s; cores: %s; fsync on\n\n' "$(rss)" "$(nproc)"
printf '%-12s %4s %10s %8s %8s %6s\n' scenario conn ops/s p50_ms p99_ms errors
for scenario in transitions creations reads lifecycles logs events filter20 count; do
    for conn in 1 16 64; do load "$port" "$scenario" "$conn"; done
done
"$B/switchyard-worker" --server "http://127.0.0.1:$port" --pool bench --data "$dir/agent" 2>"$dir/agent.err" & agent=$!
pids=("$agent" "${pids[@]}")
"$B/tests/bench/trigger" 127.0.0.1 "$port" bench "$flow" 300 "$dir"
printf 'agent after it: %s\n' "$(rss $agent)"
python3 tests/bench/automation.py "$api" 200
python3 tests/bench/trace.py "$api"
python3 tests/bench/agents.py "$api" "$pid" 1000
printf '\nserver after the load: %s\n\n' "$(rss)"

cat >"$dir/transition.sql" <<'SQL'
\set i random(1, 20000)
BEGIN;
SELECT state_type, run_count, state_timestamp FROM flow_run WHERE id = md5(:i::text)::uuid FOR UPDATE;
INSERT INTO flow_run_state (id, flow_run_id, "timestamp", type, name) VALUES (gen_random_uuid(), md5(:i::text)::uuid, now(), 'RUNNING', 'Running');
UPDATE flow_run SET state_type = 'RUNNING', state_name = 'Running', state_timestamp = now(), run_count = run_count + 1, updated = now() WHERE id = md5(:i::text)::uuid;
COMMIT;
SQL
chmod 644 "$dir/transition.sql"
echo "the same transition as plain SQL, one transaction each (pgbench, prepared, unix socket):"
for conn in 1 16; do
    tps=$("$pg/pgbench" -h "$dir/data/run" -U switchyard -n -M prepared -f "$dir/transition.sql" -c "$conn" -j 1 -T "$secs" switchyard 2>/dev/null |
        sed -n 's/^tps = \([0-9.]*\).*/\1/p')
    printf '%-12s %4d %10.0f\n' pgbench "$conn" "$tps"
done

printf '\neight meters in one agent:\n'
"$B/tests/bench/meters" "$secs"

printf '\nwith %s runs in the table (made now):\n' "$runs"
many_runs
for scenario in filter20 count; do load "$port" "$scenario" 16; done
