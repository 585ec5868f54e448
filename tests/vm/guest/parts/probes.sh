# shellcheck shell=bash
# boots: plain
# The runtime probes, asked about the runtimes of the system and about programs that are none.

# program NAME: a script from standard input
program() {
    mkdir -p /tmp/probes
    { echo '#!/bin/sh' && cat; } >"/tmp/probes/$1"
    chmod 755 "/tmp/probes/$1"
}

# answers CHECKPOINT PODS RUNTIME: what the two probes say. Each has ten seconds, and the machine may be slow.
answers() {
    local began=$SECONDS
    same "$3 can checkpoint" "$(cr can-checkpoint "$3")" "$1"
    same "$3 can restore pods" "$(cr can-restore-pods "$3")" "$2"
    [ $((SECONDS - began)) -le 60 ]
}

runc_can() {
    runc --version
    answers yes yes runc
    answers yes yes /usr/bin/runc
}

crun_cannot() {
    crun --version
    fails grep -qF +CRIU <<<"$(crun --version)"
    answers no no crun
    answers no no /usr/bin/crun
}

missing() {
    answers no no /tmp/probes/missing
    answers no no no-such-runtime
    answers no no /tmp
    answers no no ''
    touch /tmp/probes-plain
    answers no no /tmp/probes-plain
}

# all FUNCTION...: at once, since most of it is waiting
all() {
    local function pid pids=()
    for function in "$@"; do
        (set -e && "$function") &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid"; done
}

hang() {
    program hang <<<'exec sleep 123456'
    answers no no /tmp/probes/hang
}
hang_deaf() {
    program deaf <<<"trap '' TERM INT HUP; while :; do sleep 123456; done"
    answers no no /tmp/probes/deaf
}
flood() {
    program flood <<<'exec cat /dev/zero'
    answers no no /tmp/probes/flood
}
flood_from_behind() {
    program behind <<<'cat /dev/zero & sleep 123456'
    answers no no /tmp/probes/behind
}
hold_the_pipe() {
    # The answer is known when the runtime ends, whoever still holds the pipe.
    program hold <<<'sleep 123456 & echo "flag needs an argument: -lsm-mount-context" >&2; exit 1'
    answers no yes /tmp/probes/hold
    program hold-fine <<<'sleep 123456 & exit 0'
    answers yes no /tmp/probes/hold-fine
}
all_ended() { fails grep -alzE '^(12345[6]|/dev/zer[o])$' /proc/[0-9]*/cmdline; }

check 'runc can' runc_can
check 'crun without CRIU cannot' crun_cannot
check 'what is no program cannot' missing
check 'programs that hang, flood or leave children are answered for' all hang hang_deaf flood flood_from_behind hold_the_pipe
check 'none of their processes is left' all_ended
