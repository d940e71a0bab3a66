#!/bin/bash
# firmware.build in a real container: Podman with runc over an image made of this machine's own cross compiler.
#
# Nothing is fetched, and neither the containers nor the configuration of the machine is touched: storage, configuration and
# image are in a folder of the test.  The source's Makefile prints the content of a file that only the image has.
set -eu
cd "$(dirname "$0")/../.."
for program in podman runc make git tar arm-none-eabi-gcc; do
    command -v $program >/dev/null || { echo "skipped: $program is not installed"; exit 77; }
done
[ "$(id -u)" = 0 ] || { echo "skipped: containers without root need more set-up than a test may do"; exit 77; }
worker=$PWD/${SWITCHYARD_BUILD:-build/debug}/switchyard-worker
image=localhost/switchyard-test-arm
failed=0
count=0
dir=$(mktemp -d)
export CONTAINERS_CONF=$dir/containers.conf CONTAINERS_STORAGE_CONF=$dir/storage.conf
export CONTAINERS_REGISTRIES_CONF=$dir/registries.conf
: >"$CONTAINERS_REGISTRIES_CONF"
registry=
trap 'podman rm -fa >/dev/null 2>&1; [ -z "$registry" ] || kill $registry; rm -rf --one-file-system "${dir:?}"' EXIT

check() { # NAME STATUS: of the command before
    count=$((count + 1))
    if [ "$2" = 0 ]; then
        echo "ok $count - $1"
    else
        failed=1
        echo "not ok $count - $1"
        sed 's/^/# /' "$dir/out"
    fi
}

# Older kernels' mixed cgroups and hard limits below Podman's own stop the defaults; a compiler needs no network.
printf '%s\n' '[containers]' 'netns = "none"' 'default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]' \
    '[engine]' 'runtime = "runc"' 'cgroup_manager = "cgroupfs"' 'events_logger = "none"' >"$dir/containers.conf"
printf '%s\n' '[storage]' 'driver = "vfs"' "graphroot = \"$dir/storage\"" "runroot = \"$dir/run\"" >"$dir/storage.conf"

# A shell, make, and of the cross compiler what C for these two cores needs, each with its libraries.
compiler() { arm-none-eabi-gcc -mthumb -mfloat-abi=soft "$@"; }
files() {
    local program path
    echo /bin/sh
    for program in mkdir printf rm sleep make arm-none-eabi-gcc arm-none-eabi-objcopy arm-none-eabi-size arm-none-eabi-as arm-none-eabi-ld; do
        type -P $program
    done
    for program in cc1 collect2 as ld; do
        compiler -print-prog-name=$program
    done
    compiler -print-file-name=liblto_plugin.so
    compiler -print-file-name=include
    for path in cortex-m3 cortex-m4; do
        compiler -mcpu=$path -print-libgcc-file-name
    done
}
files | while read -r path; do
    # Both the path by which the compiler asks, and what a link leads to.
    realpath -s "$path"
    realpath "$path"
    [ ! -f "$path" ] || ldd "$path" 2>/dev/null | grep -o '/[^ ]*' || true
done | sort -u >"$dir/files"
mkdir -p "$dir/image/etc" "$dir/image/tmp"
tar -C / -cf - --dereference -T "$dir/files" 2>/dev/null | tar -C "$dir/image" -xf -
chmod 1777 "$dir/image/tmp"
mark=image-$$-$RANDOM
echo $mark >"$dir/image/etc/mark"
tar -C "$dir/image" -cf "$dir/image.tar" .
podman import "$dir/image.tar" $image >"$dir/out" 2>&1 || { check "the image" 1; exit 1; }
podman run --rm --init $image /bin/sh -c 'exit 3' >"$dir/out" 2>&1 && status=0 || status=$?
[ $status = 3 ] || { tail -n 1 "$dir/out"; echo "skipped: Podman cannot start containers here"; exit 77; }

cp -r deploy/demo/firmware "$dir/firmware"
printf '\n$(info mark: $(file </etc/mark))\nslow: ; sleep 60\n' >>"$dir/firmware/Makefile"
git -C "$dir/firmware" init -q -b main
git -C "$dir/firmware" add -A
git -C "$dir/firmware" -c user.name=t -c user.email=t@t commit -q -m t

flow() { # FILE, further members of the build's `with` on standard input
    cat >"$1" <<'END'
name: build
tasks:
  source:
    uses: git.clone
    with: {url: "{{ parameters.repository }}"}
  header:
    uses: model.header
    with: {model: "{{ parameters.model }}", path: model.h}
  image:
    uses: firmware.build
    needs: [source, header]
    with:
      target: netduinoplus2
      header: model.h
      build_id: in-a-container
END
    cat >>"$1"
    cat >>"$1" <<'END'
  figures:
    uses: shell
    needs: [image]
    with:
      run: "echo figures: {{ tasks.image.outputs.flash_bytes }} {{ tasks.image.outputs.ram_bytes }} {{ tasks.image.outputs.result }}"
parameters:
  repository: {type: string}
  model: {type: string}
END
}
build() { # NAME: runs $dir/NAME.yaml in $dir/NAME
    timeout 120 "$worker" flow run "$dir/$1.yaml" --work "$dir/$1" --data "$dir/data" --param "repository=$dir/firmware" \
        --param "model=$PWD/deploy/demo/models/fc-tiny.tflite" >"$dir/out" 2>&1
}
in_out() { grep -q -- "$1" "$dir/out"; }

flow "$dir/host.yaml" </dev/null
build host && status=0 || status=$?
check "on this machine: a build to compare with" $status
! in_out "$mark" && status=0 || status=$?
check "which does not see the image's file" $status
wanted=$(grep -o 'figures: [0-9]* [0-9]* ok' "$dir/out" | head -n 1)

flow "$dir/boxed.yaml" <<<"      engine: podman
      container: $image"
build boxed && status=0 || status=$?
check "in the container" $status
in_out "mark: $mark" && status=0 || status=$?
check "make ran inside of it" $status
[ -n "$wanted" ] && in_out "$wanted" && status=0 || status=$?
check "flash and RAM are those of the machine's own build ($wanted)" $status
arm-none-eabi-size "$dir/boxed/build/firmware.elf" >"$dir/size" 2>&1 && grep -qa in-a-container "$dir/boxed/build/firmware.elf" &&
    status=0 || status=$?
check "the image is in the run's folder and carries the build id" $status

flow "$dir/broken.yaml" <<<"      engine: podman
      container: $image
      args: [\"CFLAGS=-DMAIN(\"]"
build broken && status=1 || { in_out 'make ended with status 2' && status=0 || status=1; }
check "a build that fails in it says so" $status

flow "$dir/absent.yaml" <<<"      engine: podman
      container: localhost/switchyard-none"
build absent && status=1 || { in_out 'switchyard-none' && status=0 || status=1; }
check "an image that is not there is named" $status

flow "$dir/slow.yaml" <<<"      engine: podman
      container: $image
      args: [slow]
      timeout: 5s"
build slow && status=1 || { in_out "make did not end in time" && status=0 || status=1; }
check "a time-out ends the build" $status
podman ps -aq >"$dir/out" 2>&1
[ ! -s "$dir/out" ] && status=0 || status=1
check "no container is left" $status

# An agent that is killed in the middle of a build leaves its container at work in the kept tree; the next build ends it.
flow "$dir/kept.yaml" <<<"      engine: podman
      reuse: true
      timeout: 30s
      container: $image"
build kept && status=0 || status=$?
check "in a kept tree" $status
key=$(basename "$(ls -d "$dir"/data/builds/*/)")
: >"$dir/data/builds/$key/dirty"
name=switchyard-build-$(printf %s "$(realpath "$dir")/data/builds/$key" | sha256sum | cut -c1-16)
podman run -d --rm --init --name "$name" --volume "$dir:$dir" $image \
    /bin/sh -c "while :; do echo late >$dir/data/builds/$key/out/model.o; sleep 0.1; done" >"$dir/out" 2>&1
sleep 1
grep -q late "$dir/data/builds/$key/out/model.o" && status=0 || status=$?
check "a container of a killed agent spoils its objects" $status
sed -i 's/in-a-container/in-a-new-house/' "$dir/kept.yaml"
build kept && in_out "$wanted" && [ -z "$(podman ps -q --filter "name=$name")" ] && status=0 || status=1
check "and is ended before the next build" $status

# From a registry: the image is nowhere but there.
if command -v docker-registry >/dev/null; then
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    printf '%s\n' 'version: 0.1' 'log: {level: warn}' "storage: {filesystem: {rootdirectory: $dir/blobs}}" \
        "http: {addr: '127.0.0.1:$port'}" >"$dir/registry.yml"
    printf '%s\n' '[[registry]]' "location = \"127.0.0.1:$port\"" 'insecure = true' >"$dir/registries.conf"
    docker-registry serve "$dir/registry.yml" >"$dir/registry.log" 2>&1 &
    registry=$!
    for _ in $(seq 100); do
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
        sleep 0.1
    done
    remote=127.0.0.1:$port/lab/arm:1
    podman tag $image $remote >"$dir/out" 2>&1 && podman push --digestfile "$dir/digest" $remote >>"$dir/out" 2>&1 && status=0 || status=$?
    check "the image goes into a registry" $status
    podman rmi -f $remote $image >"$dir/out" 2>&1
    flow "$dir/pulled.yaml" <<<"      engine: podman
      container: $remote"
    build pulled && in_out "mark: $mark" && in_out "$wanted" && status=0 || status=1
    check "and is fetched from there for a build" $status
    podman rmi -fa >"$dir/out" 2>&1
    flow "$dir/pinned.yaml" <<<"      engine: podman
      reuse: true
      container: ${remote%:1}@$(cat "$dir/digest")"
    build pinned && in_out "mark: $mark" && in_out "$wanted" && status=0 || status=1
    check "also by its digest, with a kept tree" $status
    flow "$dir/unknown.yaml" <<<"      engine: podman
      container: 127.0.0.1:$port/lab/arm:2"
    build unknown && status=1 || { in_out 'lab/arm:2' && status=0 || status=1; }
    check "a tag that the registry has not is named" $status
else
    echo "# docker-registry is not installed: no image was fetched"
fi

echo "1..$count"
exit $failed
