#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Makes one object of the two functions of Boost.Context that switch stacks, under names of Viaduct's own, so
# that neither library nor archive clashes with a Boost in the same program.  Takes arguments like a compiler, and
# libtool calls it as one.
#
#   NM=nm CC=cc OBJCOPY=objcopy AR=ar tools/take-fcontext.sh -c ARCHIVE [FLAG...] -o OBJECT
set -eu

archive=
object=
while test $# -gt 0; do
    case $1 in
    -o)
        object=$2
        shift
        ;;
    -*) ;;
    *) archive=$1 ;;
    esac
    shift
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
members=$($NM -A "$archive" 2>/dev/null | sed -n 's/^.*:\([^:]*\.o\):.* T \(make\|jump\)_fcontext$/\1/p' | sort -u)
test -n "$members" || { echo "$archive does not define make_fcontext and jump_fcontext" >&2; exit 1; }
case $archive in
/*) ;;
*) archive=$PWD/$archive ;;
esac
(cd "$work" && $AR x "$archive" $members && $CC -r -nostdlib -o both.o $members)
$OBJCOPY --redefine-sym jump_fcontext=via__jump_fcontext --redefine-sym make_fcontext=via__make_fcontext \
    "$work/both.o" "$object"
