#!/bin/sh
# with-postgres.sh COMMAND...: runs it with DATABASE_URL of a fresh private PostgreSQL, which is stopped afterwards.
set -eu
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
dir=$(mktemp -d "${TMPDIR:-/tmp}/sy-pg.XXXXXX")
as() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; else "$@"; fi; }
stop() { as "$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$dir"; }
trap stop EXIT INT TERM
[ "$(id -u)" != 0 ] || chown postgres "$dir"
as "$bin/initdb" -N -A trust -U switchyard -E UTF8 --locale=C.UTF-8 -D "$dir/data" >/dev/null
as "$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -w -o "-h '' -k $dir -c fsync=off" start >/dev/null
DATABASE_URL="host=$dir user=switchyard dbname=postgres" "$@"
