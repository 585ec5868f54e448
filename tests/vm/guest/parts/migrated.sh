# shellcheck shell=bash
# boots: containers
# A container that podman can't export, for it has put a directory in the place of a file of its image: runc and the
# library move it, as examples/c/cr-migrate.c does.
. /vm/containers.sh

# And what runc and CRIU had to say if it failed.
migrate() {
    cr-migrate --image "$d/image" "$@" || { grep -h -e level=error -e Error "$d"/*/*.log && false; }
}

podman_cannot() {
    start unexportable all
    fails podman container checkpoint --export /tmp/unexportable.tar unexportable 2>/tmp/unexportable.why
    grep 'etc/app/type/inside: not a directory' /tmp/unexportable.why
    podman rm --force --time 0 unexportable
}

# A bundle for runc, and the image without podman.
make_bundle() {
    image_copy "$d/image"
    mkdir "$d/here"
    runc spec --bundle "$d/here"
    sed -i -e 's/"terminal": true/"terminal": false/' -e 's/"readonly": true/"readonly": false/' \
        -e 's|"sh"|"/bin/workload", "all"|' \
        -e 's/"CAP_KILL"/"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID"/' \
        "$d/here/config.json"
}

# as_it_was PLACE: mounts what a container saw that was moved away, at PLACE-was
as_it_was() {
    mkdir "$d/$1-was"
    mount -t overlay -o "ro,lowerdir=$d/$1/upper:$d/image" overlay "$d/$1-was"
}

# goes_on PLACE OLD: its process counts on from where the container in the old place was, with its file and its /dev/shm
goes_on() {
    local before
    before=$(counter "$d/$2-was")
    await counts_beyond "$d/$1/rootfs" "$before"
    counted_on "$d/$1/rootfs"
    goes_on_inside "/proc/$(runc state mover | sed -n 's/.*"pid": \([0-9]*\),.*/\1/p')" "$before"
}

# same_but_growing PLACE OLD: the root file systems are equal, the root's own attributes included, but for the one file
# that the process goes on writing to
same_but_growing() {
    runc pause mover
    cmp -n "$(stat -c %s "$d/$2-was/data/growing")" "$d/$2-was/data/growing" "$d/$1/rootfs/data/growing"
    differences "$d/$2-was" "$d/$1/rootfs" >"$LOGS/moved-$1" || true
    same differences "$(grep -v '^"data/growing": ' "$LOGS/moved-$1")" ''
    same 'the root' "$(stat -c '%a %u:%g %y' "$d/$1/rootfs")" "$(stat -c '%a %u:%g %y' "$d/$2-was")"
    same content "$(cat "$d/$1/rootfs/etc/app/type/inside")" inside
    runc resume mover
}

it_runs() {
    make_bundle
    migrate run "$d/here" mover
    await [ -e "$d/here/rootfs/ready" ]
    add_xattrs "$d/here/rootfs"
    chmod 711 "$d/here/rootfs"
}

# What it would have to leave behind, if it couldn't stay.
without_an_archive_it_stays() {
    local before
    before=$(counter "$d/here/rootfs")
    fails cr-migrate --image "$d/image" checkpoint "$d/here" mover - >/dev/full
    await counts_beyond "$d/here/rootfs" "$before"
    counted_on "$d/here/rootfs"
}

it_moves() {
    local digest
    migrate checkpoint "$d/here" mover "$d/mover.tar.zst" >"$d/digest"
    cr-inspect "$d/mover.tar.zst"
    read -r digest _ <"$d/digest"
    as_it_was here
    [ -e "$d/mover.tar.zst" ]
    fails cr-migrate --image "$d/image" --expect "${digest//[0-9]/0}" restore "$d/there" mover "$d/mover.tar.zst"
    [ ! -e "$d/there" ]
    migrate --expect "$digest" restore "$d/there" mover "$d/mover.tar.zst"
    goes_on there here
    same_but_growing there here
    # There can't be two of them; of the attempt a log is left, and the first one goes on.
    fails cr-migrate --image "$d/image" restore "$d/twice" mover "$d/mover.tar.zst"
    same 'what is left' "$(cd "$d/twice" && echo *)" runtime.log
    runc exec mover cat /dev/shm/counter
}

it_moves_through_a_pipe() (
    set -o pipefail
    migrate checkpoint "$d/there" mover - | migrate restore "$d/elsewhere" mover -
    as_it_was there
    goes_on elsewhere there
    same_but_growing elsewhere there
)

d=/tmp/migrate
mkdir $d
check 'an image is there' make_image
[ -n "$SHORT" ] || check 'podman cannot export a directory in the place of a file' podman_cannot
check 'the container runs' it_runs
check 'without an archive it stays' without_an_archive_it_stays
check 'it moves, and its root file system with it' it_moves
[ -n "$SHORT" ] || check 'it moves on through a pipe' it_moves_through_a_pipe
runc delete --force mover || true
