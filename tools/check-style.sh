#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# The style that a machine can check: clang-format's layout, files of at most 800 lines, functions of at most
# 60 lines unless the comment above them gives the reason after "Long:".
#
# clang-format and Universal Ctags are used where they are installed.
#
#   tools/check-style.sh [source directory]
set -u
cd "${1:-$(dirname "$0")/..}" || exit 1
max_file_lines=800
max_function_lines=60
LC_ALL=C
export LC_ALL

rc=0
files=$(find include src tests examples bench -name '*.[ch]' | sort)

for file in $files; do
    lines=$(wc -l <"$file")
    if test "$lines" -gt "$max_file_lines"; then
        echo "$file: $lines lines; at most $max_file_lines"
        rc=1
    fi
    if ! head -n 1 "$file" | grep -q '^/\* SPDX-License-Identifier: BSD-3-Clause \*/$'; then
        echo "$file: the first line does not name the licence"
        rc=1
    fi
done

# Other versions of clang-format lay a few things out differently.
if clang-format --version 2>/dev/null | grep -q 'version 14\.'; then
    clang-format --dry-run -Werror $files || rc=1
else
    echo "clang-format 14 is not installed; the layout is not checked"
fi

# has_reason FILE LINE: whether the comment that ends just above the line says why the function is long.
has_reason() {
    awk -v last="$2" '
        NR >= last { exit }
        /^(\/\*|\/\/| \*)/ { comment = comment $0 "\n"; if (/^\/\*/) comment = $0 "\n"; next }
        /^[a-z].*[^;]$/ || /^ +[^ *]/ { if (NR < last - 3) comment = ""; next }
        { comment = "" }
        END { exit comment !~ /Long:/ }
    ' "$1"
}

if ctags --version 2>/dev/null | grep -q 'Universal Ctags'; then
    ctags -x --language-force=C --kinds-C=f --fields=+ne --_xformat='%F %n %e %N' $files 2>/dev/null |
        while read -r file first last name; do
            length=$((last - first + 1))
            test "$length" -le "$max_function_lines" && continue
            has_reason "$file" "$first" && continue
            echo "$file:$first: $name() has $length lines; at most $max_function_lines without a \"Long:\" reason"
        done >"${TMPDIR:-/tmp}/via-style.$$"
    if test -s "${TMPDIR:-/tmp}/via-style.$$"; then
        cat "${TMPDIR:-/tmp}/via-style.$$"
        rc=1
    fi
    rm -f "${TMPDIR:-/tmp}/via-style.$$"
else
    echo "Universal Ctags is not installed; the length of functions is not checked"
fi
exit "$rc"
