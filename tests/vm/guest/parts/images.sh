# shellcheck shell=bash
# boots: containers
# short: no
# Checkpoints as OCI images: podman restores containers from images that the library has written, and what podman
# or ctr has put into an image the library imports, so that runc restores it.
. /vm/containers.sh

# recognised IMAGE NAME: podman's store has the annotations by which the engines recognise a checkpoint of this container
recognised() {
    local key value
    while read -r key value; do
        same "$key" "$(podman image inspect --format "{{index .Annotations \"$key\"}}" "$1")" "$value"
    done <<<"io.podman.annotations.checkpoint.runtime.name runc
        io.kubernetes.cri-o.annotations.checkpoint.name $2
        org.criu.checkpoint.container.name $2"
}

# restored_from IMAGE NAME OLD: podman restores a container from an image, and its process goes on
restored_from() {
    podman container restore --name "$2" "$1"
    container_goes_on "$2" "$3"
    same 'a new file' "$(cat "$(podman mount "$2")/data/hard")" content
    podman rm --force --time 0 "$2"
}

# podman's archive becomes the layer as it is.
an_archive() {
    local before
    start kept podman --volume kept:/volume
    checkpoint --export /tmp/kept.tar.zst kept
    before=$(counter "$(merged kept)")
    forget_container kept
    crutils image build /tmp/kept.tar.zst --output oci-archive:/tmp/kept.oci:localhost/kept:1
    crutils image inspect oci-archive:/tmp/kept.oci
    podman load --input /tmp/kept.oci
    recognised localhost/kept:1 kept
    restored_from localhost/kept:1 kept-restored "$before"
}

# The image is written from what the library finds on the system; of podman's archive CRIU's images are left, and what it
# says of the container.
an_export() {
    local before upper lower image
    start exported podman --volume exported:/volume
    mkdir -p /tmp/exported.shm
    checkpoint --ignore-rootfs --ignore-volumes --export /tmp/exported.tar exported
    before=$(counter "$(merged exported)")
    overlay exported
    crutils import --strict --config --bundle /tmp/exported --shm /tmp/exported.shm /tmp/exported.tar
    crutils image build /tmp/exported --output /tmp/layout:counter --rootfs "$(merged exported)" --upper "$upper" \
        --lower "$lower" --shm /tmp/exported.shm \
        --volume exported="$(podman volume inspect --format '{{.Mountpoint}}' exported)"
    forget_container exported
    image=$(podman pull --quiet oci:/tmp/layout:counter)
    recognised "$image" exported
    restored_from "$image" exported-restored "$before"
}

# podman puts the checkpoint into an image of its own making.
made_by_podman() {
    start created podman --volume created:/volume
    checkpoint --create-image localhost/created:1 created
    counter "$(merged created)" >/tmp/created.before
    podman save --quiet --format oci-archive --output /tmp/created.oci localhost/created:1
    podman save --quiet --format oci-dir --output /tmp/created.layout localhost/created:1
    crutils image inspect oci-archive:/tmp/created.oci
    crutils image inspect oci:/tmp/created.layout
}

# bundle_for_runc DIRECTORY: writes config.json, the specification of the container with what is in the directory in the place
# of what its engine has mounted
bundle_for_runc() {
    python3 - "$1" <<'END'
import json, os, sys
here = sys.argv[1]
spec = json.load(open(f"{here}/bundle/spec.dump"))
spec["root"]["path"] = f"{here}/rootfs"
for number, mount in enumerate(spec["mounts"]):
    if mount["type"] != "bind":
        continue
    source = {"/dev/shm": f"{here}/shm", "/volume": f"{here}/volume"}.get(mount["destination"])
    if source is None:
        source = f"{here}/mounted-{number}"
        (os.mkdir if os.path.isdir(f"{here}/rootfs{mount['destination']}") else os.mknod)(source)
    mount["source"] = source
json.dump(spec, open(f"{here}/bundle/config.json", "w"))
END
}

# runc_goes_on DIRECTORY OLD: runc restores the container from what was imported there, and its process goes on
runc_goes_on() {
    local process d=$1 before=$2
    bundle_for_runc "$d"
    runc --log "$d/log" restore --detach --image-path "$d/bundle/checkpoint" --work-path "$d" --bundle "$d/bundle" imported ||
        { grep -h -e level=error -e Error "$d"/{log,restore.log} && false; }
    await counts_beyond "$d/rootfs" "$before"
    counted_on "$d/rootfs"
    process=/proc/$(runc state imported | sed -n 's/.*"pid": \([0-9]*\),.*/\1/p')
    goes_on_inside "$process" "$before"
    [ ! -e "$d/volume" ] || same 'the volume' "$(cat "$process/root/volume/file")" content
    same 'a new file' "$(cat "$d/rootfs/data/hard")" content
    fails [ -e "$d/rootfs/etc/app/gone" ]
    runc delete --force imported
}

# restored_by_runc IMAGE DIRECTORY: the library imports an image of podman's, and runc restores the container from it
restored_by_runc() {
    local d=$2
    mkdir -p "$d/shm" "$d/volume"
    image_copy "$d/rootfs"
    crutils import --strict --config --bundle "$d/bundle" --rootfs "$d/rootfs" --shm "$d/shm" --volume created="$d/volume" "$1"
    runc_goes_on "$d" "$(cat /tmp/created.before)"
}

ctr() { command ctr --address /tmp/containerd/socket "$@"; }

start_containerd() {
    mkdir -p /tmp/containerd
    printf '%s\n' 'version = 2' 'root = "/tmp/containerd/root"' 'state = "/tmp/containerd/state"' \
        'disabled_plugins = ["io.containerd.grpc.v1.cri"]' '[grpc]' 'address = "/tmp/containerd/socket"' \
        >/tmp/containerd/config.toml
    containerd --config /tmp/containerd/config.toml >"$LOGS/containerd" 2>&1 &
    echo $! >/tmp/containerd/pid
    await ctr version
    podman save --quiet --format oci-archive --output /tmp/image.oci image
    ctr image import /tmp/image.oci
}

# ctr puts a checkpoint into an index that is no image.
made_by_ctr() {
    local root=/tmp/containerd/state/io.containerd.runtime.v2.task/default/by-ctr/rootfs
    start_containerd
    # In namespaces there may be no controller for that.
    ctr run --detach --null-io --cpu-shares 0 localhost/image:latest by-ctr /bin/workload podman
    await [ -e $root/ready ]
    counter $root >/tmp/by-ctr.before
    ctr container checkpoint --task --rw by-ctr localhost/by-ctr:1
    ctr task kill --signal KILL by-ctr
    ctr image export --skip-manifest-json /tmp/by-ctr.oci localhost/by-ctr:1
    crutils image inspect oci-archive:/tmp/by-ctr.oci
}

ctrs_restored_by_runc() {
    local before d=/tmp/from-ctr
    mkdir $d
    image_copy $d/rootfs
    # The root of an image has this mode with containerd, and another one with podman; no layer says it.
    chmod 755 $d/rootfs
    crutils import --strict --config --bundle $d/bundle --rootfs $d/rootfs oci-archive:/tmp/by-ctr.oci
    before=$(counter $d/rootfs)
    [ "$before" -ge "$(cat /tmp/by-ctr.before)" ]
    runc_goes_on $d "$before"
}

check 'an image is there' make_image
check 'podman restores an image whose layer is its own archive' an_archive
[ -z "$SHORT" ] || { skip 'an image of what is on the system, and one that podman has made' 'this is the short form' && return 0; }
check 'podman restores an image of what the library has found on the system' an_export
check 'podman makes an image of a checkpoint' made_by_podman
check "runc restores what the library has imported from podman's image in an oci-archive" \
    restored_by_runc oci-archive:/tmp/created.oci /tmp/from-archive
check "runc restores what the library has imported from podman's image in a layout" \
    restored_by_runc oci:/tmp/created.layout /tmp/from-layout
check "ctr makes an index of a checkpoint" made_by_ctr
check "runc restores what the library has imported from ctr's index" ctrs_restored_by_runc
kill "$(cat /tmp/containerd/pid)"
skip "a pod's image" 'Debian has no CRI-O; its annotation was read in the image that podman has pulled'
