#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# The shared library exports exactly what the public headers declare with VIA_PUBLIC, all of it via_*.
#
#   tools/check-symbols.sh SOURCE-DIRECTORY LIBRARY
set -eu
LC_ALL=C
export LC_ALL
top=$1
library=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A declaration may go over several lines; the name is the last word before its first parenthesis.
cat "$top"/include/viaduct.h "$top"/include/viaduct/*.h "$top"/include/viaduct/*.h.in |
    awk '
        /^VIA_PUBLIC/ { declaration = ""; inside = 1 }
        inside {
            declaration = declaration " " $0
            if ($0 ~ /[(;]/) {
                sub(/\(.*/, "", declaration)
                n = split(declaration, word, /[ *]+/)
                print word[n]
                inside = 0
            }
        }
    ' | sort -u >"$work/declared"
${NM:-nm} -D --defined-only "$library" | awk '$2 != "A" { print $3 }' | sed 's/@.*//' | sort -u >"$work/exported"

rc=0
for name in $(grep -v '^via_[a-z]' "$work/exported"); do
    echo "$name is exported but is not via_*"
    rc=1
done
for name in $(comm -23 "$work/declared" "$work/exported"); do
    echo "$name is declared VIA_PUBLIC but not exported"
    rc=1
done
for name in $(comm -13 "$work/declared" "$work/exported"); do
    echo "$name is exported but not declared VIA_PUBLIC"
    rc=1
done
test -s "$work/declared" || { echo "no public declaration found"; rc=1; }
exit "$rc"
