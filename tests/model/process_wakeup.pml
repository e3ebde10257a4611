/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The channel between the program and a worker in shared memory: how each side sleeps and is woken, and how an
 * order is cancelled.  README.md tells what of the C code is here, and which mistakes can be made on purpose.
 *
 * Every access to a shared word is a step of its own; the C code makes them all sequentially consistent.
 */
#ifndef ORDERS
#define ORDERS 3
#endif
#ifndef SPURIOUS
#define SPURIOUS 0 /* wake-ups of the worker for no reason */
#endif
#ifndef CANCELS
#define CANCELS 0 /* orders that are cancelled, in the order in which they are shown */
#endif
#ifndef KNOCKS
#define KNOCKS 0
#endif

/* Written by the program. */
byte order_tail, wake, arm, knocks;
bool cancelled[ORDERS];
/* Written by the worker. */
byte answer_tail, started, sleep_generation;
#ifdef SHARED_FLAG
bool sleeping; /* written by both */
#endif

/* The kernel: who waits on the futex, and how often the eventfd rang since the program slept. */
bool waits;
bool rung;

/* What is checked. */
bool ran[ORDERS], certain[ORDERS];
byte heard; /* knocks */
byte spurious;
bool program_done;

#define HAS_NEWS (order_tail != head || knocks != heard)

/* FUTEX_WAIT: compares and falls asleep in one step. */
inline futex_wait(word, value)
{
    if
    :: atomic { word != value }
    :: atomic { word == value -> waits = true };
       /* Somebody's wake-up, or nobody's. */
       if
       :: !waits
       :: atomic { waits && spurious < SPURIOUS -> spurious++; waits = false }
       fi
    fi
}

/* ---- the worker ---- */

#if defined(SHARED_FLAG)

/* A flag that both sides write. */
inline sleep_until_news()
{
    sleeping = true;
    do
    :: seen = order_tail;
       if
       :: atomic { seen != head || knocks != heard -> seen = 0; break }
       :: atomic { seen == head && knocks == heard }
       fi;
       futex_wait(order_tail, seen)
    od;
    sleeping = false
}

#elif defined(ONE_GENERATION)

/* One generation for all waits until there is something. */
inline sleep_until_news()
{
    atomic { generation++; sleep_generation = generation };
    do
    :: seen = order_tail;
       if
       :: atomic { seen != head || knocks != heard -> seen = 0; break }
       :: atomic { seen == head && knocks == heard }
       fi;
       futex_wait(order_tail, seen)
    od;
    atomic { generation++; sleep_generation = generation }
}

#else

inline sleep_until_news()
{
    do
    :: seen = wake;
       atomic { generation = (generation | 1) + 2; sleep_generation = generation };
#ifndef NO_SECOND_LOOK
       if
       :: atomic { HAS_NEWS -> seen = 0; break }
       :: atomic { !HAS_NEWS }
       fi;
#endif
       futex_wait(wake, seen);
       seen = 0;
#ifdef NO_SECOND_LOOK
       if
       :: atomic { HAS_NEWS -> break }
       :: atomic { !HAS_NEWS }
       fi;
#endif
    od;
    atomic { generation++; sleep_generation = generation }
}

#endif

inline run_order()
{
#ifdef LOOKS_BEFORE_IT_STARTS
    refused = cancelled[head];
    started = head + 1;
#else
    started = head + 1;
    refused = cancelled[head];
#endif
    atomic {
        if
        :: !refused ->
            assert(!certain[head]);
            ran[head] = true
        :: else
        fi;
        head++;
        refused = false
    };
    answer_tail = head;
#ifdef ONE_RING
    if
    :: atomic { !rang && arm != rung_for -> rang = true; rung_for = arm; rung = true }
    :: atomic { rang || arm == rung_for }
    fi
#else
    if
    :: atomic { arm != rung_for -> rung_for = arm };
       rung = true
    :: atomic { arm == rung_for }
    fi
#endif
}

active proctype worker()
{
    byte head, seen, generation, rung_for;
    bool refused;
#ifdef ONE_RING
    bool rang;
#endif

end:
    do
    :: atomic { knocks != heard -> heard = knocks }
    :: atomic { knocks == heard && order_tail != head }; run_order()
    :: atomic { knocks == heard && order_tail == head }; sleep_until_news()
    od
}

/* ---- the program ---- */

#if defined(SHARED_FLAG)

inline wake_worker()
{
    if
    :: sleeping ->
       atomic { was = sleeping; sleeping = false };
       if
       :: was -> waits = false
       :: else
       fi;
       was = false
    :: else
    fi
}

#else

inline wake_worker()
{
    generation = sleep_generation;
    if
    :: atomic { (generation & 1) && generation != woken -> woken = generation };
#ifndef ONE_GENERATION
       wake = wake + 1;
#endif
       atomic { waits = false; generation = 0 } /* futex_wake() */
    :: atomic { !(generation & 1) || generation == woken -> generation = 0 }
    fi
}

#endif

inline cancel()
{
    cancelled[cancel_at] = true;
    certain[cancel_at] = started <= cancel_at;
    assert(!(certain[cancel_at] && ran[cancel_at]));
    cancel_at++
}

/* Sleeps until there is an answer; the engine looks, arms, looks again, and goes to sleep in its loop. */
inline wait_for_answer()
{
    do
    :: atomic { answer_tail != taken -> break }
    :: atomic { answer_tail == taken };
#ifdef NO_LOOK_AFTER_ARM
       arm = arm + 1;
#else
       arm = arm + 1;
       if
       :: atomic { answer_tail != taken -> break }
       :: atomic { answer_tail == taken }
       fi;
#endif
       atomic { rung -> rung = false }
    od
}

active proctype program()
{
    byte pushed, taken, woken, generation, knocked, cancel_at;
    bool owes; /* orders were shown since the last look whether the worker sleeps */
#ifdef SHARED_FLAG
    bool was;
#endif

    do
    :: pushed < ORDERS ->
        atomic { pushed++; order_tail = pushed; owes = true }
    :: owes -> wake_worker(); owes = false
    :: knocked < KNOCKS ->
        atomic { knocked++; knocks = knocked };
        wake_worker()
    :: cancel_at < pushed && cancel_at < CANCELS -> cancel()
#ifdef SHOWS_AND_FORGETS
    :: taken < pushed ->
#else
    :: taken < pushed && !owes ->
#endif
        wait_for_answer();
        taken = answer_tail
    :: taken == ORDERS && knocked == KNOCKS -> break
    od;
    program_done = true
}

/* When nothing can happen any more, everything has been answered and heard. */
active proctype observer()
{
    atomic {
        timeout;
        assert(program_done);
        assert(answer_tail == ORDERS && heard == KNOCKS)
    }
}
