# shellcheck shell=bash
# boots: plain
# short: no
# This kernel's overlayfs, XFS and btrfs: the suite's round trips of changes, and cloning.

# How many random trees; each is made, changed and restored.
export CRUTILS_ROUND_TRIPS=10

# of_the_suite TEST...: these tests, of which there have to be some
of_the_suite() {
    local said
    # That one sets user xattrs on a tmpfs, which has them from Linux 6.6 on.
    said=$(suite "$@" --show-output --skip the_attributes_of_another_overlay_are_the_containers_own 2>&1) ||
        { echo "$said" && return 1; }
    echo "$said"
    grep '^test result: ok. [1-9]' <<<"$said"
}

# Here are the file systems that can share blocks. What only copies much takes too long on an emulated processor.
clones() {
    local said
    said=$(of_the_suite clone::clone_ --skip clone_into) || { echo "$said" && return 1; }
    echo "$said"
    fails grep -iE 'skipped: (xfs|btrfs)' <<<"$said"
}

# mounted KIND [OPTION]: a file system on a loop device at /KIND
mounted() {
    mountpoint -q "/$1" && return
    mkdir "/$1" && truncate -s 1G "/$1.img"
    "mkfs.$1" -q "/$1.img"
    # XFS allocates more than is written, and what of it is a hole changes by itself; with this it doesn't.
    mount -o "loop${2:+,$2}" "/$1.img" "/$1"
    mkdir "/$1/tmp" "/$1/layers"
}

# The suite has its layers on a tmpfs. Here it gets a directory of the file system instead when it mounts one.
directories_for_tmpfs() {
    mkdir -p /tmp/instead
    cat >/tmp/instead/mount <<'END'
#!/bin/bash
if [ "${*:1:3}" = '-t tmpfs tmpfs' ]; then
    exec /usr/bin/mount --bind "$(mktemp -d "$LAYERS/XXXXXX")" "$4"
fi
exec /usr/bin/mount "$@"
END
    chmod 755 /tmp/instead/mount
}

round_trips() {
    mounted "$@"
    directories_for_tmpfs
    export TMPDIR=/$1/tmp LAYERS=/$1/layers PATH=/tmp/instead:$PATH
    of_the_suite changes_round_trip::
    # It was this file system.
    [ "$(find "$LAYERS" -maxdepth 1 | wc -l)" -gt "$CRUTILS_ROUND_TRIPS" ]
}

# shares FILE: whether blocks of it are another's, too
shares() {
    sync -f "$1"
    filefrag -v "$1"
    filefrag -v "$1" | grep -q shared
}

# What begins where a block begins is cloned, not copied.
import_clones() {
    mounted "$1"
    cd "/$1"
    head -c 3072 /dev/zero >pad
    head -c 8M /dev/urandom >pages-1.img
    tar --format=ustar -cf aligned.tar pad pages-1.img
    fails shares aligned.tar
    cr import "/$1/bundle" aligned.tar
    cmp pages-1.img bundle/pages-1.img
    shares bundle/pages-1.img
}

note "the kernel is $(uname -r)"
check "the suite's tests of overlays" of_the_suite changes_overlay::
check "the suite's tests of directories whose inode numbers change" of_the_suite overlay_inodes:: --skip ::rust
check "the suite's round trips on tmpfs" of_the_suite changes_round_trip::
check "the suite's round trips on XFS" round_trips xfs allocsize=4k
check 'import clones on XFS' import_clones xfs
check "the suite's round trips on btrfs" round_trips btrfs
check 'import clones on btrfs' import_clones btrfs
check "the suite's tests of cloning, on export and import" clones
