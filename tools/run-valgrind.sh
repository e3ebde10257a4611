#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Runs unit test programs under valgrind memcheck.  Each test's process is checked by itself, so that an error or
# a leak fails the test that made it.
#
#   tools/run-valgrind.sh VALGRIND SUPPRESSIONS PROGRAM...
set -u

valgrind=$1
suppressions=$2
shift 2
if test -z "$valgrind"; then
    echo "check-valgrind needs valgrind (Debian: valgrind)" >&2
    exit 1
fi

CK_TIMEOUT_MULTIPLIER=20
VIADUCT_UNDER_VALGRIND=1
export CK_TIMEOUT_MULTIPLIER VIADUCT_UNDER_VALGRIND
passed=0
failed=0
for program; do
    # The children of test_overflow are meant to crash, which is an error to valgrind.
    case $program in
    */test_overflow.tap) continue ;;
    tests/unit/*) ;;
    *) continue ;;
    esac
    log=${program%.tap}.valgrind
    if ${LIBTOOL:-./libtool} --mode=execute "$valgrind" --quiet --error-exitcode=99 --leak-check=full \
        --show-leak-kinds=definite,indirect --errors-for-leak-kinds=definite,indirect \
        --fair-sched=try --suppressions="$suppressions" "./$program" >"$log" 2>&1; then
        passed=$((passed + 1))
        echo "PASS: $program"
    else
        failed=$((failed + 1))
        echo "FAIL: $program"
        cat "$log"
    fi
done
echo "valgrind: $passed programs passed, $failed failed"
test "$failed" -eq 0 && test "$passed" -gt 0
