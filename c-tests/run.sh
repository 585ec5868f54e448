#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the C tests against the crutils that pkg-config finds, and runs them.
#
#     c-tests/run.sh [PREFIX] [shared|static|sanitize|valgrind]...
#
# PREFIX is where crutils is installed, if pkg-config wouldn't find it there by itself; without a
# mode, all are run. CC is the compiler (default: cc).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
: "${CC:=cc}"
case ${1:-} in
*/*)
    export PKG_CONFIG_PATH="$1/lib/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}"
    shift
    ;;
esac
libdir=$(pkg-config --variable=libdir crutils)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
warnings='-std=c11 -Wall -Wextra -Wpedantic -Wshadow -Werror -g -O1'
failed=0

[ "$(id -u)" = 0 ] || echo "skipped: what only root may do"

# build MODE PROGRAM: the flags of pkg-config are words.
build() {
    mode=$1 program=$2
    cflags=$(pkg-config --cflags crutils)
    libs=$(pkg-config --libs crutils)
    case $mode in
    static)
        # Both libraries are there, and -lcrutils would take the shared one.
        libs=$(pkg-config --static --libs crutils | sed 's/-lcrutils\>/-l:libcrutils.a/')
        ;;
    sanitize) cflags="$cflags -fsanitize=address,undefined -fno-sanitize-recover=all" ;;
    esac
    # shellcheck disable=SC2086
    $CC $warnings $cflags -pthread -o "$work/$mode/$program" "$here/$program.c" $libs
}

# Whether the program asks for the shared library where it should, and not where it shouldn't.
linked() {
    needs=$(readelf -d "$1/$2" | grep -c 'NEEDED.*\[libcrutils\.so\.[0-9]*\]' || true)
    [ "$3" = static ] && expected=0 || expected=1
    [ "$needs" = "$expected" ] && return
    echo "$3 $2 is linked to the wrong libcrutils"
    return 1
}

run() {
    mode=$1 program=$2
    case $mode in
    static) "$work/$mode/$program" ;;
    sanitize)
        ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 LD_LIBRARY_PATH=$libdir \
            "$work/$mode/$program"
        ;;
    valgrind)
        # This runs the other way of resolving paths, too, where valgrind doesn't know openat2. It
        # says so at every call, which would hide what else it says.
        status=0
        LD_LIBRARY_PATH=$libdir valgrind --quiet --leak-check=full --error-exitcode=9 \
            --child-silent-after-fork=yes --log-file="$work/log" "$work/$mode/$program" || status=$?
        grep '^==' "$work/log" || true
        return $status
        ;;
    *) LD_LIBRARY_PATH=$libdir "$work/$mode/$program" ;;
    esac
}

[ $# -gt 0 ] || set -- shared static sanitize valgrind
for mode in "$@"; do
    mkdir -p "$work/$mode"
    echo "== $mode"
    for source in "$here"/*.c; do
        program=$(basename "$source" .c)
        if build "$mode" "$program" && linked "$work/$mode" "$program" "$mode" &&
            run "$mode" "$program"; then
            continue
        fi
        echo "FAILED: $mode $program"
        failed=1
    done
done
exit $failed
