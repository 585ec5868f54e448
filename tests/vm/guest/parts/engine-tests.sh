# shellcheck shell=bash
# boots: engine-tests
# short: native
# podman's own checkpoint tests (test/system), with podman 4.3.1 on this library and with Debian's. Their output is
# build/vm/engine-tests/engine-tests/bats-*.log.
[ -e /vm/podman/podman.dynamic ] || { skip 'podman on the library' "it wasn't built" && return 0; }
. /vm/engines.sh

# What this system lacks of bats.
tar -xf /vm/podman/bats.tar -C / --keep-directory-symlink --skip-old-files
ldconfig

# podmans_tests ENGINE: of test/system
podmans_tests() {
    engine=$1
    clean
    podman image exists quay.io/libpod/testimage:20220615 || {
        rm -rf /tmp/testimage
        mkdir -p /tmp/testimage/{bin,dev,proc,sys,tmp,etc,run}
        cp /usr/bin/busybox /tmp/testimage/bin
        for name in sh cat top rm mv sleep touch true echo; do ln -s busybox /tmp/testimage/bin/$name; done
        ln -s busybox /tmp/testimage/bin/busybox-extras
        add_flock /tmp/testimage
        tar -C /tmp/testimage -c . | podman import --quiet - quay.io/libpod/testimage:20220615
    }
    # The tests take what podman warns of for what it prints.
    (cd /vm/podman/system && PODMAN="${engines[$engine]} --runtime runc --log-level error" PODMAN_TIMEOUT=300 \
        bats --tap 520-checkpoint.bats) >"$LOGS/bats-$engine.log" 2>&1
}

tried=(plain dynamic static)
[ "$SHORT" != yes ] || tried=(dynamic)
for engine in "${tried[@]}"; do podmans_tests "$engine"; done
[ "$SHORT" != yes ] || ! grep -q '^not ok ' "$LOGS/bats-dynamic.log" || podmans_tests plain
for number in 1 2 3 4; do
    name=$(sed -n "s/^\(not \)\?ok $number //p" "$LOGS/bats-dynamic.log" | head -n 1)
    found=()
    for engine in plain dynamic static; do
        if [ ! -e "$LOGS/bats-$engine.log" ]; then
            found+=('not tried')
        elif grep -q "^ok $number " "$LOGS/bats-$engine.log"; then
            found+=(passed)
        else
            found+=(failed)
        fi
    done
    row "podman's test/system: ${name:-number $number}" "${found[@]}"
    verdict "podman's test/system: ${name:-number $number}" "${found[@]}"
done
