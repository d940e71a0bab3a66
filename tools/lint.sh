#!/bin/sh
# make lint: include rules, names in the documentation, format, headers that compile alone, clang-tidy.
# FILES="a.c b.c": format and clang-tidy of these.  What was found good is not looked at again: build/lint.
set -u
cd "$(dirname "$0")/.."
for tool in clang-format-14 clang-tidy-14; do
    command -v $tool >/dev/null || { echo "lint: $tool is not installed: deploy/bootstrap.sh --tests"; exit 1; }
done
bad=0
goals=lint-files
if [ -n "${FILES:-}" ]; then
    clang-format-14 --dry-run -Werror $FILES || bad=1
    goals=$(printf 'build/lint/%s.tidy ' $FILES)
fi
sh tools/check-includes.sh || bad=1
sh tools/check-docs.sh || bad=1
make --no-print-directory -s -k -j"$(nproc)" $goals || bad=1
[ $bad = 0 ] || echo "lint: look at the lines above; make format mends the format"
exit $bad
