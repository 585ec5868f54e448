#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Compiles the header by itself, as every language and by every compiler that its users have, and tries its macros.
# A compiler that is missing is said to be skipped, and is an error if REQUIRE_ALL is set.
#
#     c-tests/check-header.sh [INCLUDE]
set -eu

include=${1:-$(dirname "$0")/../include}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags='-Wall -Wextra -Wpedantic -Wundef -Wconversion -Werror'
failed=0

cat > "$work/use.c" <<'C'
#include <crutils.h>
#include <crutils.h>

#if !CRUTILS_VERSION_AT_LEAST(1, 0, 0) || CRUTILS_VERSION_AT_LEAST(1000, 0, 0) || CRUTILS_VERSION < 10000
#error "CRUTILS_VERSION_AT_LEAST"
#endif

int use(const char *path, CRError **error);

int use(const char *path, CRError **error)
{
    CRPlace place = {-100, path};
    CRChange change = {path, CR_CHANGE_ADD, 0};
    CRWatch *watch = CRWatchNew();
    CRChangeList *list = 0;
    char **files = 0;
    int result = CRCreateRootFsDiffTar(&change, 1, path, path, &files, error);

    CRStringArrayFree(files);
    if (result == 0)
        result = CRChangesOverlay(&place, 1, place.at, path, 0, watch, &list, error);
    CRChangeListFree(list);
    CRWatchFree(watch);
    return result;
}
C
cp "$work/use.c" "$work/use.cc"

# What the attributes are for: a NULL that may not be, and a result that is ignored.
cat > "$work/wrong.c" <<'C'
#include <crutils.h>

void wrong(const char *path, CRError **error);

void wrong(const char *path, CRError **error)
{
    CRApplyRootFsDiffTar(path, 0, error);
}
C

missing() {
    command -v "$1" > /dev/null && return 1
    echo "skipped: $2: not installed"
    [ -z "${REQUIRE_ALL:-}" ] || failed=1
}

try() {
    compiler=$1 standard=$2 file=$3
    shift 3
    missing "$compiler" "$compiler -std=$standard" && return
    # shellcheck disable=SC2086 # flags are words
    if "$compiler" -std="$standard" $flags "$@" -I"$include" -c "$work/$file" -o "$work/use.o"; then
        echo "ok: $compiler -std=$standard $*"
    else
        failed=1
    fi
}

# warns COMPILER NUMBER [FLAG]: whether wrong.c gets this many warnings of these two kinds.
warns() {
    compiler=$1 number=$2
    shift 2
    missing "$compiler" "$compiler: attributes" && return
    "$compiler" -std=c11 -Wnonnull -Wunused-result "$@" -I"$include" -c "$work/wrong.c" -o "$work/use.o" \
        2> "$work/warnings" || failed=1
    found=$(grep -c -e '\[-Wnonnull\]' -e '\[-Wunused-result\]' "$work/warnings" || true)
    if [ "$found" = "$number" ]; then
        echo "ok: $compiler${*:+ $*}: $number warnings of wrong calls"
    else
        echo "$compiler${*:+ $*}: $found warnings of wrong calls, not $number:" >&2
        cat "$work/warnings" >&2
        failed=1
    fi
}

for compiler in gcc clang; do
    for standard in c99 c11 c17; do
        try $compiler $standard use.c -Wstrict-prototypes
    done
    try $compiler c11 use.c -DCRUTILS_NO_ATTRIBUTES
    warns $compiler 2
    warns $compiler 0 -DCRUTILS_NO_ATTRIBUTES
done
try g++ c++11 use.cc -Wold-style-cast
try clang++ c++11 use.cc -Wold-style-cast
exit $failed
