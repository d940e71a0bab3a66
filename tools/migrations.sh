#!/bin/sh
# migrations.sh <folder>: prints one row per migration, in order:
#   MIGRATION(number, "name", "sha256", "text")
set -eu
for f in $(find "$1" -name '[0-9]*.sql' | LC_ALL=C sort); do
    name=$(basename "$f" .sql)
    sum=$(sha256sum < "$f" | cut -c1-64)
    printf 'MIGRATION(%d, "%s", "%s",\n' "$(echo "${name%%_*}" | sed 's/^0*//')" "$name" "$sum"
    sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/    "/' -e 's/$/\\n"/' "$f"
    printf ')\n'
done
