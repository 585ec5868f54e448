#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Binds the installed library from C++ and from Python with cffi, and runs a small export and import with each.
#
#     c-tests/bindings.sh [PREFIX]
#
# PREFIX is where crutils is installed, if pkg-config wouldn't find it there by itself. Without the module cffi, it is
# installed from PyPI into a virtual environment in CRUTILS_VENV (default: a temp directory). What is missing is said to be
# skipped, and is an error if REQUIRE_ALL is set.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
case ${1:-} in
*/*) export PKG_CONFIG_PATH="$1/lib/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}" ;;
esac
libdir=$(pkg-config --variable=libdir crutils)
include=$(pkg-config --variable=includedir crutils)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

skip() {
    echo "skipped: $1"
    [ -z "${REQUIRE_ALL:-}" ] || failed=1
}

for compiler in g++ clang++; do
    if ! command -v $compiler > /dev/null; then
        skip "$compiler: not installed"
        continue
    fi
    mkdir "$work/$compiler"
    # shellcheck disable=SC2046 # flags are words
    if $compiler -std=c++11 -Wall -Wextra -Wpedantic -Wold-style-cast -Werror $(pkg-config --cflags crutils) \
        -o "$work/$compiler/binding" "$here/binding.cc" $(pkg-config --libs crutils) &&
        LD_LIBRARY_PATH=$libdir "$work/$compiler/binding" "$work/$compiler"; then
        continue
    fi
    echo "FAILED: binding.cc with $compiler"
    failed=1
done

python=python3
if ! $python -c 'import cffi' 2> "$work/why"; then
    venv=${CRUTILS_VENV:-$work/venv}
    python=$venv/bin/python
    if ! [ -x "$python" ] || ! "$python" -c 'import cffi' 2> "$work/why"; then
        python3 -m venv "$venv" > "$work/why" 2>&1 && "$python" -m pip install --quiet cffi > "$work/why" 2>&1 || python=
    fi
fi
mkdir "$work/python"
if [ -z "$python" ]; then
    skip "Python with cffi: $(tail -n 1 "$work/why")"
elif ! "$python" "$here/binding.py" "$include" "$libdir/libcrutils.so" "$work/python"; then
    echo "FAILED: binding.py"
    failed=1
fi
exit $failed
