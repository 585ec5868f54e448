# shellcheck shell=bash
# Containers to checkpoint, for the parts that need some.

podman() { command podman --runtime runc --log-level error "$@"; }

# An image of busybox and guest/workload, made once. What podman mounts over is there already, so that it needn't make
# it: what is in the upper directory is the container's own, then.
make_image() {
    local root=/tmp/image name
    ! podman image exists image || return 0
    mkdir -p $root/{bin,dev,proc,sys,tmp,data,volume,run/secrets} $root/etc/app/conf.d $root/opt/tree/below $root/opt/again
    touch $root/etc/{hosts,hostname,resolv.conf,mtab} $root/run/.containerenv
    cp /usr/bin/busybox /vm/workload $root/bin
    for name in sh cat chmod chown dd ln mkdir mkfifo mv rm sleep touch; do ln -s busybox $root/bin/$name; done
    for name in etc/app/{main.conf,mode,owner,time,type,gone} opt/tree/below/file opt/again/old opt/name; do
        echo "$name of the image" >"$root/$name"
    done
    ln -s name $root/opt/link
    tar -C $root -c . | podman import --quiet - image
}

# start NAME WORK OPTION...: a container that has done this work and counts on
start() {
    local merged
    podman create --name "$1" --network none "${@:3}" image /bin/workload "$2"
    podman start "$1"
    merged=$(podman mount "$1")
    until [ -e "$merged/ready" ]; do sleep 0.1; done
    [ "$2" = quiet ] || add_xattrs "$merged"
}

# What the container's own tools can't do.
add_xattrs() {
    setfattr -n user.name -v value "$1/data/old"
    setfattr -n trusted.name -v 0x00ff "$1/etc/app/conf.d"
    # CAP_NET_RAW, as setcap writes it.
    setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 "$1/data/executable"
    setfacl -m u:12:rw,d:g:34:rx "$1/data/shared"
}

checkpoint() { podman container checkpoint "$@"; }

# merged NAME: what a container that is stopped by a checkpoint saw at that moment
merged() { podman mount "$1"; }

# image_copy DIRECTORY
image_copy() { cp -a "$(podman image mount image)" "$1"; }

# own_diff NAME BUNDLE: its diff as the library finds it and writes it
own_diff() {
    local upper lower
    read -r upper lower < <(podman inspect --format '{{.GraphDriver.Data.UpperDir}} {{.GraphDriver.Data.LowerDir}}' "$1")
    mkdir -p "$2"
    # shellcheck disable=SC2086 # directories between colons
    cr changes "$upper" ${lower//:/ } >"$2/changes"
    cr diff "$(merged "$1")" "$2" <"$2/changes"
}

# same_trees FIRST SECOND: but for the times of directories, which change when something is made or removed in them
same_trees() {
    local differences
    differences=$(compare-trees "$1" "$2") || true
    same differences "$(less_times_of_directories "$1" <<<"$differences")" ''
}

# less_times_of_directories ROOT: lines of compare-trees, without these
less_times_of_directories() {
    local line path
    while IFS= read -r line; do
        path=${line#\"}
        path=${path%%\": mtime *}
        if [ "$path" = "${line#\"}" ] || [ ! -d "$1/$path" ]; then
            printf '%s\n' "$line"
        fi
    done
}
