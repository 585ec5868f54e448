# shellcheck shell=bash
# What the parts are written with. Descriptor 3 takes the results, a line each, with the name of the part first.

# check NAME COMMAND...: runs it in a shell that ends at the first failure; passed if it got through. In a condition it
# would not end there, hence it has no status.
check() {
    local name=$1 log status started=$SECONDS
    log=$LOGS/${name//[^[:alnum:]]/-}.log
    shift
    (set -e && "$@") >"$log" 2>&1 </dev/null
    status=$?
    if [ $status = 0 ]; then
        echo "ok $PART ($BOOT): $name ($((SECONDS - started)) s)" >&3
    else
        echo "FAILED $PART ($BOOT): $name: $(tail -n 1 "$log")" >&3
    fi
}

skip() { echo "skipped $PART ($BOOT): $1: $2" >&3; }

# note TEXT: what the run is to tell beside passed and failed
note() { echo "note $PART ($BOOT): $*" >&3; }

# same WHAT FOUND EXPECTED
same() {
    echo "$1: $2"
    [ "$2" = "$3" ] || { echo "$1: found '$2', expected '$3'" && return 1; }
}

# fails COMMAND...: a failure that is expected; "! COMMAND" wouldn't end a check
fails() {
    if "$@"; then
        echo "'$*' passed" && return 1
    fi
}

# refused ERRNO COMMAND...: a call of cr that fails with this
refused() {
    local errno=$1 said
    shift
    if said=$("$@" 2>&1); then
        echo "'$*' passed, expected $errno" && return 1
    fi
    echo "$*: $said"
    case $said in "$errno "*) ;; *) echo "'$*' said '$said', expected $errno" && return 1 ;; esac
}

# await COMMAND...: tries until it passes, for three minutes at most
await() {
    local began=$SECONDS
    until "$@"; do
        [ $((SECONDS - began)) -lt 180 ] || { echo "'$*' doesn't come true" && return 1; }
        sleep 0.1
    done
}
