# shellcheck shell=bash
# boots: containers
# Archives that the library makes of what podman has checkpointed: podman restores them, and the processes go on.
. /vm/containers.sh

# An archive of podman's is taken apart, and made again of what was in it.
a_bundle() {
    local before
    start bundle podman --volume bundle:/volume
    checkpoint --export /tmp/bundle.tar bundle
    before=$(counter "$(merged bundle)")
    forget_container bundle
    cr-import --strict --config --bundle /tmp/bundle /tmp/bundle.tar
    cr-export --compress gzip /tmp/bundle /tmp/bundle.own
    podman container restore --import /tmp/bundle.own --name bundle-restored
    container_goes_on bundle-restored "$before"
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
    forget_container own
    podman container restore --import /tmp/own.own --name own-restored
    container_goes_on own-restored "$before"
    root=$(podman mount own-restored)
    same 'changed file' "$(cat "$root/etc/app/main.conf")" $'etc/app/main.conf of the image\nchanged'
    same 'a directory for a file' "$(cat "$root/etc/app/type/inside")" inside
    podman rm --force --time 0 own-restored
}

check 'an image is there' make_image
check 'podman restores what the library has made of a bundle' a_bundle
[ -z "$SHORT" ] || { skip 'changes, a volume and /dev/shm of the system' 'this is the short form' && return 0; }
check 'podman restores changes, a volume and /dev/shm that the library has found' all_of_our_own
