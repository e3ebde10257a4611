#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# run-fuzz.sh SRCDIR DIR SOURCE...: builds fuzz_channel with the sources of the library under test and runs it
# in DIR from the corpus on.  CLANG and CPPFLAGS are configure's.  Without clang and its libFuzzer it says so
# and passes.
set -u

source_directory=$1
directory=$2
shift 2
if test -z "${CLANG-}"; then
    echo "check-fuzz left out: it needs clang (Debian: apt-get install clang)"
    exit 0
fi
mkdir -p "$directory/corpus" || exit 1
echo 'int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n) { return d && n > 1 && 0; }' \
    >"$directory/probe.c"
if ! "$CLANG" -fsanitize=fuzzer,address -w "$directory/probe.c" -o "$directory/probe" >"$directory/probe.log" 2>&1; then
    echo "check-fuzz left out: this clang has no libFuzzer (Debian: apt-get install libclang-rt-dev)"
    exit 0
fi

sources=
for source; do sources="$sources $source_directory/$source"; done
# shellcheck disable=SC2086 # words are meant
"$CLANG" -std=c11 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined $CPPFLAGS \
    "$source_directory/tests/fuzz/fuzz_channel.c" $sources -o "$directory/fuzz_channel" || exit 1
exec "$directory/fuzz_channel" -max_total_time="${VIADUCT_FUZZ_SECONDS:-5}" -timeout=60 -max_len=4096 \
    -artifact_prefix="$directory/" -print_final_stats=1 -verbosity=0 "${VIADUCT_FUZZ_CORPUS:-$directory/corpus}" \
    "$source_directory/tests/fuzz/corpus/channel"
