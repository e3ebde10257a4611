#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Regenerates src/sources.mk, tests/tests.mk and examples/examples.mk from the files that are there;
# automake wants them listed.
# With --check it only says whether the lists are complete.
#
#   tools/update-sources.sh [--check] [source directory]
set -eu
LC_ALL=C
export LC_ALL

check=no
if test "${1-}" = --check; then
    check=yes
    shift
fi
cd "${1:-$(dirname "$0")/..}"
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT

header='# SPDX-License-Identifier: BSD-3-Clause
# Written by tools/update-sources.sh.'
layers='base coro future executor loop process bridge task combine sync debug'

# assign VARIABLE FILES...: prints a make assignment, one file a line.
assign() {
    printf '%s =' "$1"
    shift
    for file; do
        case $file in */version.h) continue ;; esac
        if test -f "$file"; then printf ' \\\n  %s' "$file"; fi
    done
    printf '\n'
}

# linked_layers LAYER: prints the convenience libraries that a unit test of the layer links.
linked_layers() {
    case $1 in
    base) echo '$(LINK_BASE)' ;;
    coro) echo '$(LINK_CORO)' ;;
    future) echo '$(LINK_FUTURE)' ;;
    executor) echo '$(LINK_EXECUTOR)' ;;
    loop) echo '$(LINK_LOOP)' ;;
    process) echo '$(LINK_PROCESS)' ;;
    bridge) echo '$(LINK_BRIDGE)' ;;
    task) echo '$(LINK_TASK)' ;;
    combine) echo '$(LINK_COMBINE)' ;;
    sync) echo '$(LINK_SYNC)' ;;
    debug) echo '$(LINK_DEBUG)' ;;
    *) echo '$(LINK_LIBRARY)' ;;
    esac
}

# test_program SOURCE LINK: prints the rules of one test program.
test_program() {
    program=${1%.c}.tap
    variable=$(echo "$program" | sed 's/[^A-Za-z0-9_]/_/g')
    printf 'VIA_TESTS += %s\n' "$program"
    printf '%s_SOURCES = %s\n' "$variable" "$1"
    printf '%s_LDFLAGS = $(WRAPPING)\n' "$variable"
    printf '%s_LDADD = $(LINK_TEST) %s $(CHECK_LIBS)\n' "$variable" "$2"
}

# gallery VARIABLE FLAGS LIBRARIES SOURCES...: prints the programs of the gallery, and what each is built with.
gallery() {
    variable=$1 flags=$2 libraries=$3
    shift 3
    printf '%s =' "$variable"
    for source; do printf ' \\\n  %s' "${source%.c}"; done
    printf '\n'
    for source; do
        program=$(echo "${source%.c}" | sed 's/[^A-Za-z0-9_]/_/g')
        test -z "$flags" || printf '%s_CPPFLAGS = $(AM_CPPFLAGS) %s\n' "$program" "$flags"
        printf '%s_LDADD = libviaduct.la%s\n' "$program" "${libraries:+ $libraries}"
    done
}

{
    echo "$header"
    assign viaduct_headers include/viaduct/*.h
    for layer in $layers; do
        assign "libviaduct_${layer}_la_SOURCES" src/"$layer"/*.[ch]
    done
} >"$new/sources.mk"

{
    echo "$header"
    for layer in $layers integration; do
        case $layer in
        integration) directory=tests/integration ;;
        *) directory=tests/unit/$layer ;;
        esac
        for source in "$directory"/test_*.c; do
            if test -f "$source"; then test_program "$source" "$(linked_layers "$layer")"; fi
        done
    done
    assign test_headers tests/unit/*.h tests/unit/*/*.h tests/integration/*.h
} >"$new/tests.mk"

{
    echo "$header"
    assign crashy_codec_sources $(ls examples/crashy_codec/*.[ch] | grep -v /tzif)
    assign sqlite_httpd_sources examples/sqlite_httpd/*.[ch]
    gallery GALLERY '' '' $(grep -L 'include <sqlite3.h>' examples/gallery/[0-9]*.c)
    gallery SQLITE_GALLERY '$(EXAMPLES_CFLAGS)' '$(EXAMPLES_LIBS)' $(grep -l 'include <sqlite3.h>' examples/gallery/[0-9]*.c)
} >"$new/examples.mk"

rc=0
for pair in src/sources.mk tests/tests.mk examples/examples.mk; do
    generated=$new/${pair#*/}
    cmp -s "$generated" "$pair" && continue
    if test "$check" = yes; then
        echo "$pair does not list the files that are there; run tools/update-sources.sh"
        diff "$pair" "$generated" || rc=1
    else
        cp "$generated" "$pair"
        echo "$pair updated"
    fi
done
exit "$rc"
