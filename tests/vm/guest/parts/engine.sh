# shellcheck shell=bash
# boots: engine
# short: native
# podman 4.3.1 on this library, beside Debian's own: what people do with checkpoints. The table of both is
# build/vm/engine/engine/table.
[ -e /vm/podman/podman.dynamic ] || { skip 'podman on the library' "it wasn't built" && return 0; }
. /vm/engines.sh

with_compression() { exported podman --compress "$1" && restored && goes_on c "$before"; }
in_place() {
    start c podman
    checkpoint c
    before=$(counter "$(merged c)")
    podman container restore c
    goes_on c "$before"
}
leave_running() {
    start c podman
    checkpoint --leave-running --export /tmp/e.tar c
    same 'it runs' "$(podman inspect --format '{{.State.Running}}' c)" true
    podman rm --force --time 0 c
    restored
    # What the container wrote between its checkpoint and the export is in the archive as well.
    before=$(counter "$(podman mount c)")
    await counts_beyond "$(podman mount c)" "$before"
}
previous() {
    start c quiet
    checkpoint --pre-checkpoint --export /tmp/pre.tar c
    checkpoint --with-previous --export /tmp/e.tar c
    before=$(counter "$(merged c)")
    podman rm --force --time 0 c
    restored --import-previous /tmp/pre.tar
    goes_on c "$before"
}
volume() {
    start c quiet --volume named:/volume
    checkpoint --export /tmp/e.tar c
    before=$(counter "$(merged c)")
    podman rm --force --time 0 c
    podman volume rm named
    restored
    goes_on c "$before"
    same volume "$(cat "$(podman volume inspect --format '{{.Mountpoint}}' named)/file")" content
}
bind_mount() {
    mkdir -p /tmp/bound
    start c quiet --volume /tmp/bound:/volume
    checkpoint --export /tmp/e.tar c
    before=$(counter "$(merged c)")
    podman rm --force --time 0 c
    restored
    goes_on c "$before"
    same 'bound file' "$(cat /tmp/bound/file)" content
}
ignore_rootfs() {
    podman run --detach --name c --network none image /bin/sleep 100000
    checkpoint --ignore-rootfs --export /tmp/e.tar c
    podman rm --force --time 0 c
    fails tar -tf /tmp/e.tar rootfs-diff.tar
    restored --ignore-rootfs
    same 'it runs' "$(podman inspect --format '{{.State.Running}}' c)" true
}
three_names() {
    exported podman
    for name in one two three; do restored --name $name; done
    for name in one two three; do goes_on $name "$before"; done
}
four_at_once() {
    local name process processes=()
    exported podman
    for name in one two three four; do
        restored --name $name &
        processes+=($!)
    done
    for process in "${processes[@]}"; do wait "$process"; done
    for name in one two three four; do goes_on $name "$before"; done
}
keep() {
    start c podman
    checkpoint --keep c
    before=$(counter "$(merged c)")
    podman container restore --keep c
    goes_on c "$before"
    [ -e "$(podman inspect --format '{{.StaticDir}}' c)/checkpoint/inventory.img" ]
}
removed_at_exit() {
    podman run --detach --rm --name c --network none image /bin/workload podman
    until_ready c
    checkpoint --export /tmp/e.tar c
    await fails podman container exists c
    restored
    goes_on c 1
}
# Both ends of a connection are in it. Without a network, runc restores them before the loopback device is up; and a listener
# in the background has no input, so that it would end the connection.
tcp_established() {
    # shellcheck disable=SC2016 # of the container's shell
    podman run --detach --name c image /bin/sh -c 'sleep 100000 | busybox nc -l -p 99 >/tmp/got & sleep 1
        (i=0; while :; do i=$((i + 1)); echo $i; sleep 0.1; done) | busybox nc 127.0.0.1 99'
    root=$(podman mount c)
    await grep -qx 5 "$root/tmp/got"
    checkpoint --tcp-established --export /tmp/e.tar c
    before=$(tail -n 1 "$root/tmp/got")
    podman rm --force --time 0 c
    restored --tcp-established
    await grep -qx $((before + 9)) "$(podman mount c)/tmp/got"
}
create_image() {
    start c podman
    checkpoint --create-image checkpoint-image c
    before=$(counter "$(merged c)")
    podman rm --force --time 0 c
    podman container restore checkpoint-image
    goes_on c "$before"
}
second_export() {
    exported podman
    restored
    goes_on c "$before"
    podman mount c >/tmp/c.mount
    checkpoint --export /tmp/e.tar c
    before=$(counter "$(merged c)")
    podman rm --force --time 0 c
    restored
    goes_on c "$before"
    same 'a new file' "$(cat "$(podman mount c)/data/hard")" content
}

engine=plain
check 'an image is made' make_image
both --static 'export without compression' with_compression none
both --static 'checkpoint and restore in place' in_place
! tracks_memory '--pre-checkpoint and --with-previous' || both '--pre-checkpoint and --with-previous' previous
both 'a volume' volume
# One of each kind is enough there.
[ "$SHORT" != yes ] || return 0
both 'export with gzip' with_compression gzip
both 'export with zstd' with_compression zstd
both '--leave-running' leave_running
both 'a bind mount' bind_mount
both '--ignore-rootfs' ignore_rootfs
both 'three names from one archive' three_names
both 'four restores at once' four_at_once
both '--keep' keep
both 'run --rm' removed_at_exit
both '--tcp-established' tcp_established
both '--create-image' create_image
both 'a second export' second_export
