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

# The synopsis of a header's page says how to include that header, not what the header includes.
own_include() {
    awk '
        /^\.TH/ { header = $2; gsub("\"", "", header); sub("\\.h$", "\\\\\\&.h", header) }
        /^\.SH/ { synopsis = $2 == "SYNOPSIS"; told = 0 }
        synopsis && /^\\fC#include/ {
            if (!told++)
                printf "\\fC#include <%s>\\fP\n.br\n", header
            getline
            next
        }
        { print }
    ' "$1"
}

# What the page of the umbrella header leads to.
see_also() {
    echo '.SH "SEE ALSO"'
    for page; do
        printf '.BR %s (3)\n' "$(basename "$page" .3)"
    done
}

for page in "$from"/*.h.3; do
    name=$(basename "$page" .h.3)
    case $name in viaduct_*) name=${name#viaduct_} ;; esac
    if test "$name" != viaduct; then name=viaduct_$name; fi
    own_include "$page" >"$to/$name.3"
done
see_also "$to"/viaduct_*.3 >>"$to/viaduct.3"
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
