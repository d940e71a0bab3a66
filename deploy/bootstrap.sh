#!/bin/sh
# Installs the Debian packages that building and the demo need; with --tests also those of `make test`.
# Debian 12 or newer, Ubuntu 22.04 or newer; as root or with sudo.  Does nothing when all are there.
set -u

build='gcc libc6-dev make pkg-config libmicrohttpd-dev libuv1-dev libpq-dev libdeflate-dev
    libjansson-dev libpcre2-dev libcurl4-openssl-dev libssl-dev libyaml-dev libsqlite3-dev
    libcairo2-dev libwslay-dev check'
demo='postgresql tzdata git ca-certificates gcc-arm-none-eabi qemu-system-arm fonts-dejavu-core'
tests='python3 python3-venv python3-pip curl clang-14 clang-format-14 clang-tidy-14 libclang-rt-14-dev
    radosgw ceph-mon ceph-osd ceph-common docker-registry chromium json-schema-test-suite
    podman runc catatonit'
command -v node >/dev/null && command -v npm >/dev/null || tests="$tests nodejs npm"

say() { echo "bootstrap: $*"; }
die() {
    say "$*" >&2
    exit 1
}

wanted="$build $demo"
optional=
case "${1:-}" in
'') ;;
--tests) optional=$tests ;;
*) die "unknown option $1; usage: deploy/bootstrap.sh [--tests]" ;;
esac

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing_of() {
    for package in "$@"; do
        is_installed "$package" || printf '%s ' "$package"
    done
}

command -v apt-get >/dev/null && command -v dpkg-query >/dev/null ||
    die "this is no Debian or Ubuntu (there is no apt-get). Install what matches these Debian packages: $(echo $wanted)"
# pkgconf took over the name pkg-config.
is_installed pkgconf && wanted=$(echo "$wanted" | sed 's/pkg-config//')

missing=$(missing_of $wanted)
missing_optional=$(missing_of $optional)
[ -n "$missing$missing_optional" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; } ||
        die "packages are missing, and this is neither root nor may it use sudo. Ask for: apt-get install $missing$missing_optional"
    as_root=sudo
fi

log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT

apt() {
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@" \
        >"$log" 2>&1
}

# A failed step ends with apt's own complaint and one sentence.
must() {
    what=$1
    shift
    apt "$@" && return
    grep -E '^(E|W|dpkg):|error|No space left' "$log" | tail -5 >&2
    if grep -q 'No space left\|enough free space' "$log"; then
        die "$what failed: the disk is full; about 2 GB are needed"
    fi
    die "$what failed: look at the lines above, check the network and the package sources, and run it again"
}

say "updating the list of packages"
must "apt-get update" update

# Only the programs of PostgreSQL are needed: no cluster of the system shall be made or started for our sake.
if echo " $missing" | grep -q ' postgresql ' && ! is_installed postgresql-common; then
    must "installing postgresql-common" install --no-install-recommends postgresql-common
    $as_root sed -i 's/^#*create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
fi

# What only some tests use may not exist on this release; those tests are then skipped.
for package in $missing_optional; do
    if apt-cache show "$package" >/dev/null 2>&1; then
        missing="$missing$package "
    else
        say "not available here: $package; the tests that need it will be skipped"
    fi
done

[ -n "$missing" ] || exit 0
say "installing $(echo $missing | wc -w) packages (a few minutes): $(echo $missing)"
must "apt-get install" install --no-install-recommends $missing
say "done"
