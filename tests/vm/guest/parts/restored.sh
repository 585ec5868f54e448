# shellcheck shell=bash
# boots: containers
# Archives that the library makes of what podman has checkpointed: podman restores them, and the processes go on.
. /vm/containers.sh

# What is looked at is a volume's and a container's own, which podman makes anew.
forget() {
    podman rm --force --time 0 "$1"
    podman volume rm "$1"
}

# goes_on NAME OLD: a restored container counts on from where the old one was, in its memory, in the file that it has
# open, and in /dev/shm; what else was there is there
goes_on() {
    local root process before=$2
    root=$(podman mount "$1")
    await counts_beyond "$root" "$before"
    counted_on "$root"
    process=/proc/$(podman inspect --format '{{.State.Pid}}' "$1")
    goes_on_inside "$process" "$before"
    same 'the volume' "$(cat "$process/root/volume/file")" content
}

# An archive of podman's is taken apart, and made again of what was in it.
a_bundle() {
    local before
    start bundle podman --volume bundle:/volume
    checkpoint --export /tmp/bundle.tar bundle
    before=$(counter "$(merged bundle)")
    forget bundle
    cr-import --strict --config --bundle /tmp/bundle /tmp/bundle.tar
    cr-export --compress gzip /tmp/bundle /tmp/bundle.own
    podman container restore --import /tmp/bundle.own --name bundle-restored
    goes_on bundle-restored "$before"
    same 'a new file' "$(cat "$(podman mount bundle-restored)/data/hard")" content
    podman rm --force --time 0 bundle-restored
}

# The root file system's changes, the volume and /dev/shm are those that the library finds on the system; of podman's
# archive the images are left, and what it says of the container.
all_of_our_own() {
    local before upper lower root
    start own all --volume own:/volume
    mkdir -p /tmp/own.shm
    checkpoint --ignore-rootfs --ignore-volumes --export /tmp/own.tar own
    before=$(counter "$(merged own)")
    overlay own
    cr-import --strict --config --bundle /tmp/own --shm /tmp/own.shm /tmp/own.tar
    cr-export --rootfs "$(merged own)" --upper "$upper" --lower "$lower" --shm /tmp/own.shm \
        --volume own="$(podman volume inspect --format '{{.Mountpoint}}' own)" /tmp/own /tmp/own.own
    forget own
    podman container restore --import /tmp/own.own --name own-restored
    goes_on own-restored "$before"
    root=$(podman mount own-restored)
    same 'changed file' "$(cat "$root/etc/app/main.conf")" $'etc/app/main.conf of the image\nchanged'
    same 'a directory for a file' "$(cat "$root/etc/app/type/inside")" inside
    podman rm --force --time 0 own-restored
}

check 'an image is there' make_image
check 'podman restores what the library has made of a bundle' a_bundle
[ -z "$SHORT" ] || { skip 'changes, a volume and /dev/shm of the system' 'this is the short form' && return 0; }
check 'podman restores changes, a volume and /dev/shm that the library has found' all_of_our_own
