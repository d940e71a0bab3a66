#!/bin/bash
# The whole job on emulated hardware: server, agent with two benches, a campaign of models x targets, its report.
#
#   deploy/demo/demo.sh [--exit]      --exit: end after the report instead of waiting for Ctrl-C
#
# Everything it makes stays in build/demo (or $DEMO_DIR).  DEMO_PORT, DEMO_MODELS, DEMO_CAMPAIGN and MODE choose
# other values; a campaign that is named again goes on where it stopped.
set -u
cd "$(dirname "$0")/../.." || exit 1

port=${DEMO_PORT:-4200}
models=${DEMO_MODELS:-ad01,fc-large,fc-medium,fc-small}
targets=netduinoplus2,netduino2
campaign=${DEMO_CAMPAIGN:-demo-$(date +%Y%m%d-%H%M%S)}
dir=${DEMO_DIR:-$PWD/build/demo}
mode=${MODE:-release}
bin=$PWD/build/$mode
stay=yes
[ "${1:-}" = --exit ] && stay=
needed_mb=1500
supervisors=

# The demo talks to its own server only.
unset PREFECT_API_URL PREFECT_API_KEY PREFECT_API_AUTH_STRING PREFECT_SERVER_API_AUTH_STRING SWITCHYARD_API_URL \
    SWITCHYARD_API_KEY SWITCHYARD_API_AUTH_STRING SWITCHYARD_DATABASE_URL SWITCHYARD_DATA SWITCHYARD_LISTEN \
    MAKEFLAGS MAKELEVEL MFLAGS MODE

say() { printf '%s\n' "demo: $*"; }
die() {
    say "$*" >&2
    exit 1
}

# ---- processes: each is started again when it dies before its time ----

# supervise NAME PROGRAM ARGS...: output goes to NAME.log, the process id to NAME.pid.
supervise() {
    local name=$1 child=
    shift
    trap 'trap "" TERM; [ -n "$child" ] && kill -TERM $child 2>/dev/null; wait $child; exit 0' TERM
    trap '' INT
    while :; do
        "$@" >>"$dir/$name.out" 2>>"$dir/$name.log" 9>&- &
        child=$!
        echo $child >"$dir/$name.pid"
        wait $child
        printf 'demo: %s ended (status %s), starting it again\n' "$name" $? >>"$dir/$name.log"
        sleep 0.5
    done
}

start() {
    : >"$dir/$1.out"
    supervise "$@" 2>>"$dir/$1.log" &
    supervisors="$! $supervisors"
}

# The agent first, so that it can still report; then the server with its database.
stop_all() {
    local one
    trap '' INT TERM EXIT
    for one in $supervisors; do
        kill -TERM "$one" 2>/dev/null
        wait "$one" 2>/dev/null
    done
}
trap stop_all EXIT
trap 'say "stopping" >&2; exit 130' INT TERM

# await SECONDS WHAT COMMAND...: tries it until it succeeds.
await() {
    local tries=$(($1 * 10)) what=$2
    shift 2
    until "$@"; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1
        sleep 0.1
    done
}

# ---- before anything runs ----

deploy/bootstrap.sh || exit 1
mkdir -p "$dir" || die "cannot make the folder $dir"

exec 9>"$dir/lock"
flock -n 9 || die "another demo runs in $dir: stop it, or set DEMO_DIR to another folder"

free_mb=$(df -Pm "$dir" | awk 'NR == 2 { print $4 }')
[ "$free_mb" -ge $needed_mb ] || die "$dir has $free_mb MB left, and about $needed_mb are needed: free some, or set DEMO_DIR"

is_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
first=$port
while is_taken "$port"; do
    port=$((port + 1))
    [ $port -lt $((first + 20)) ] || die "ports $first to $((port - 1)) are all taken: set DEMO_PORT to a free one"
done
[ "$port" = "$first" ] || say "port $first is taken, using $port"

say "building ($mode)"
make -s -j"$(nproc)" MODE="$mode" all >"$dir/build.log" 2>&1 9>&- || {
    tail -20 "$dir/build.log" >&2
    die "the build failed; all of its output is in $dir/build.log"
}

# ---- the firmware's repository: a new commit only when the firmware changed ----

git_in() {
    git --git-dir="$dir/firmware.git" --work-tree=deploy/demo/firmware -c user.name=demo -c user.email=demo@localhost \
        -c core.bare=false "$@"
}
[ -d "$dir/firmware.git" ] || git init -q --bare -b main "$dir/firmware.git" || die "cannot make the firmware repository"
git_in add -A . && { git_in diff --cached --quiet 2>/dev/null || git_in commit -q -m "firmware of the demo"; } ||
    die "cannot commit the firmware into $dir/firmware.git"

# ---- server, agent, flows ----

api=http://127.0.0.1:$port
cli() { "$bin/switchyard" --server "$api" "$@"; }

say "starting the server"
start server "$bin/switchyard-server" --dev --data "$dir/server" --listen "127.0.0.1:$port"
await 60 server grep -q '^ready' "$dir/server.out" || {
    tail -5 "$dir/server.log" >&2
    die "the server did not start; its log is $dir/server.log"
}

# What an interrupted demo left would hold the benches; a campaign that goes on keeps its runs.
open_runs() { cli flow-run ls --state scheduled,pending,running -n 200 "$@" 2>/dev/null | awk 'NR > 1 { print $1 }'; }
left=$(open_runs | grep -vxF -e "$(open_runs -c "$campaign")")
[ -z "$left" ] || cli flow-run cancel $left >/dev/null || die "runs that an earlier demo left could not be cancelled"

cat >"$dir/worker.yaml" <<EOF
benches:
  - {name: bench-1, target: netduinoplus2, emulated: true}
  - {name: bench-2, target: netduino2, emulated: true}
EOF
start agent "$bin/switchyard-worker" --server "$api" --pool bench --name demo --config "$dir/worker.yaml" \
    --data "$dir/agent" --slots 3 --drain-timeout 1

for model in ${models//,/ }; do
    cli file put "deploy/demo/models/$model.tflite" >/dev/null || die "the model $model could not be stored"
done
cli deploy deploy/demo/energy-profile.yaml deploy/demo/energy-report.yaml --pool bench || die "the flows could not be deployed"

both_benches_are_there() { [ "$(cli device ls 2>/dev/null | grep -cE 'FREE|BUSY|Free|Busy|free|busy')" -ge 2 ]; }
await 60 benches both_benches_are_there || {
    tail -5 "$dir/agent.log" >&2
    die "the agent's benches did not come up; its log is $dir/agent.log"
}

# ---- the campaign ----

# The report's table for a terminal.  Columns are found by their names.
summary() {
    awk -F, '
        function unit(value, name,   k, prefix) {
            if (value == "") return "-"
            split("1 m u n", prefix, " "); k = 1
            while (value < 1 && k < 4) { value *= 1000; k++ }
            return sprintf("%.4g %s%s", value, k > 1 ? prefix[k] : "", name)
        }
        NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i
                  printf "\n%-12s %-15s %12s %12s %12s %10s %9s  %s\n", "model", "target", "energy", "dynamic",
                      "latency", "flash", "RAM", "origin"; next }
        { printf "%-12s %-15s %12s %12s %12s %8.0f kB %6.0f kB  %s\n", $at["model"], $at["target"],
              unit($at["median_energy_per_inference_j"], "J"), unit($at["median_dynamic_energy_per_inference_j"], "J"),
              unit($at["latency_s"], "s"), $at["flash_bytes"] / 1000, $at["ram_bytes"] / 1000,
              $at["status"] == "result" ? $at["origin"] : $at["status"] ": " $at["reason"] }
        END { print "" }' "$1"
}

say "campaign $campaign: every model on every board, emulated (about 90 seconds)"
report=$dir/report-$campaign
cli run energy-profile/default -c "$campaign" -p "repository=$dir/firmware.git" -m "model=$models" -m "target=$targets" \
    --report "$report" >"$dir/run.out"
status=$?
if [ -f "$report/report.csv" ]; then
    summary "$report/report.csv"
    say "energy per inference over the whole rail, median of the windows; dynamic is what remains above idle"
    say "report:    $report/report.html (with report.csv, report.json and the plots)"
fi
[ $status = 0 ] || { cat "$dir/run.out"; say "not every run completed (exit status $status): switchyard --server $api flow-run ls"; }
say "dashboard: $api"
[ -n "$stay" ] || exit $status
say "the server stays up; Ctrl-C ends it"
while :; do sleep 3600 & wait $!; done
