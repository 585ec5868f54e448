# shellcheck shell=bash
# boots: engine-e2e
# short: native
# podman's own end-to-end tests of checkpoints (test/e2e/checkpoint_test.go), with podman 4.3.1 on this library and with
# Debian's. Their output is build/vm/engine-e2e/engine-e2e/e2e-*.log.
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

# tried ENGINE [TEST]: what became of each test: passed or failed (one that failed was tried twice), in $of_ENGINE by name
declare -A of_plain=() of_dynamic=()
tried() {
    local -n results=of_$1
    local line name=
    while IFS= read -r line; do
        case $line in
            'Podman checkpoint ') read -r name ;;
            'S [SKIPPING]'*) [ "$1" = plain ] || note "podman's test/e2e skips: $name" ;;
            '• Failure'*) results[${name:-none}]=failed ;;
            '•'*) results[$name]=passed ;;
        esac
    done < <(e2e "$@")
    grep -qa ' Passed | ' "$LOGS/e2e-$1.log" || echo "FAILED $PART ($BOOT): podman's test/e2e didn't get to its end with $1" >&3
}
# sum ENGINE
sum() {
    local -n results=of_$1
    echo "$(grep -c passed < <(printf '%s\n' "${results[@]}")) of ${#results[@]} passed"
}

# One test counts the changes after a restore. CRIU makes a directory in the container's /tmp, and removes it: the time of /tmp
# is a change, which the library keeps and podman's own code leaves out.
counted='podman checkpoint and restore container with root file-system changes'
fails_by_count() {
    [ "$1" = "$counted" ] && grep -qaF '["C /etc", "D /etc/motd", "A /test.output", "C /tmp"]' "$LOGS/e2e-dynamic.log"
}

engine=plain
check 'images are made' images
if [ "$SHORT" = yes ]; then
    one='podman checkpoint container with export (migration)'
    tried dynamic "$one"
    [ "${of_dynamic[$one]:-}" = passed ] || tried plain "$one"
else
    tried dynamic
    tried plain
    row "podman's test/e2e" "$(sum plain)" "$(sum dynamic)"
fi
for name in "${!of_dynamic[@]}"; do
    plain=${of_plain[$name]:-not tried} dynamic=${of_dynamic[$name]}
    [ "$plain" = passed ] && [ "$dynamic" = passed ] || row "podman's test/e2e: $name" "$plain" "$dynamic"
    if [ "$dynamic" = failed ] && fails_by_count "$name"; then
        note "podman's test/e2e: $name: fails with the library, which keeps the time of /tmp (plain podman: $plain)"
    else
        verdict "podman's test/e2e: $name" "$plain" "$dynamic"
    fi
done
