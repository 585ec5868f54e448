#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Compiles the header by itself, as every language and by every compiler that its users have.
# A compiler that is missing is said to be skipped, and is an error if REQUIRE_ALL is set.
set -eu

include=${1:-$(dirname "$0")/../include}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags='-Wall -Wextra -Wpedantic -Wundef -Wconversion -Werror'
failed=0

cat > "$work/use.c" <<'C'
#include <crutils.h>
#include <crutils.h>

int use(const char *path, CRError **error);

int use(const char *path, CRError **error)
{
    CRChange change = {path, CR_CHANGE_ADD, 0};
    char **files = 0;
    int result = CRCreateRootFsDiffTar(&change, 1, path, path, &files, error);

    CRStringArrayFree(files);
    return result;
}
C
cp "$work/use.c" "$work/use.cc"

try() {
    compiler=$1 standard=$2 file=$3
    shift 3
    if ! command -v "$compiler" > /dev/null; then
        echo "skipped: $compiler -std=$standard: not installed"
        [ -z "${REQUIRE_ALL:-}" ] || failed=1
        return
    fi
    if "$compiler" -std="$standard" $flags "$@" -I"$include" -c "$work/$file" -o "$work/use.o"; then
        echo "ok: $compiler -std=$standard"
    else
        failed=1
    fi
}

for compiler in gcc clang; do
    for standard in c99 c11 c17; do
        try $compiler $standard use.c -Wstrict-prototypes
    done
done
try g++ c++11 use.cc -Wold-style-cast
try clang++ c++11 use.cc -Wold-style-cast
exit $failed
