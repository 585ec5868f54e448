# shellcheck shell=bash
# Debian's podman and the one on this library, for the parts that compare them: each adds rows to the table in its logs.
. /vm/containers.sh

printf 'log_driver = "k8s-file"\n[engine]\nevents_logger = "file"\ncgroup_manager = "cgroupfs"\n' \
    >>/etc/containers/containers.conf
modprobe -a bridge br_netfilter 2>/dev/null

declare -A engines=([plain]=/usr/bin/podman [dynamic]=/vm/podman/podman.dynamic [static]=/vm/podman/podman.static)
engine=plain
podman() { command "${engines[$engine]}" --runtime runc --log-level error "$@"; }

# attempt ENGINE NAME COMMAND...: passed or failed, in $result
attempt() {
    local log name=$2
    engine=$1
    log=$LOGS/$engine-${name//[^[:alnum:]]/-}.log
    (set -e && "${@:3}") >"$log" 2>&1 </dev/null && result=passed || result=failed
}
# row NAME PLAIN DYNAMIC [STATIC]
row() { echo "| $1 | $2 | $3 | ${4:-} |" >>"$LOGS/table"; }
# verdict NAME PLAIN OURS...: what only plain podman passes is a failure; what neither passes is told
verdict() {
    local name=$1 plain=$2
    shift 2
    if [[ " $* " != *' failed '* ]]; then
        echo "ok $PART ($BOOT): $name (plain podman: $plain)" >&3
    elif [ "$plain" = failed ]; then
        echo "note $PART ($BOOT): neither passes: $name" >&3
    else
        echo "FAILED $PART ($BOOT): $name: passes with plain podman alone" >&3
    fi
}
clean() {
    podman rm --all --force --time 0
    podman volume prune --force
    rm -rf /tmp/e.tar /tmp/pre.tar /tmp/victim /tmp/h
} >/dev/null 2>&1

# both [--static] NAME COMMAND...: plain podman, and ours; in the short form ours alone, and plain podman where ours fails
both() {
    local plain='not tried' dynamic static=
    local with_static=
    [ "$1" != --static ] || { with_static=yes && shift; }
    attempt dynamic "$@" && clean
    dynamic=$result
    if [ "$SHORT" != yes ] || [ "$dynamic" = failed ]; then
        attempt plain "$@" && clean
        plain=$result
    fi
    [ -z "$with_static" ] || [ "$SHORT" = yes ] || { attempt static "$@" && static=$result && clean; }
    row "$1" "$plain" "$dynamic" "$static"
    # shellcheck disable=SC2086 # none is no argument
    verdict "$1" "$plain" "$dynamic" $static
}

# add_flock ROOT: a program that Debian's busybox doesn't have, with its libraries
add_flock() {
    local library
    rm -f "$1/bin/flock"
    cp /usr/bin/flock "$1/bin"
    ldd /usr/bin/flock | grep -o '/[^ ]*' | while read -r library; do install -D "$library" "$1$library"; done
}
goes_on() {
    local root && root=$(podman mount "$1")
    await counts_beyond "$root" "$2"
    counted_on "$root"
}
# exported WORK OPTION...: a container c becomes /tmp/e.tar, and is no more; $before is how far it counted
exported() {
    start c "$1"
    checkpoint "${@:2}" --export /tmp/e.tar c
    before=$(counter "$(merged c)")
    podman rm --force --time 0 c
}
# restored OPTION...: /tmp/e.tar becomes a container; and what CRIU had to say if it failed
restored() {
    podman container restore --import /tmp/e.tar "$@" ||
        { find /var/lib/containers -name restore.log -exec grep Error {} + && false; }
}

printf '| | plain podman | on libcrutils | with the static library |\n| --- | --- | --- | --- |\n' >"$LOGS/table"
