#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Compiles the programs of examples/c strictly, and runs them on real archives, under valgrind if it is there.
#
#     c-tests/examples.sh [PREFIX]
#
# PREFIX is where crutils is installed, if pkg-config wouldn't find it there by itself. What only root may do is skipped
# otherwise.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
case ${1:-} in
*/*) export PKG_CONFIG_PATH="$1/lib/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}" ;;
esac
libdir=$(pkg-config --variable=libdir crutils)
work=$(mktemp -d)
# shellcheck disable=SC2329 # trap calls it
clean() {
    for mounted in "$work/here/rootfs" "$work/there/rootfs"; do
        mountpoint -q "$mounted" && umount "$mounted"
    done
    rm -rf "$work"
}
trap clean EXIT
mkdir "$work/bin"
fail() { echo "examples: $*" >&2; exit 1; }

# A program that is optional about the library isn't linked to it.
for compiler in gcc clang; do
    command -v $compiler > /dev/null || { echo "skipped: $compiler: not installed"; continue; }
    for source in "$here"/../examples/c/*.c; do
        program=$(basename "$source" .c)
        libs=$(pkg-config --libs crutils)
        [ "$program" = optional ] && libs=
        # shellcheck disable=SC2046,SC2086 # flags are words
        $compiler -std=c11 -Wall -Wextra -Wpedantic -Wshadow -Werror -g $(pkg-config --cflags crutils) "$source" $libs \
            -o "$work/bin/$program" || fail "$program.c with $compiler"
    done
done
readelf -d "$work/bin/optional" | grep -q 'NEEDED.*libcrutils' && fail "optional is linked to the library"

if [ "$(id -u)" != 0 ]; then
    echo "skipped: running the examples: their archives' owners are root and others"
    exit 0
fi
data=${CRUTILS_TEST_DATA:-$here/../tests/data}
archive=$data/rich.tar.zst

# run CODE PROGRAM [ARGUMENT]...: runs a program, whose output goes into $work/out, and whose exit code has to be this.
run() {
    expected=$1 program=$2 code=0
    shift 2
    LD_LIBRARY_PATH=$libdir "$work/bin/$program" "$@" > "$work/out" 2> "$work/err" || code=$?
    [ $code = "$expected" ] || { cat "$work/err" >&2; fail "$program $*: exit code $code, not $expected"; }
    command -v valgrind > /dev/null || return 0
    [ -n "${again:-}" ] || return 0
    LD_LIBRARY_PATH=$libdir valgrind --quiet --leak-check=full --errors-for-leak-kinds=definite --error-exitcode=99 \
        --log-file="$work/log" "$work/bin/$program" "$@" > /dev/null 2>&1 || code=$?
    [ $code != 99 ] || { grep '^==' "$work/log" >&2; fail "$program $* under valgrind"; }
}
said() { grep -q -e "$1" "$work/out" || { cat "$work/out" >&2; fail "it doesn't say '$1'"; }; }

# These may run twice.
again=yes
mkdir "$work/image" "$work/changed" "$work/diff" "$work/shm" "$work/volume" "$work/upper"
tar --zstd --numeric-owner -xpf "$data/rich.lower.tar.zst" -C "$work/image"
tar --zstd --numeric-owner -xpf "$data/rich.merged.tar.zst" -C "$work/changed"
echo new > "$work/upper/new"
run 0 runtime "$archive"
said '^runc$'
run 1 runtime "$work/none"
run 0 optional "$archive"
[ ! -e "$libdir/libcrutils.so.1" ] || said '^runc$'
run 0 diff "$work/changed" "$work/diff" "$work/image"
said '^C /etc/app/main.conf$'
said '^D /etc/app/old.conf$'
said '/deleted.files$'
run 0 diff "$work/upper" "$work/diff" "$work/upper" "$work/image"
said '^A /new$'
run 1 diff "$work/none" "$work/diff" "$work/image"
run 0 cr-inspect --list "$archive"
said '^engine  *podman$'
said '^memory pages  *2 '
said 'checkpoint/pages-1.img$'
run 0 cr-inspect --json "$archive"
python3 -m json.tool < "$work/out" > /dev/null || fail "cr-inspect --json isn't JSON"
run 0 restore "$archive" "$work/steps" "$work/image"
run 0 cr-import --strict --config --digest --timeout 600 --bundle "$work/bundle" --volume "vol1=$work/volume" \
    --shm "$work/shm" "$archive"
said "^$(sha256sum < "$archive" | cut -d ' ' -f 1) "
[ -e "$work/bundle/config.dump" ] && [ -e "$work/bundle/rootfs-diff.tar" ] || fail "cr-import --config"
run 0 cr-export --digest --rootfs "$work/changed" --upper "$work/upper" --lower "$work/image" \
    --volume "more=$work/volume" --shm "$work/shm" "$work/bundle" "$work/own.tar.zst"
said "^$(sha256sum < "$work/own.tar.zst" | cut -d ' ' -f 1) "
run 0 cr-export --compress gzip "$work/bundle" "$work/own.tar.gz"
gzip -t "$work/own.tar.gz"
run 0 cr-inspect --list "$work/own.tar.zst"
said 'volumes/more.tar$'
run 3 cr-inspect "$0"
run 3 cr-import --expect "$(printf '%064d' 0)" --bundle "$work/refused" "$archive"
[ ! -e "$work/refused" ] || fail "a refused archive was extracted"
run 2 cr-import --bundle "$work/refused"
run 2 cr-import --volume vol1 --bundle "$work/refused" "$archive"
run 2 cr-export --compress nothing "$work/bundle" "$work/refused"
run 0 cr-migrate --help

# Through pipes.
LD_LIBRARY_PATH=$libdir "$work/bin/cr-export" "$work/bundle" - 2> "$work/err" |
    LD_LIBRARY_PATH=$libdir "$work/bin/cr-inspect" - > "$work/out"
said '^engine  *podman$'

# A runtime that knows only files stands for one that checkpoints processes. These run once: they move something.
again=
cat > "$work/runtime.sh" << 'END'
#!/bin/sh
[ "$*" = "checkpoint --help" ] && exit 0
shift 2
command=$1
while [ $# -gt 0 ]; do
    case $1 in
    --image-path) images=$2 ;;
    --bundle) bundle=$2 ;;
    esac
    shift
done
case $command in
checkpoint) mkdir "$images" && echo memory > "$images/pages-1.img" ;;
restore) cp "$images/pages-1.img" "$bundle/restored" ;;
esac
END
chmod +x "$work/runtime.sh"
mkdir "$work/here"
echo '{"ociVersion":"1.0.2","root":{"path":"rootfs"}}' > "$work/here/config.json"
migrate() { run "$1" cr-migrate --runtime "$work/runtime.sh" --image "$work/layer" "$2" "$work/$3" moved $4; }
cp -a "$work/changed" "$work/layer"
if ! unshare --mount sh -c 'mount -t overlay overlay -o lowerdir="$1":"$2" "$1"' sh "$work/volume" "$work/layer" \
    2> "$work/err"; then
    echo "skipped: cr-migrate: no overlay can be mounted"
    exit 0
fi
migrate 0 run here ''
echo new > "$work/here/rootfs/new"
rm "$work/here/rootfs/etc/app/main.conf"
chmod 711 "$work/here/rootfs"
migrate 1 checkpoint here "$work/none/moved.tar"
mountpoint -q "$work/here/rootfs" || fail "a container whose archive can't be written doesn't go on"
migrate 0 checkpoint here "$work/moved.tar"
mountpoint -q "$work/here/rootfs" && fail "a container that was checkpointed goes on"
migrate 0 restore there "$work/moved.tar"
[ "$(cat "$work/there/rootfs/new" "$work/there/restored")" = "new
memory" ] || fail "what moved"
[ ! -e "$work/there/rootfs/etc/app/main.conf" ] && [ "$(stat -c %a "$work/there/rootfs")" = 711 ] || fail "what moved"
cmp "$work/here/config.json" "$work/there/config.json"
echo "ok: the programs of examples/c"
