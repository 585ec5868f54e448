# shellcheck shell=bash
# boots: containers
# A container that has rewritten files of its image, and one that has put a directory in the place of one: the library
# finds the changes in the container's overlay and writes the diff; what is restored from it has them.
. /vm/containers.sh

# remade ARCHIVE NAME: podman's archive of a container, with the library's own diff of it in the place of podman's
remade() {
    local d=/tmp/remade/$2
    mkdir -p "$d"
    tar -xpf "$1" -C "$d"
    own_diff "$2" "$d"
    rm "$d/changes"
    tar -cf "$d.tar" -C "$d" .
}

modified_content_is_applied() {
    start modified podman
    checkpoint --export /tmp/modified.tar modified
    remade /tmp/modified.tar modified
    cr import /tmp/modified.bundle /tmp/remade/modified.tar
    image_copy /tmp/modified.root
    same before "$(cat /tmp/modified.root/etc/app/main.conf)" 'etc/app/main.conf of the image'
    cr apply /tmp/modified.bundle /tmp/modified.root
    cr delete /tmp/modified.bundle /tmp/modified.root
    same after "$(cat /tmp/modified.root/etc/app/main.conf)" $'etc/app/main.conf of the image\nchanged'
    same_trees "$(merged modified)" /tmp/modified.root
}

another_type_is_applied() {
    start type all
    checkpoint --ignore-rootfs --export /tmp/type.tar type
    remade /tmp/type.tar type
    cr import /tmp/type.bundle /tmp/remade/type.tar
    image_copy /tmp/type.root
    cr apply /tmp/type.bundle /tmp/type.root
    cr delete /tmp/type.bundle /tmp/type.root
    same content "$(cat /tmp/type.root/etc/app/type/inside)" inside
    same_trees "$(merged type)" /tmp/type.root
}

# podman reads the library's diff, and the process goes on. What is different then is the file that the process writes to,
# holes, which podman fills, and the times of directories that it has removed something from.
podman_restores() {
    local old new before
    old=$(merged "$1")
    before=$(counter "$old")
    podman container restore --import "/tmp/remade/$1.tar" --name "$1-restored"
    new=$(podman mount "$1-restored")
    await counts_beyond "$new" "$before"
    podman stop --time 0 "$1-restored"
    differences "$old" "$new" >"$LOGS/restored-$1" || true
    same differences "$(grep -v -e '^"data/growing": ' -e ': data map ' "$LOGS/restored-$1" |
        less_times_of_directories "$old")" ''
}

check 'an image is there' make_image
check 'modified content is applied' modified_content_is_applied
check 'podman restores modified content' podman_restores modified
[ -z "$SHORT" ] || { skip 'an object of another type' 'this is the short form' && return 0; }
check 'an object of another type is applied' another_type_is_applied
check 'podman restores an object of another type' podman_restores type
