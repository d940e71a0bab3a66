#!/bin/bash
# tests/run.sh short|all [SUITE...]: runs the suites below and ends with `N passed, N failed, N skipped`.
#
# A suite is a function or script; it fails by its exit status, exit status 77 skips it (the last line of its
# output says why).  Counts come from its output: Check's and unittest's summaries, TAP lines; else it
# counts as one.  Logs: build/test-logs/SUITE.log.
#
#   suite         when   at most  command
suites='
    lint          all    3600     make lint
    build         short  900      make -j$cores all
    unit          short  300      unit debug
    json-schema   short  200      tests/unit/schema_suite.sh
    fuzz-replay   short  300      fuzz_replay debug
    db            short  400      db debug
    asan          short  900      unit asan
    cli           short  200      python3 tests/e2e/cli.py
    firmware      short  300      script tests/e2e/firmware.sh
    e2e           short  700      scripts tests/e2e/test_*
    compat        short  700      tests/compat/run.sh 3.9.1
    browser       short  240      tests/browser/run.sh
    clang         all    900      make -j$cores CC=clang-14 B=build/clang all
    tsan          all    900      unit tsan
    browser       all    600      script tests/browser/run.sh
    cli-asan      all    900      cli_with asan
    cli-tsan      all    900      cli_with tsan
    fuzz-asan     all    900      fuzz_replay asan
    db-asan       all    900      db asan
    db-tsan       all    900      db tsan
    e2e-long      all    3600     scripts tests/e2e/long_*
    e2e-asan      all    2400     e2e_with asan
    e2e-tsan      all    2400     e2e_with tsan
    chaos         all    3600     make -j$cores all && scripts tests/chaos/*
    differential  all    1800     make test-compat
    differ-3.8    all    3600     python3 tests/compat/differential --live 3.8.8
    differ-3.6    all    3600     python3 tests/compat/differential --live 3.6.29
    compat-all    all    5400     tests/compat/run.sh --all 3.9.1
    compat-3.8    all    5400     tests/compat/run.sh --all 3.8.8
    compat-3.6    all    5400     tests/compat/run.sh --all 3.6.29
    compat-3.4    all    5400     tests/compat/run.sh --all 3.4.25
    compat-ui     all    1800     tests/compat/ui.sh 3.9.1
    compat-lab    all    900      tests/compat/lab.sh 3.9.1
'
set -u
cd "$(dirname "$0")/.."
cores=$(nproc)
logs=build/test-logs
passed=0 failed=0 skipped=0
export CK_VERBOSITY=normal CK_DEFAULT_TIMEOUT=60 PYTHONUNBUFFERED=1
# A leak or an undefined operation ends the test, wherever it happens.
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 UBSAN_OPTIONS=print_stacktrace=1 TSAN_OPTIONS=halt_on_error=1

# Builds the programs of one kind of test: `programs MODE tests/unit/test_*.c` prints their paths and
# fails when one of them does not build.
programs() {
    local mode=$1 source built=()
    shift
    for source in "$@"; do
        [ -e "$source" ] && built+=("build/$mode/${source%.c}")
    done
    [ ${#built[@]} -gt 0 ] || return 0
    printf '%s\n' "${built[@]}"
    make -k -j"$cores" MODE="$mode" all "${built[@]}" >&2 # some tests start the programs
}

# A Check program that exits with 1 has said in its summary what failed.
fell() {
    [ "$1" -eq 1 ] || echo "not ok $2 (exit status $1)"
    status=1
}

# aside OUT COMMAND...: its output goes to the file OUT, its exit status to OUT.status.
aside() {
    local out=$1
    shift
    "$@" >"$out" 2>&1
    echo $? >"$out.status"
}

# room N: waits until fewer than N commands run aside.
room() {
    while [ "$(jobs -rp | wc -l)" -ge "$1" ]; do wait -n; done
}

# Runs each program of $list, even when one before it fails; most of them wait for something.
each() {
    local status=0 program out
    out=$(mktemp -d "${TMPDIR:-/tmp}/sy-tests.XXXXXX")
    for program in $list; do
        room $((2 * cores))
        aside "$out/$(basename "$program")" "$@" "$program" &
    done
    wait
    for program in $list; do
        echo "== $program"
        cat "$out/$(basename "$program")"
        case $(cat "$out/$(basename "$program").status") in
        0) ;;
        *) fell "$(cat "$out/$(basename "$program").status")" "$program" ;;
        esac
    done
    rm -rf "${out:?}"
    return $status
}

unit() {
    local built
    list=$(programs "$1" tests/unit/test_*.c)
    built=$?
    each timeout -k 5 120 && [ $built -eq 0 ]
}

db() {
    compgen -G 'tests/db/test_*.c' >/dev/null || skip "there are no database tests"
    local built
    list=$(programs "$1" tests/db/test_*.c)
    built=$?
    each timeout -k 5 180 tests/db/with-postgres.sh && [ $built -eq 0 ]
}

fuzz_replay() {
    local source name status=0 targets=()
    for source in tests/fuzz/fuzz_*.c; do
        name=${source#tests/fuzz/fuzz_}
        targets+=("${name%.c}")
    done
    make -j"$cores" MODE="$1" "${targets[@]/#/build/$1/tests/fuzz/replay_}" >&2 || return 1
    for name in "${targets[@]}"; do
        if timeout -k 5 60 "build/$1/tests/fuzz/replay_$name" "tests/fuzz/corpus/$name"/*; then
            echo "ok $name"
        else
            echo "not ok $name"
            status=1
        fi
    done
    return $status
}

skip() {
    echo "skipped: $1"
    exit 77
}

script() {
    [ -e "$1" ] || skip "$1 is not there"
    "$@"
}

timed() {
    local began=$SECONDS status=0
    "$1" || status=$?
    echo "$1 took $((SECONDS - began)) s"
    return $status
}

# They wait more than they work: three at once, each with servers of its own.
scripts() {
    local status=0 one count=0 out
    out=$(mktemp -d "${TMPDIR:-/tmp}/sy-scripts.XXXXXX")
    for one in "$@"; do
        [ -x "$one" ] || continue
        count=$((count + 1))
        room 3
        aside "$out/$(basename "$one")" timed "$one" &
    done
    wait
    for one in "$@"; do
        case $one in */test_* | */long_*) [ -x "$one" ] || { echo "not ok $one: it cannot be executed, so it was not run"; status=1; } ;; esac
        [ -x "$one" ] || continue
        echo "== $one"
        cat "$out/$(basename "$one")"
        case $(cat "$out/$(basename "$one").status") in
        0) echo "ok $one" ;;
        77) echo "ok $one # SKIP" ;;
        *) echo "not ok $one"; status=1 ;;
        esac
    done
    rm -rf "${out:?}"
    [ $count -gt 0 ] || skip "there is no $*"
    return $status
}

cli_with() {
    make -j"$cores" MODE="$1" all || return 1
    SWITCHYARD_BUILD=build/$1 python3 tests/e2e/cli.py
}

e2e_with() {
    make -j"$cores" MODE="$1" all || return 1
    SWITCHYARD_BUILD=build/$1 scripts tests/e2e/test_*
}

# Adds up a log: sets good, bad, left.
count() {
    read -r good bad left < <(awk '
        /: Checks: [0-9]+, Failures: [0-9]+, Errors: [0-9]+/ {
            gsub(/[:,]/, " ")
            for (i = 1; i < NF; i++) v[$i] = $(i + 1)
            bad += v["Failures"] + v["Errors"]; good += v["Checks"] - v["Failures"] - v["Errors"]
        }
        /^Ran [0-9]+ tests? in /  { ran = $2 }
        /^(OK|FAILED)( |$)/ && ran != "" {
            f = 0; s = 0
            if (match($0, /failures=[0-9]+/)) f += substr($0, RSTART + 9, RLENGTH - 9)
            if (match($0, /errors=[0-9]+/))   f += substr($0, RSTART + 7, RLENGTH - 7)
            if (match($0, /skipped=[0-9]+/))  s  = substr($0, RSTART + 8, RLENGTH - 8)
            bad += f; left += s; good += (ran > f + s) ? ran - f - s : 0; ran = ""
        }
        /^ok .*# SKIP/ { left++; next }
        /^ok /         { good++ }
        /^not ok /     { bad++ }
        END { print good + 0, bad + 0, left + 0 }' "$1")
}

run_suite() { # NAME SECONDS COMMAND...
    local name=$1 limit=$2 log=$logs/$1.log started=$SECONDS status result
    shift 2
    timeout -k 20 "$limit" bash "$0" --suite "$@" >"$log" 2>&1 </dev/null
    status=$?
    count "$log"
    if [ $status -eq 77 ]; then
        skipped=$((skipped + 1))
        printf '  %-12s %s\n' "$name" "$(tail -n 1 "$log")"
        return
    fi
    if [ $status -eq 0 ] && [ $((good + bad + left)) -eq 0 ]; then good=1; fi
    if [ $status -ne 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi
    passed=$((passed + good)) failed=$((failed + bad)) skipped=$((skipped + left))
    result="$good passed"
    [ "$left" -eq 0 ] || result="$result, $left skipped"
    [ "$bad" -eq 0 ] || result="$result, $bad FAILED"
    [ $status -ne 124 ] || result="$result: not done after $limit s"
    printf '  %-12s %s (%d s)\n' "$name" "$result" $((SECONDS - started))
    [ "$bad" -eq 0 ] || { echo "  ---- the end of $log:"; tail -n 40 "$log" | sed 's/^/  | /'; }
}

if [ "${1-}" = --suite ]; then # inside of the time-out
    shift
    eval "$*"
    exit
fi
when=${1-}
case $when in
short | all) shift ;;
*) echo "usage: tests/run.sh short|all [SUITE...]" >&2; exit 2 ;;
esac
mkdir -p $logs
if [ -x deploy/bootstrap.sh ]; then
    deploy/bootstrap.sh --tests </dev/null >$logs/bootstrap.log 2>&1 ||
        { tail -n 20 $logs/bootstrap.log; echo "deploy/bootstrap.sh --tests failed"; exit 1; }
fi
while read -r name row_when limit command; do
    [ -n "$name" ] || continue
    [ $when = all ] || [ "$row_when" = short ] || continue
    [ $# -eq 0 ] || [[ " $* " = *" $name "* ]] || continue
    run_suite "$name" "$limit" "$command"
done <<<"$suites"
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
