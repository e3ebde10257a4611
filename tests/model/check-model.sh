#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# check-model.sh SRCDIR DIR: searches every state of the models in several settings, in DIR.  Those with a mistake
# made on purpose must fail, so that the model is known to see it.  SPIN and CC name the programs.
set -u

if test -z "${SPIN-}"; then
    echo "check-model: spin is missing; install it (Debian: apt-get install spin) and run configure again" >&2
    exit 1
fi
models=$(cd "$1" && pwd)/tests/model
mkdir -p "$2" && cd "$2" || exit 1
status=0

# search DEFINITION...: with `model`, builds the search and runs it, with its output in run.log.
search() {
    rm -f pan pan.* run.log ./*.trail
    "$SPIN" -a "$@" "$models/$model" >spin.log 2>&1 && test -f pan.c &&
        $CC -O2 -w -DSAFETY -DCOLLAPSE -DVECTORSZ=4096 -DMEMLIM=1800 -o pan pan.c || {
        echo "check-model: the search for $* could not be built" >&2
        cat spin.log >&2
        exit 1
    }
    timeout 240 ./pan -E -m1000000 -w22 >run.log 2>&1
}

states() {
    awk '/states, stored/ { print $1 }' run.log
}

# holds DEFINITION...: every state was searched, and nothing is wrong.
holds() {
    search "$@"
    if grep -q 'errors: 0' run.log && ! grep -Eq 'MEMLIM|max search depth too small|not completed' run.log; then
        echo "holds: $model $* ($(states) states)"
    else
        echo "FAILED: $model $*"
        cat run.log
        status=1
    fi
}

# fails DEFINITION...: the mistake is found.
fails() {
    search "$@"
    if grep -q 'assertion violated' run.log; then
        echo "fails, as it must: $model $*"
    else
        echo "FAILED to find the mistake: $model $*"
        cat run.log
        status=1
    fi
}

model=short_way.pml
holds -DFIRST=1
holds -DFIRST=1 -DSTOPS
holds -DSUBMITTERS=1 -DFIRST=3 -DA_CALL_WAITS
fails -DFIRST=1 -DWARM -DNO_SECOND_LOOK
fails -DFIRST=1 -DSTOPS -DSTARTS_WHEN_OVER
fails -DFIRST=1 -DWARM -DSTOPS -DENDS_BEHIND_A_GAP
fails -DWARM -DWORKERS=1 -DSTARTS=2 -DPASSES_A_GAP

model=process_wakeup.pml
holds -DORDERS=3 -DSPURIOUS=2
holds -DORDERS=2 -DSPURIOUS=1 -DKNOCKS=1 -DCANCELS=2
for mistake in SHARED_FLAG ONE_GENERATION NO_SECOND_LOOK NO_LOOK_AFTER_ARM SHOWS_AND_FORGETS \
    ONE_RING; do
    fails -DORDERS=3 "-D$mistake"
done
fails -DORDERS=2 -DCANCELS=2 -DLOOKS_BEFORE_IT_STARTS
rm -f pan pan.*
exit $status
