#!/bin/sh
# What the documentation names is there: sources and folders in backticks, links, goals of make.  Names with X or NNNN are patterns.
set -u
bad=0
tracked=$(git ls-files --cached --others --exclude-standard)

missing() { # <page> <what>
    echo "$1: there is no $2" >&2
    bad=1
}
# A source may be named by the end of its path.
is_source() {
    printf '%s\n' "$tracked" | grep -q -E "(^|/)$(printf '%s' "$1" | sed 's/[.]/[.]/g')\$"
}
named() { # <page> <pattern of what stands in backticks>
    grep -oE "\`$2\`" "$1" | tr -d '\`' | sort -u
}

for page in $(git ls-files '*.md'); do
    for name in $(named "$page" '[A-Za-z0-9_./-]+\.(c|h|sh|py|sql|awk|def|css|js)'); do
        case $name in *X.* | NNNN* | */NNNN*) continue ;; esac
        is_source "$name" || missing "$page" "$name"
    done
    for name in $(named "$page" '(server|worker|shared|cli|migrations|web|deploy|docs|tests|tools)/[A-Za-z0-9_./-]*'); do
        case $name in *X* | *NNNN*) continue ;; esac
        [ -e "$name" ] || is_source "$name" || missing "$page" "$name"
    done
    for link in $(grep -oE '\]\([^)# ]+' "$page" | cut -c3- | grep -v '^http'); do
        [ -e "$(dirname "$page")/$link" ] || missing "$page" "$link"
    done
    for goal in $(grep -oE '(^ +|`)make [a-z][a-z-]*' "$page" | sed 's/.*make //' | sort -u); do
        grep -qE "^([a-z-]+ )*$goal( [a-z-]+)*:" Makefile || missing "$page" "make $goal"
    done
done
exit $bad
