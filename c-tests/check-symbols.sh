#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Compares what the shared library exports with the committed list, both ways, and its name with
# the one that programs ask for.
#
#     c-tests/check-symbols.sh target/release/libcrutils.so
set -eu

library=$1
list=$(dirname "$0")/../include/crutils.symbols
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

nm -D --defined-only "$library" | awk '{ print $3 }' | LC_ALL=C sort > "$work/exported"
LC_ALL=C sort "$list" > "$work/listed"
diff -u "$work/listed" "$work/exported"
readelf -d "$library" | grep -q 'SONAME.*\[libcrutils\.so\.0\]'
echo "ok: $(wc -l < "$work/exported") symbols, libcrutils.so.0"
