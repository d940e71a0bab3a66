#!/bin/sh
# make lint: include rules, format, clang-tidy (FILES="a.c b.c" for a few files).
set -u
cd "$(dirname "$0")/.."
bad=0
files=${FILES:-$(git ls-files 'server/*.c' 'worker/*.c' 'shared/*.c' 'cli/*.c' 'tools/*.c')}
headers=$(git ls-files 'server/*.h' 'worker/*.h' 'shared/*.h' 'cli/*.h' 'tools/*.h' | grep -v '_rows.h') # rows keep their form
format=$(command -v clang-format-14 || command -v clang-format) || { echo "lint: clang-format is not installed"; exit 1; }
tidy=$(command -v clang-tidy-14 || command -v clang-tidy) || { echo "lint: clang-tidy is not installed"; exit 1; }

make -s generated # headers and sources include what is generated
sh tools/check-includes.sh || bad=1
"$format" --dry-run -Werror $files ${FILES:-$headers} || { echo "lint: run make format"; bad=1; }
for h in $headers; do
    echo "#include \"$h\"" | ${CC:-cc} -std=gnu17 -D_GNU_SOURCE -fsyntax-only -I. -Ibuild/debug/gen $(pkg-config --cflags cairo libpq libuv) -x c - ||
        { echo "lint: $h does not compile alone"; bad=1; }
done
flags="-std=gnu17 -D_GNU_SOURCE -DFAULTS=1 -DVERSION=\"lint\" -I. -Ibuild/debug/gen $(pkg-config --cflags cairo libpq libuv libmicrohttpd)"
printf '%s\n' $files | xargs -P "$(nproc)" -n 8 sh -c \
    'tidy=$1 flags=$2; shift 2; exec "$tidy" --quiet --warnings-as-errors="*" "$@" -- $flags 2>/dev/null' - "$tidy" "$flags" || bad=1
exit $bad
