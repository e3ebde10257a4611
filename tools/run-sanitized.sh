#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Builds the library under a sanitizer in a directory of its own and runs the test programs there.
#
#   tools/run-sanitized.sh SOURCE-DIRECTORY address|thread COMPILER BUILD-DIRECTORY [MAKE]
set -eu

source_directory=$(cd "$1" && pwd)
sanitizer=$2
compiler=$3
build_directory=$4
make=${5:-make}

if test -z "$compiler"; then
    echo "$build_directory needs a compiler that is not installed (Debian: clang)" >&2
    exit 1
fi
case $sanitizer in
address) flags='-fsanitize=address,undefined -fno-sanitize-recover=undefined' ;;
thread) flags=-fsanitize=thread ;;
*) echo "unknown sanitizer $sanitizer" >&2; exit 2 ;;
esac

mkdir -p "$build_directory"
cd "$build_directory"
if ! test -f Makefile; then
    # Slabs would hide freed objects from the sanitizers; one kind of library halves the work.
    "$source_directory/configure" --disable-slab --disable-shared --disable-manual \
        CC="$compiler" CFLAGS="-O1 -g -fno-omit-frame-pointer $flags" >configure.out 2>&1 || {
        cat configure.out
        exit 1
    }
fi

# The thread sanitizer cannot always bear randomised addresses.
without_randomisation=
if test "$sanitizer" = thread && setarch -R true 2>/dev/null; then
    without_randomisation='setarch -R'
fi
suppressions=$source_directory/tools/tsan.supp
ASAN_OPTIONS="allocator_may_return_null=1:detect_leaks=1:detect_stack_use_after_return=1${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
UBSAN_OPTIONS="print_stacktrace=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}"
TSAN_OPTIONS="allocator_may_return_null=1:die_after_fork=0:halt_on_error=1:second_deadlock_stack=1${TSAN_OPTIONS:+:$TSAN_OPTIONS}"
test -f "$suppressions" && TSAN_OPTIONS="$TSAN_OPTIONS:suppressions=$suppressions"
CK_TIMEOUT_MULTIPLIER=${CK_TIMEOUT_MULTIPLIER:-3}
export ASAN_OPTIONS UBSAN_OPTIONS TSAN_OPTIONS CK_TIMEOUT_MULTIPLIER

exec $without_randomisation $make check SCRIPT_TESTS= COVERAGE_TEST=
