# shellcheck shell=bash
# boots: engine-e2e
# short: native
# podman's own end-to-end tests of checkpoints (test/e2e/checkpoint_test.go), with podman 4.3.1 on this library; those that
# fail with it once more with Debian's. Their output is build/vm/engine-e2e/engine-e2e/e2e-*.log.
[ -e /vm/podman/podman.dynamic ] || { skip 'podman on the library' "it wasn't built" && return 0; }
. /vm/engines.sh

# What a pod has beside its containers, in the place of a program that isn't in this system.
sed -i 's/^\[engine\]$/&\ninfra_image = "quay.io\/libpod\/alpine:latest"/' /etc/containers/containers.conf
# One test is for this distribution alone.
printf 'ID=fedora\nVERSION_ID="36"\n' >/etc/os-release

# The images that the tests look for in /tmp: busybox under the names of two, of which the tests want a command, a file and a
# message; and files for three that they don't use.
images() {
    local name
    mkdir -p /tmp/e2e/{bin,dev,proc,sys,tmp,etc,run}
    cp /usr/bin/busybox /tmp/e2e/bin
    chroot /tmp/e2e /bin/busybox --install -s /bin
    add_flock /tmp/e2e
    touch /tmp/e2e/etc/motd
    tar -C /tmp/e2e -c . | podman import --quiet --change 'CMD ["/bin/sleep", "100000"]' - quay.io/libpod/alpine:latest
    printf '#!/bin/sh\necho Ready to accept connections\nexec nc -ll -p 6379 -e cat\n' >/tmp/e2e/bin/redis
    chmod 755 /tmp/e2e/bin/redis
    tar -C /tmp/e2e -c . | podman import --quiet --change 'CMD ["/bin/redis"]' - quay.io/libpod/redis:alpine
    for name in alpine:latest redis:alpine; do
        podman save --quiet --output "/tmp/quay.io-libpod-${name/:/-}.tar" "quay.io/libpod/$name"
    done
    touch /tmp/{quay.io-libpod-cirros-latest,registry.fedoraproject.org-fedora-toolbox-36}.tar \
        /tmp/quay.io-libpod-volume-plugin-test-img-20220623.tar
}

# e2e ENGINE [TEST]: all tests, or one
e2e() {
    # All begin so.
    local focus='Podman checkpoint '
    [ -z "${2:-}" ] || focus+=$(sed 's/[^[:alnum:] ]/\\&/g' <<<"$2")'$'
    (cd /vm/podman/e2e/test/e2e &&
        PODMAN_BINARY=${engines[$1]} OCI_RUNTIME=runc CGROUP_MANAGER=cgroupfs NETWORK_BACKEND=netavark STORAGE_FS=overlay \
            ./e2e.test -ginkgo.v -ginkgo.noColor -ginkgo.flakeAttempts 2 -ginkgo.focus "$focus") </dev/null 2>&1 |
        tee -a "$LOGS/e2e-$1.log"
}

# With the library, the result of each test as it comes; one that failed is tried twice.
declare -A failed=()
passed=0
note_results() {
    local line name=
    while IFS= read -r line; do
        case $line in
            'Podman checkpoint ') read -r name ;;
            'S [SKIPPING]'*) note "podman's test/e2e skips: $name" ;;
            '• Failure'*) failed[${name:-none}]=yes ;;
            '•'*)
                unset "failed[$name]"
                passed=$((passed + 1))
                echo "ok $PART ($BOOT): podman's test/e2e: $name" >&3
                ;;
        esac
    done
}

engine=plain
check 'images are made' images
one=
[ "$SHORT" != yes ] || one='podman checkpoint container with export (migration)'
note_results < <(e2e dynamic "$one")
row "podman's test/e2e, tests of checkpoints" '' "$passed passed, ${#failed[@]} failed"
grep -qa ' Passed | ' "$LOGS/e2e-dynamic.log" || echo "FAILED $PART ($BOOT): podman's test/e2e didn't get to its end" >&3
# One test counts the changes after a restore. CRIU makes a directory in the container's /tmp, and removes it: the time of /tmp
# is a change, which the library keeps and podman's own code leaves out.
counted='podman checkpoint and restore container with root file-system changes'
for name in "${!failed[@]}"; do
    if e2e plain "$name" | grep -qa ' 1 Passed | '; then plain=passed; else plain=failed; fi
    row "podman's test/e2e: $name" $plain failed
    if [ "$name" = "$counted" ] &&
        grep -qaF '["C /etc", "D /etc/motd", "A /test.output", "C /tmp"]' "$LOGS/e2e-dynamic.log"; then
        note "podman's test/e2e: $name: fails with the library, which keeps the time of /tmp (plain podman: $plain)"
    else
        verdict "podman's test/e2e: $name" $plain failed
    fi
done
