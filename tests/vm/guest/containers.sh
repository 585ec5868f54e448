# shellcheck shell=bash
# Containers to checkpoint, for the parts that need some.

# Debian's policy has no types for containers: with SELinux, podman is told not to use any. In namespaces root may not be
# allowed to raise limits, as podman does unless it is told some, and there may be no controllers of cgroups.
mkdir -p /etc/containers
files=$(ulimit -Hn) processes=$(ulimit -Hu)
cat >/etc/containers/containers.conf <<END
[containers]
label = false
pids_limit = 0
default_ulimits = ["nofile=$files:$files", "nproc=${processes/unlimited/-1}:${processes/unlimited/-1}"]
END

podman() { command podman --runtime runc --log-level error "$@"; }

# An image of busybox and guest/workload, made once. What podman mounts over is there already, so that it needn't make
# it: what is in the upper directory is the container's own, then.
make_image() {
    local root=/tmp/image name
    [ ! -e $root ] || return 0
    mkdir -p $root/{bin,dev,proc,sys,tmp,data,volume,run/secrets} $root/etc/app/conf.d $root/opt/tree/below $root/opt/again
    touch $root/etc/{hosts,hostname,resolv.conf,mtab} $root/run/.containerenv
    cp /usr/bin/busybox /vm/workload $root/bin
    for name in sh cat chmod chown dd ln mkdir mkfifo mv rm sleep touch; do ln -s busybox $root/bin/$name; done
    for name in etc/app/{main.conf,mode,owner,time,type,gone} opt/tree/below/file opt/again/old opt/name; do
        echo "$name of the image" >"$root/$name"
    done
    ln -s name $root/opt/link
    tar -C $root -c . | podman import --quiet - image
    podman image mount image >/tmp/image.mount
}

# image_copy DIRECTORY
image_copy() { cp -a "$(cat /tmp/image.mount)" "$1"; }

# start NAME WORK OPTION...: a container that has done this work and counts on
start() {
    podman run --detach --name "$1" --network none "${@:3}" image /bin/workload "$2"
    until_ready "$1"
    [ "$2" = quiet ] || add_xattrs "$(merged "$1")"
}

# until_ready NAME: until a container counts; it is mounted from here on, also when it has stopped
until_ready() {
    podman mount "$1" >"/tmp/$1.mount"
    await [ -e "$(merged "$1")/ready" ]
}

# merged NAME: what a container sees, or saw in the moment of its checkpoint
merged() { cat "/tmp/$1.mount"; }

# What the container's own tools can't do.
add_xattrs() {
    setfattr -n user.name -v value "$1/data/old"
    setfattr -n trusted.name -v 0x00ff "$1/etc/app/conf.d"
    # CAP_NET_RAW, as setcap writes it.
    setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 "$1/data/executable"
    setfacl -m u:12:rw,d:g:34:rx "$1/data/shared"
}

# checkpoint OPTION... NAME: and what CRIU had to say if it failed
checkpoint() {
    podman container checkpoint "$@" ||
        { grep Error "$(podman inspect --format '{{.StaticDir}}' "${*: -1}")/dump.log" && false; }
}

# tracks_memory NAME: whether a checkpoint can be of what changed since another; the check NAME is skipped otherwise
tracks_memory() {
    criu check --feature mem_dirty_track >/dev/null 2>&1 || { skip "$1" "this kernel doesn't tell which pages changed" && false; }
}

# overlay NAME: finds the upper directory of a container's overlay, $upper, and its one lower layer, the image, $lower
overlay() {
    local options
    options=,$(awk -v on="$(merged "$1")" '$2 == on { print $4 }' /proc/mounts),
    upper=${options#*,upperdir=} lower=${options#*,lowerdir=}
    upper=${upper%%,*} lower=${lower%%,*}
}

# own_diff NAME BUNDLE: its diff as the library finds it in its overlay
own_diff() {
    local upper lower
    overlay "$1"
    mkdir -p "$2"
    cr changes "$upper" "$lower" >"$2/changes"
    cr diff "$(merged "$1")" "$2" <"$2/changes"
}

# differences FIRST SECOND: but for labels, which are a place's and not an object's
differences() { compare-trees "$1" "$2" | grep -v '": xattr "security.selinux" '; }

same_trees() { same differences "$(differences "$1" "$2")" ''; }

# same_but_directories FIRST SECOND: less the times of directories, which change when something is made in them
same_but_directories() { same differences "$(differences "$1" "$2" | less_times_of_directories "$1")" ''; }

# less_times_of_directories ROOT: filters differences
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

# What a container writes down as it counts.
counter() { tail -n 1 "$1/data/growing"; }
counts_beyond() { [ "$(counter "$1")" -gt "$2" ]; }
# It has never begun anew, nor left a number out.
counted_on() { awk '$1 != NR { print "line " NR " is " $1; wrong = 1 } END { exit wrong }' "$1/data/growing"; }

# goes_on_inside PROCESS OLD: a restored one, as /proc has it, has its file open, and counts on in /dev/shm, where else is
# what was there; that file is empty for a moment each time
goes_on_inside() {
    same 'the open file' "$(readlink "$1/fd/5")" /data/growing
    same 'another file of /dev/shm' "$(cat "$1/root/dev/shm/segment")" content
    await holds_at_least "$1/root/dev/shm/counter" "$2"
}
holds_at_least() { [ "$(cat "$1")" -ge "$2" ]; }

# forget_container NAME: removes it and its volume of the same name, which podman makes anew
forget_container() {
    podman rm --force --time 0 "$1"
    podman volume rm "$1"
}

# container_goes_on NAME OLD: a restored container counts on from where the old one was, in its memory, in the file that it
# has open, and in /dev/shm; what else was there is there
container_goes_on() {
    local root process before=$2
    root=$(podman mount "$1")
    await counts_beyond "$root" "$before"
    counted_on "$root"
    process=/proc/$(podman inspect --format '{{.State.Pid}}' "$1")
    goes_on_inside "$process" "$before"
    same 'the volume' "$(cat "$process/root/volume/file")" content
}
