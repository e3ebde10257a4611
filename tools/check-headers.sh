#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Every public header compiles alone, and twice in a row, as C11 and as C++17.
#
#   tools/check-headers.sh [source directory] [build directory]
set -eu
top=$(cd "${1:-$(dirname "$0")/..}" && pwd)
build=${2:-${top_builddir:-$top}}
flags="-Wall -Wextra -Wpedantic -Werror -I$build/include -I$top/include ${LIBEVENT_CFLAGS-}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

rc=0
count=0
for header in "$top"/include/viaduct.h "$top"/include/viaduct/*.h "$build"/include/viaduct/version.h; do
    name=${header##*/include/}
    printf '#include <%s>\n#include <%s>\nextern int via_unused;\n' "$name" "$name" >"$work/header.c"
    cp "$work/header.c" "$work/header.cc"
    ${CC:-cc} -std=c11 $flags -fsyntax-only "$work/header.c" || rc=1
    ${CXX:-c++} -std=c++17 $flags -fsyntax-only "$work/header.cc" || rc=1
    count=$((count + 1))
done
test "$count" -gt 2 || { echo "no headers found below $top/include"; rc=1; }
exit "$rc"
