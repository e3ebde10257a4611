#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Fails if a file below src/ includes what its layer may not use, by the table in tools/layers.
#
# A header of another layer is included as "layer/header.h" and in no other way.  Public headers belong to the
# layer that implements them, except those that hold only types and calls that any layer may be given.
#
#   tools/check-layers.sh [source directory]
set -eu
cd "${1:-$(dirname "$0")/..}"

awk '
    # The table: may[layer, other] is set where the layer may use the other.
    FNR == NR {
        if ($0 ~ /^#/ || NF == 0)
            next
        layer = $1
        sub(/:$/, "", layer)
        known[layer] = 1
        may[layer, layer] = 1
        for (i = 2; i <= NF; i++)
            may[layer, $i] = 1
        next
    }

    FNR == 1 {
        split(FILENAME, part, "/")
        layer = part[2]
        if (!(layer in known))
            complain("is in a layer that tools/layers does not name")
    }

    /^[ \t]*#[ \t]*include[ \t]*"/ {
        header = $0
        sub(/^[^"]*"/, "", header)
        sub(/".*/, "", header)
        used = header
        if (!sub(/\/.*/, "", used) || header ~ /\.\./)
            complain("includes \"" header "\", which is not of the form \"layer/header.h\"")
        else if (!(used in known))
            complain("includes \"" header "\" of no known layer")
        else if (!((layer, used) in may))
            complain("of layer " layer " may not include \"" header "\"")
        next
    }

    /^[ \t]*#[ \t]*include[ \t]*<event2?[\/.]/ || /^[ \t]*#[ \t]*include[ \t]*<ev(http|dns|util)\.h/ {
        if (!((layer, "libevent") in may))
            complain("of layer " layer " may not include libevent")
    }

    function complain(text) {
        print FILENAME ":" FNR ": " text
        bad = 1
    }

    END { exit bad }
' tools/layers $(find src -name '*.[ch]' | LC_ALL=C sort)
