/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Naps: while many calls are in flight and end one soon after the other, a wake-up for each would take the
 * processor from a worker every time.  Then the loop sleeps for a moment that it expects to bring two of
 * them, and is not signalled meanwhile: in its inbox it stays AWAKE, and the tick is due when the moment is
 * over.
 *
 * The pace is the mean time between two completions, as seen when the loop is about to sleep.  A nap that
 * brings nothing slows the pace, so that soon the loop sleeps until it is signalled.  A nap is taken only if
 * enough calls are in flight to keep the workers busy meanwhile, as far as one can tell; and only on the
 * loop's own base, whose timers are known to be exact.
 */
#include <config.h>

#include "base/clock.h"
#include "loop/tick.h"

#define SHORTEST_NS (20 * VIA_US) // a shorter one is not worth the poll
#define SPARE_CALLS 8             // in flight, beyond twice what a nap brings

static void learn_pace(via_loop *loop, int64_t now_ns)
{
    uint64_t ended = loop->calls_ended - loop->pace_calls;
    int64_t each_ns = now_ns - loop->pace_since_ns;
    if (ended)
        each_ns /= (int64_t)ended;
    else if (each_ns <= loop->pace_ns)
        return;
    loop->pace_ns = loop->pace_ns ? (3 * loop->pace_ns + each_ns) / 4 : each_ns;
    if (ended) {
        loop->pace_calls = loop->calls_ended;
        loop->pace_since_ns = now_ns;
    }
}

static int64_t within(int64_t least, int64_t value, int64_t most)
{
    return value > most ? most : value < least ? least : value;
}

int64_t via__nap_until(via_loop *loop)
{
    if (!loop->nap_ns || loop->in_flight < SPARE_CALLS || loop->stepping)
        return 0;
    int64_t now_ns = via_now_ns();
    learn_pace(loop, now_ns);
    int64_t pace_ns = loop->pace_ns > 0 ? loop->pace_ns : 1;
    if (pace_ns > loop->nap_ns / 4 * 3)
        return 0; // for hardly more than one
    int64_t nap_ns = within(SHORTEST_NS, pace_ns * 2, loop->nap_ns);
    return (int64_t)loop->in_flight < SPARE_CALLS + 2 * nap_ns / pace_ns ? 0 : now_ns + nap_ns;
}
