# shellcheck shell=bash
# boots: containers permissive
# Archives that podman makes here, through each of the nine functions, and through the session that does their work in one
# pass.
. /vm/containers.sh

# members_are_extracted ARCHIVE DIRECTORY: import into a bundle does what GNU tar does
members_are_extracted() {
    mkdir -p "$2/config" "$2/tar"
    tar -xpf "$1" -C "$2/tar"
    cr import-config "$2/config" "$1"
    same 'configuration' "$(cd "$2/config" && echo *)" 'config.dump spec.dump'
    cmp "$2/config/config.dump" "$2/tar/config.dump"
    cmp "$2/config/spec.dump" "$2/tar/spec.dump"
    cr import "$2/bundle" "$1"
    rm "$2/tar/config.dump" "$2/tar/spec.dump"
    same_but_directories "$2/tar" "$2/bundle"
}

# diff_is_applied DIRECTORY: apply and delete do what rm and GNU tar do
diff_is_applied() {
    image_copy "$1/root"
    cr apply "$1/bundle" "$1/root"
    cr delete "$1/bundle" "$1/root"
    image_copy "$1/expected"
    if [ -e "$1/bundle/deleted.files" ]; then
        sed -n 's/^  "\(.*\)",\{0,1\}$/\1/p' "$1/bundle/deleted.files" |
            while IFS= read -r path; do rm -r "$1/expected$path"; done
    fi
    [ ! -e "$1/bundle/rootfs-diff.tar" ] ||
        tar --xattrs --xattrs-include='*' -xpf "$1/bundle/rootfs-diff.tar" -C "$1/expected"
    same_but_directories "$1/expected" "$1/root"
}

runtime_is_found() {
    local runtime && runtime=$(cr runtime "$1")
    same runtime "$runtime" runc
    same 'it can checkpoint' "$(cr can-checkpoint "$runtime")" yes
    same 'it can restore pods' "$(cr can-restore-pods "$runtime")" yes
}

# What the container saw and the restored root file system hasn't got; times apart, it is listed once.
tell_what_is_lost() {
    local list=$LOGS/lost-$1
    differences "$(merged "$1")" "$2/root" >"$list" || true
    note "$1: $(wc -l <"$list") differences between what the container saw and what was restored," \
        "$(grep -c -v ': mtime ' "$list") of them beside times: build/vm/$BOOT/$PART/lost-$1"
    [ "$BOOT $1" != 'containers zstd' ] ||
        sed -E "/: mtime /d; s/(xattr \"[^\"]*\") .* became absent/\1 is missing/; s/^/note $1: /" "$list" >&3
}

own_diff_loses_nothing() {
    own_diff "$1" "$2/own"
    image_copy "$2/own-root"
    cr apply "$2/own" "$2/own-root"
    cr delete "$2/own" "$2/own-root"
    same_trees "$(merged "$1")" "$2/own-root"
}

# what_it_says NAME ARCHIVE: the metadata is that of the container
what_it_says() {
    local said expected
    said=$(cr-inspect "$2" | tr -s ' ')
    echo "$said"
    for expected in 'engine podman' "container $1" " id $(podman inspect --format '{{.Id}}' "$1")" \
        'image localhost/image:latest' 'runtime runc'; do
        grep -qxF "$expected" <<<"$said" || { echo "it doesn't say '$expected'" && return 1; }
    done
}

# one_pass_does_the_same ARCHIVE DIRECTORY: as the steps have done there
one_pass_does_the_same() {
    local d=$2 places=()
    mkdir "$d/one-shm" "$d/one-volume"
    image_copy "$d/one-root"
    [ ! -e "$d/bundle/devshm-checkpoint.tar" ] || places+=(--shm "$d/one-shm")
    [ ! -e "$d/bundle/volumes/named.tar" ] || places+=(--volume "named=$d/one-volume")
    cr-import --strict --bundle "$d/one-bundle" --rootfs "$d/one-root" "${places[@]}" "$1"
    same_trees "$d/root" "$d/one-root"
    # What went elsewhere isn't in the bundle.
    same bundle "$(differences "$d/bundle" "$d/one-bundle" | less_times_of_directories "$d/bundle" |
        grep -vE '^"(rootfs-diff.tar|deleted.files|devshm-checkpoint.tar|volumes|volumes/named.tar)" is missing')" ''
    [ ! -e "$d/bundle/rootfs-diff.tar" ] || [ ! -e "$d/one-bundle/rootfs-diff.tar" ]
    [ ${#places[@]} = 0 ] || same '/dev/shm' "$(cat "$d/one-shm/segment")" content
}

# through_all NAME ARCHIVE: what podman has made of a container of this name, and its own
through_all() {
    local d=/tmp/archives/$1
    mkdir -p "$d"
    runtime_is_found "$2"
    what_it_says "$1" "$2"
    members_are_extracted "$2" "$d"
    diff_is_applied "$d"
    one_pass_does_the_same "$2" "$d"
    cr label "$d/bundle" restore.log ''
    [ -e "$d/bundle/restore.log" ]
    tell_what_is_lost "$1" "$d"
    own_diff_loses_nothing "$1" "$d"
}

compressed() {
    start "$1" podman
    checkpoint --compress "$1" --export "/tmp/$1.tar" "$1"
    through_all "$1" "/tmp/$1.tar"
}

previous() {
    start previous podman --volume named:/volume
    checkpoint --pre-checkpoint --export /tmp/pre.tar previous
    checkpoint --with-previous --export /tmp/previous.tar previous
    through_all previous /tmp/previous.tar
    same parent "$(readlink /tmp/archives/previous/bundle/checkpoint/parent)" ../pre-checkpoint
    # The one it needs goes into the same bundle.
    cr import /tmp/archives/previous/bundle /tmp/pre.tar
    [ -e /tmp/archives/previous/bundle/checkpoint/parent/inventory.img ]
    mkdir /tmp/archives/previous/volume
    tar -xpf /tmp/archives/previous/bundle/volumes/named.tar -C /tmp/archives/previous/volume
    # That archive has times in seconds.
    same differences "$(differences "$(podman volume inspect --format '{{.Mountpoint}}' named)" \
        /tmp/archives/previous/volume | grep -v ': mtime ')" ''
}

without_rootfs() {
    start without-rootfs all
    checkpoint --ignore-rootfs --export /tmp/without-rootfs.tar without-rootfs
    through_all without-rootfs /tmp/without-rootfs.tar
    [ ! -e /tmp/archives/without-rootfs/bundle/rootfs-diff.tar ]
}

of_a_pod() {
    podman pod create --name pod --network none --share-parent=false --infra-image image --infra-command '/bin/sleep 100000'
    podman run --detach --pod pod --name of-a-pod image /bin/workload podman
    until_ready of-a-pod
    checkpoint --export /tmp/of-a-pod.tar of-a-pod
    through_all of-a-pod /tmp/of-a-pod.tar
}

check 'an image is made' make_image
check 'an archive with compression zstd' compressed zstd
[ "$BOOT" = containers ] || return 0
[ -z "$SHORT" ] || { skip 'all other archives' 'this is the short form' && return 0; }
check 'an archive with compression gzip' compressed gzip
check 'an archive without compression' compressed none
! tracks_memory 'an archive with a previous one and a volume' || check 'an archive with a previous one and a volume' previous
check 'an archive without a root file system' without_rootfs
check "an archive of a pod's container" of_a_pod
