/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The short way into a thread pool, and how its workers come, look, sleep and go.  README.md tells what of the
 * C code is here, what is not, and which mistakes can be made on purpose.
 *
 * Everything between acquire() and release() has the pool's lock; what only the lock's holder can see is one
 * atomic step, and each access to `open` or to a slot of the ring is a step of its own.
 */
#ifndef SUBMITTERS
#define SUBMITTERS 2
#endif
#ifndef FIRST
#define FIRST 2 /* jobs of the first submitter; the others have one */
#endif
#ifndef WORKERS
#define WORKERS 2 /* at one time */
#endif
#ifndef STARTS
#define STARTS 3 /* of threads in all */
#endif
#ifndef EARLY
#define EARLY 1 /* timeouts that need not wait until nothing else can happen */
#endif
#ifndef RING
#define RING 2
#endif

#define JOBS   (FIRST + SUBMITTERS - 1)
#define NOBODY STARTS
#define NONE   JOBS

mtype = { BRISK, SHORT, LONG };    /* what calls took lately */
mtype = { WORK, SENTRY, IDLE, END }; /* what a worker does next */

bool locked;
mtype estimate = LONG;
byte worker_count, idle_count, listed; /* `listed` threads have not left yet */
bool searching, waking, stopping;
byte sentry = NOBODY;
byte idle[STARTS], idle_top; /* a stack */
byte started;
byte early;

bool live[STARTS], parked[STARTS], token[STARTS], moved[STARTS];
byte batch[STARTS], inside[STARTS];
byte slot_of[STARTS * 2]; /* NONE or a job; two slots for each worker */

bool open;
byte ring[JOBS + 1], head, tail; /* a place holds 1 + job once it is filled */
chan queue = [JOBS] of { byte };

/* What is checked. */
bool over[JOBS], refused[JOBS], returned[JOBS], promised[JOBS];
byte last[SUBMITTERS]; /* 1 + the job that was taken last */
bool shut;

#define RING_HAS (ring[head] != 0)
#define HAS      (len(queue) > 0 || RING_HAS)
#define WHOLE    (head == tail)
#define ENDED(j) (over[j] || refused[j])
#define ALL_ENDED (ENDED(0) && ENDED(1) && (JOBS < 3 || ENDED(2)) && (JOBS < 4 || ENDED(JOBS - 1)))

#ifdef ENDS_BEHIND_A_GAP
#define NOTHING_TO_COME true
#else
#define NOTHING_TO_COME WHOLE
#endif

inline acquire() { atomic { !locked -> locked = true } }
inline release() { locked = false }

inline close() { open = false }

inline settle()
{
    atomic {
        if
        :: !stopping && worker_count > idle_count &&
               (searching || (sentry != NOBODY && estimate == BRISK) ||
                (idle_count == 0 && worker_count == WORKERS)) -> open = true
        :: else -> open = false
        fi
    }
}

inline start_worker()
{
    atomic {
        assert(started < STARTS);
        live[started] = true;
        worker_count++;
        listed++;
        waking = true;
        run worker(started);
        started++
    }
}

inline pop_idle()
{
    if
    :: idle_top > 0 -> idle_top--; woken = idle[idle_top]
    :: else -> woken = sentry; sentry = NOBODY
    fi;
    if
    :: woken != NOBODY -> parked[woken] = false; idle_count--
    :: else
    fi
}

/* Some awake worker is between two jobs. */
#define COMES(w, self) ((w) != (self) && live[w] && !parked[w] && batch[w] <= 1 && inside[w] == 0)
#define SOMEBODY_COMES(self) (COMES(0, self) || COMES(1, self) || (STARTS > 2 && COMES(STARTS - 1, self)))

/* Whether the backlog is worth a wake: any answer may come, unless calls are long. */
inline judge_worth(there)
{
    if
    :: there -> worth = true
    :: estimate != LONG -> worth = false
    :: else -> worth = there
    fi
}

inline want_worker(self, behind)
{
    atomic {
        woken = NOBODY;
        if
        :: searching || waking || (idle_count == 0 && worker_count == WORKERS) || !(behind || HAS)
        :: else ->
            judge_worth(behind || HAS);
            if
            :: worker_count > idle_count && !worth && (sentry != NOBODY || SOMEBODY_COMES(self))
            :: worker_count > idle_count && self == NOBODY && SOMEBODY_COMES(NOBODY)
            :: else ->
                pop_idle();
                if
                :: woken != NOBODY -> waking = true
                :: else ->
                    if
                    :: worker_count < WORKERS && started < STARTS -> start_worker()
                    :: else
                    fi
                fi
            fi
        fi
    }
}

inline unpark()
{
    atomic {
        if
        :: woken != NOBODY -> token[woken] = true; woken = NOBODY
        :: else
        fi
    }
}

/* Calls of one submitter are taken in the order in which they came. */
inline note_taken(j)
{
    owner = (j < FIRST -> 0 : 1 + j - FIRST);
    assert(1 + j > last[owner]);
    last[owner] = 1 + j;
    owner = 0
}

inline pop_job()
{
    atomic {
        if
        :: len(queue) > 0 -> queue ? job
        :: len(queue) == 0 && RING_HAS -> job = ring[head] - 1; head++
        :: else -> job = NONE
        fi
    }
}

inline spill()
{
    do
    :: atomic { RING_HAS -> queue ! ring[head] - 1; head++ }
    :: atomic { !RING_HAS -> break }
    od
}

/* ---- submitters ---- */

inline take_place()
{
    atomic {
        if
        :: tail - head < RING -> at = tail; tail++
        :: else -> at = NONE
        fi
    }
}

inline turn_away()
{
    do
    :: acquire();
       atomic {
           gone = NONE;
           if
           :: worker_count == 0 && RING_HAS -> gone = ring[head] - 1; head++
           :: else
           fi
       };
       release();
       atomic {
           if
           :: gone == NONE -> break
           :: else ->
               assert(!promised[gone]);
               refused[gone] = true
           fi
       }
    od
}

inline look_after()
{
    acquire();
    atomic {
        refuse = false;
        if
        :: worker_count == 0 && stopping -> refuse = true
        :: worker_count == 0 && !stopping -> start_worker()
        :: else
        fi
    };
#ifndef STARTS_WHEN_OVER
    if
    :: refuse
    :: else -> want_worker(NOBODY, false)
    fi;
#else
    want_worker(NOBODY, false);
#endif
    release();
    unpark();
    if
    :: refuse -> turn_away()
    :: else
    fi
}

inline fill_place()
{
    ring[at] = 1 + job;
#ifndef NO_SECOND_LOOK
    if
    :: open
    :: else -> look_after()
    fi
#endif
}

/* Under the lock: what must not pass a job in the ring whose place cannot be reached yet goes behind it. */
inline push_job()
{
    spill();
    at = NONE;
#ifndef PASSES_A_GAP
    do
    :: WHOLE -> break
    :: else ->
        take_place();
        if
        :: at != NONE -> ring[at] = 1 + job; break
        :: else ->
            release();
            RING_HAS || WHOLE; /* a pause in C */
            acquire();
            if
            :: stopping -> refuse = true; break
            :: else
            fi;
            spill()
        fi
    od;
#endif
    if
    :: at == NONE && !refuse -> queue ! job
    :: else
    fi
}

inline submit()
{
    refuse = false;
    at = NONE;
    if
    :: open ->
        take_place();
        if
        :: at != NONE -> fill_place()
        :: else ->
            acquire();
            spill();
            release();
            take_place();
            if
            :: at != NONE -> fill_place()
            :: else
            fi
        fi
    :: else
    fi;
    if
    :: at != NONE
    :: else ->
        acquire();
        if
        :: stopping -> refuse = true
        :: else ->
            if
            :: worker_count == 0 -> start_worker()
            :: else
            fi;
            push_job()
        fi;
        if
        :: refuse
        :: else -> want_worker(NOBODY, false)
        fi;
        release();
        unpark();
        if
        :: refuse -> refused[job] = true
        :: else
        fi
    fi;
    atomic { returned[job] = true; refuse = false; worth = false; gone = 0; at = 0 }
}

proctype submitter(byte me)
{
    byte woken = NOBODY;
    byte job, at, gone;
    bool refuse, worth;
    byte i;

    do
    :: i < (me == 0 -> FIRST : 1) ->
        job = (me == 0 -> i : FIRST + me - 1);
        submit();
        i++
    :: else -> break
    od;
}

/* ---- workers ---- */

/* What ran changes the estimate. */
inline learn()
{
    if
    :: !ran
    :: ran -> estimate = BRISK
    :: ran -> estimate = SHORT
    :: ran -> estimate = LONG
    fi;
    ran = false
}

inline fill_slots()
{
    taken = 0;
    do
    :: taken == 0 || (taken == 1 && estimate != LONG) ->
        pop_job();
        atomic {
            if
            :: job == NONE -> break
            :: else ->
                note_taken(job);
                slot_of[me * 2 + taken] = job;
                taken++
            fi
        }
    :: taken > 0 -> break
    od
}

inline steal()
{
    atomic {
        victim = 0;
        do
        :: estimate != LONG || victim == STARTS || taken > 0 -> break
        :: else ->
            if
            :: victim != me && live[victim] && batch[victim] > 1 ->
                i = 0;
                do
                :: i < 2 ->
                    if
                    :: slot_of[victim * 2 + i] != NONE ->
                        slot_of[me * 2 + taken] = slot_of[victim * 2 + i];
                        slot_of[victim * 2 + i] = NONE;
                        taken++;
                        inside[victim]--
                    :: else
                    fi;
                    i++
                :: else -> break
                od;
                if
                :: taken > 0 -> batch[victim] = 1
                :: else
                fi
            :: else
            fi;
            victim++
        od
    }
}

inline take_batch(must)
{
    acquire();
    atomic {
        batch[me] = 0;
        learn();
        others = worker_count - idle_count - 1;
        judge_worth(HAS)
    };
    taken = 0;
    if
    :: must || others == 0 || worth ->
        fill_slots();
        if
        :: taken == 0 -> steal()
        :: else
        fi
    :: else
    fi;
    atomic {
        batch[me] = taken;
        inside[me] = taken
    };
    if
    :: taken > 0 -> want_worker(me, taken > 1)
    :: else
    fi;
    settle();
    release();
    unpark();
    atomic { worth = false; others = 0; victim = 0; i = 0; job = 0 }
}

inline run_job()
{
    atomic { job = slot_of[me * 2 + at]; slot_of[me * 2 + at] = NONE };
    if
    :: job == NONE
    :: else ->
        assert(!shut);
#ifdef A_CALL_WAITS
        /* The first call lasts until every other one has ended. */
        if
        :: job == 0 -> (ENDED(1) && (JOBS < 3 || ENDED(2)) && (JOBS < 4 || ENDED(JOBS - 1)))
        :: else
        fi;
#endif
        inside[me]--;
        over[job] = true;
        atomic { moved[me] = true; ran = true }
    fi
}

inline run_batch()
{
    at = 0;
    do
    :: at < 2 -> run_job(); at++
    :: else -> break
    od;
    atomic { at = 0; job = 0 }
}

inline search()
{
    acquire();
    if
    :: !searching && !stopping && estimate != LONG && !HAS ->
        searching = true;
        settle();
        release();
        /* It may give up at any time. */
        acquire();
        searching = false
    :: true
    fi
}

#define BACKLOG (HAS || batch[0] > 1 || batch[1] > 1 || (STARTS > 2 && batch[STARTS - 1] > 1))

inline unlist()
{
    if
    :: !parked[me] -> expired = false
    :: else ->
        parked[me] = false;
        idle_count--;
        expired = true;
        if
        :: sentry == me -> sentry = NOBODY
        :: else ->
            if
            :: idle[idle_top - 1] == me
            :: else -> idle[0] = idle[1] /* two sleep at most */
            fi;
            idle_top--
        fi
    fi
}

/* A nap ends by itself; another sleep may. */
inline sleep(is_nap)
{
    atomic { parked[me] = true; idle_count++ };
    settle();
    release();
    quiet = false;
    if
    :: atomic { token[me] -> token[me] = false; expired = false }
    :: atomic { early < EARLY -> early++; expired = true }
    :: atomic { is_nap && timeout -> expired = true; quiet = true }
    fi;
    acquire();
    if
    :: expired && !parked[me] ->
        /* Taken off just now: the token is on its way. */
        release();
        atomic { token[me] -> token[me] = false };
        acquire()
    :: else
    fi;
    close();
    atomic {
        unlist();
        if
        :: !expired -> waking = false
        :: else
        fi
    }
}

inline look_who_is_stuck()
{
    atomic {
        stuck = false;
        working = false;
        i = 0;
        do
        :: i < STARTS ->
            if
            :: live[i] && i != me && !parked[i] ->
                working = working || moved[i];
                stuck = stuck || (!moved[i] && batch[i] > 1);
                moved[i] = false
            :: else
            fi;
            i++
        :: else -> break
        od;
        stuck = stuck || (!working && HAS)
    }
}

inline stand_sentry()
{
    look_who_is_stuck();
    naps = 0;
    do
    :: true ->
        sentry = me;
        sleep(true);
        if
        :: !expired -> wake = WORK; break
        :: expired && stopping && HAS -> wake = WORK; break
        :: else -> look_who_is_stuck()
        fi;
        if
        :: stuck -> estimate = LONG; wake = WORK; break
        :: !stuck && !BACKLOG -> wake = WORK; break
        :: else
        fi;
        /* Nothing else can happen, and the sentry saw it several times. */
        naps = (quiet -> naps + 1 : 0);
        assert(naps < 4)
    od
}

inline wait_for_work()
{
    search();
    close();
    atomic {
        others = worker_count - idle_count - 1;
        judge_worth(HAS)
    };
    atomic {
        if
        :: HAS && (others == 0 || stopping || worth) -> wake = WORK
        :: else ->
            if
            :: sentry == NOBODY && BACKLOG -> wake = SENTRY
            :: (sentry != NOBODY || !BACKLOG) && stopping -> wake = (NOTHING_TO_COME -> END : WORK)
            :: else -> wake = IDLE
            fi
        fi
    };
    if
    :: wake == SENTRY -> stand_sentry()
    :: wake == IDLE ->
        idle[idle_top] = me;
        idle_top++;
        sleep(false);
        atomic {
            if
            :: expired && !HAS && NOTHING_TO_COME && started < STARTS -> wake = END
            :: else -> wake = WORK
            fi
        }
    :: else
    fi;
    if
    :: wake == END ->
        close();
        atomic { worker_count--; live[me] = false }
    :: else
    fi;
    settle();
    atomic {
        release();
        worth = false; others = 0; naps = 0; i = 0;
        expired = false; quiet = false; stuck = false; working = false
    }
}

proctype worker(byte me)
{
    byte woken = NOBODY;
    byte job, at, taken, others, victim, i, naps, owner;
    bool worth, ran, expired, quiet, stuck, working;
    mtype wake = WORK;

    acquire();
    waking = false;
    release();
    do
    :: wake == END -> break
    :: else ->
        take_batch(true);
        do
        :: taken > 0 -> run_batch(); take_batch(false)
        :: else -> break
        od;
        wait_for_work()
    od;
    acquire();
    listed--;
    release()
}

/* ---- the shutdown ---- */

proctype stopper()
{
    byte woken = NOBODY;
    byte i;

    acquire();
    atomic {
        stopping = true;
        /* Who submitted before is sure that the call is run. */
        do
        :: i < JOBS -> promised[i] = returned[i] && !refused[i]; i++
        :: else -> break
        od
    };
    close();
    atomic {
        do
        :: idle_count > 0 -> pop_idle(); token[woken] = true; woken = NOBODY
        :: else -> break
        od
    };
    release();
    atomic { listed == 0 && !locked -> shut = true };
    atomic {
        i = 0;
        do
        :: i < JOBS -> assert(!promised[i] || over[i]); i++
        :: else -> break
        od
    }
}

/* When nothing can happen any more, every call has ended. */
proctype observer()
{
    atomic {
        timeout && sentry == NOBODY;
        assert(ALL_ENDED);
#ifdef STOPS
        assert(shut)
#endif
    }
}

init
{
    byte i;

    atomic {
        do
        :: i < STARTS * 2 -> slot_of[i] = NONE; i++
        :: else -> break
        od;
        i = 0;
        do
        :: i < SUBMITTERS -> run submitter(i); i++
        :: else -> break
        od;
#ifdef WARM
        /* One worker is there, and has run calls. */
        estimate = SHORT;
        start_worker();
#endif
#ifdef STOPS
        run stopper();
#endif
        run observer()
    }
}
