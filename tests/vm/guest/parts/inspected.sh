# shellcheck shell=bash
# boots: containers
# short: no
# What the command says of checkpoints of several kinds of containers is what /proc said of their processes before. What both
# said is in the logs.
. /vm/containers.sh

# A process of each kind (guest/kinds.c), in an image of its own.
make_kinds() {
    local root=/tmp/kinds-image name
    mkdir -p $root/{bin,dev,proc,sys,tmp,data,etc,run/secrets}
    touch $root/etc/{hosts,hostname,resolv.conf,mtab} $root/run/.containerenv
    cp /usr/bin/busybox /usr/local/bin/kinds $root/bin
    for name in sh sleep touch; do ln -s busybox $root/bin/$name; done
    tar -C $root -c . | podman import --quiet - kinds
}

# told_and_compared NAME OPTION...: a container that is ready is told, checkpointed and compared
told_and_compared() {
    local name=$1 first
    first=$(podman inspect --format '{{.State.Pid}}' "$name")
    await [ -e "/proc/$first/root/ready" ]
    python3 /vm/proc.py tell "$first" >"$LOGS/$name.before"
    checkpoint "${@:2}" --export "/tmp/$name.tar" "$name"
    crutils inspect --json "/tmp/$name.tar" >"$LOGS/$name.json"
    crutils inspect --all "/tmp/$name.tar" >"$LOGS/$name.text"
    python3 /vm/proc.py compare "$LOGS/$name.before" "$LOGS/$name.json"
    podman rm --force --time 0 "$name"
}

# inspected KIND OPTION...: the options are those of the checkpoint
inspected() {
    podman run --detach --name "$1" --network none --env 'LIKE=this "one"' kinds /bin/kinds "$1" "an argument with ünlikely bytes"
    told_and_compared "$@"
}

# A shell on a terminal with jobs, one of which is stopped.
with_jobs() {
    podman run --detach --tty --name jobs --network none kinds /bin/sh -c \
        'set -m; sleep 100000 & sleep 200000 | sleep 300000 & sleep 400000 & kill -STOP $!; sleep 1; touch /ready; wait'
    told_and_compared jobs
}

check 'an image is there' make_kinds
check 'threads' inspected threads
check 'deleted files, pipes and directories' inspected files
check 'TCP and UDP' inspected tcp --tcp-established
check 'unix sockets' inspected unix
check 'a memfd' inspected memfd
check 'shared memory' inspected memory
check 'timers and what waits for events' inspected timers
family='sessions, users, a stopped process and one that has ended'
if capsh --has-p=cap_sys_resource 2>/dev/null; then
    check "$family" inspected family
else
    skip "$family" "CRIU reads no limits of other users' processes without CAP_SYS_RESOURCE"
fi
check 'a shell with jobs on a terminal' with_jobs
