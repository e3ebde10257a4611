#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Takes doxygen's man pages and leaves one page per header, called viaduct_HEADER.3, and one page name per
# public function that leads to it.  Struct fields and macros without the prefix get no page of their own:
# names such as name.3 would collide with other packages'.
#
#   tools/make-man.sh FROM-DIRECTORY TO-DIRECTORY
set -eu
from=$1
to=$2
mkdir -p "$to"

for page in "$from"/*.h.3; do
    name=$(basename "$page" .h.3)
    case $name in viaduct_*) name=${name#viaduct_} ;; esac
    if test "$name" != viaduct; then name=viaduct_$name; fi
    cp "$page" "$to/$name.3"
done
for page in "$from"/via_*.3; do
    case $(cat "$page") in
    .so*)
        target=$(sed -n 's/^\.so man3\/\(.*\)\.h\.3$/\1/p' "$page")
        target=${target##*/}
        target=${target#viaduct_}
        test -n "$target" || continue
        test -f "$to/viaduct_$target.3" || { echo "$page leads nowhere"; exit 1; }
        echo ".so man3/viaduct_$target.3" >"$to/$(basename "$page")"
        ;;
    *) cp "$page" "$to/" ;;
    esac
done
