#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Every name in tests/coverage-names.txt has a row in tests/COVERAGE.md, which names the test of Viaduct that
# shows the same, as layer/test_module:test_name (several, separated by blanks or commas), or "n/a: reason".
# Each test so named must have run and passed: it has an "ok" line in the log of its program.
#
# A row is "| Class.test_name | layer/test_module:test_name |"; everything else in the file is prose.
#
#   tools/check-coverage.sh SOURCE-DIRECTORY BUILD-DIRECTORY
set -eu
top=$1
build=$2
names=$top/tests/coverage-names.txt
coverage=$top/tests/COVERAGE.md
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

test -f "$coverage" || { echo "$coverage is missing"; exit 1; }

# Rows as "name<TAB>targets".
sed -n 's/^| *`\{0,1\}\([A-Za-z_0-9]*\.test_[A-Za-z_0-9]*\)`\{0,1\} *| *\(.*[^ ]\) *|$/\1\t\2/p' "$coverage" |
    sed 's/`//g' >"$work/rows"
grep -v '^#' "$names" | grep . | LC_ALL=C sort >"$work/names"
cut -f 1 "$work/rows" | LC_ALL=C sort >"$work/mapped"

rc=0
complain() {
    echo "$*"
    rc=1
}

for name in $(LC_ALL=C comm -23 "$work/names" "$work/mapped"); do
    complain "$name is not mapped in tests/COVERAGE.md"
done
for name in $(uniq -d "$work/mapped"); do
    complain "$name is mapped twice"
done
for name in $(LC_ALL=C comm -13 "$work/names" "$work/mapped" | uniq); do
    complain "$name is mapped but not in tests/coverage-names.txt"
done

# log_of LAYER/MODULE: the log of a test program.
log_of() {
    case $1 in
    integration/*) echo "$build/tests/$1.log" ;;
    *) echo "$build/tests/unit/$1.log" ;;
    esac
}

tab=$(printf '\t')
while IFS=$tab read -r name targets; do
    case $targets in
    'n/a: '?*) continue ;;
    n/a*) complain "$name: \"n/a\" needs a reason, as \"n/a: reason\""; continue ;;
    esac
    for target in $(echo "$targets" | tr ',' ' '); do
        case $target in
        */test_*:?*) ;;
        *) complain "$name: \"$target\" is not of the form layer/test_module:test_name"; continue ;;
        esac
        program=${target%%:*}
        test_name=${target#*:}
        log=$(log_of "$program")
        if ! test -f "$log"; then
            complain "$name: $program did not run"
        elif ! grep -q "^ok [0-9]* - .*:$test_name: Passed" "$log"; then
            complain "$name: $target is not among the tests that passed"
        fi
    done
done <"$work/rows"
test -s "$work/rows" || complain "no rows found in tests/COVERAGE.md"
exit "$rc"
