# shellcheck shell=bash
# boots: plain
# The runtime probes, asked about the runtimes of the system and about programs that are none.

program() {
    local path=/tmp/probes/$1
    mkdir -p /tmp/probes
    printf '#!/bin/sh\n%s\n' "$2" >"$path"
    chmod 755 "$path"
    echo "$path"
}

# answers EXPECTED PROBE RUNTIME
answers() { same "$2 $3" "$(cr "$2" "$3")" "$1"; }
both_say_no() {
    answers no can-checkpoint "$1"
    answers no can-restore-pods "$1"
}

runc() {
    command runc --version
    answers yes can-checkpoint runc
    answers yes can-checkpoint /usr/bin/runc
    answers yes can-restore-pods runc
}

crun() {
    command crun --version
    fails grep -F +CRIU <<<"$(command crun --version)"
    both_say_no crun
    both_say_no /usr/bin/crun
}

# within SECONDS COMMAND...
within() {
    local began=$SECONDS
    "${@:2}"
    echo "took $((SECONDS - began)) s"
    [ $((SECONDS - began)) -le "$1" ]
}
ended() { fails pgrep -f "$1"; }

explore() { set +e; runc; crun; command crun checkpoint --help; echo $?; command crun restore --lsm-mount-context; command runc restore --lsm-mount-context;
 podman info; which ps pgrep pkill timeout; criu check; criu check --all; criu check --feature mem_dirty_track; }
check explore explore
