/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The watchdog, inside.
 *
 * Who looks at what.  The loop's heartbeat (via_loop.beat) is the only thing that the watchdog's thread reads
 * while the loop runs.  Everything else about a callback, the names in the first place, is found out by a
 * signal handler in the loop's own thread, where it cannot change meanwhile: see trace.c.
 *
 * Who is watched.  Each tick of any loop calls the hook while the watchdog is enabled.  The first time, it
 * makes a struct via__watched, and notes which thread it is in; it does so again when the loop is run by
 * another.  So the watchdog never needs to know whether the thread is alive: it sends signals by the kernel's
 * number of the thread, and asks a clock that says if it has ended.
 *
 * What keeps it alive.  A struct via__watched has a pin of its loop, and goes when the loop closes; if the
 * watchdog is just busy with it (`busy`), the watchdog frees it.  Disabling leaves these alone, since they
 * belong to threads that know nothing of it.
 *
 * Lock order: `admin`, for those who enable and disable, before `lock`, which guards the list and all that is
 * not said to be somebody's.  No report is made with `lock` held.  A report that enabled or disabled would
 * wait for itself, so that is refused.
 */
#ifndef VIADUCT_DEBUG_WATCHDOG_H
#define VIADUCT_DEBUG_WATCHDOG_H

#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#include <viaduct/watchdog.h>

#include "base/list.h"
#include "loop/loop.h"

#define VIA__TRACE_FRAMES 64
#define VIA__TRACE_NAME   64

// A thread, as the watchdog knows it.
struct via__runner {
    void *role; // via__loop_thread()
    long id;    // the kernel's number
    clockid_t clock;
};

// What a thread says of itself.
struct via__trace {
    int is_current; // the heartbeat is the one that was asked about
    int is_task;
    char name[VIA__TRACE_NAME];
    void *function;
    int count;
    void *frames[VIA__TRACE_FRAMES];
};

// A loop that is watched.
struct via__watched {
    struct via__list link;
    struct via__loop_closer closer;
    via_loop *loop;            // pinned
    struct via__runner runner; // written by the loop's thread, with the lock held
    int busy, closed;

    // The watchdog's thread: who is looked at, what it saw last, and since when.
    struct via__runner asked;
    uint64_t beat;
    int64_t since_ns, next_ns; // reported when it has lasted for `next_ns`
    int64_t cpu_ns;            // the thread's processor time then
    int reports;
    struct via__trace trace; // of the last report
};

// trace.c

// Installs the handler.  0, VIA_EINVAL or VIA_EBUSY.
int via__trace_install(int signo);
int via__trace_signo(void);

// In a forked child: nobody has been asked anything.
void via__trace_reset(void);

enum via__answer {
    VIA__ANSWERED,  // the trace is filled in
    VIA__NO_ANSWER, // the thread does not take signals just now
    VIA__NO_THREAD  // it has ended
};

// Has the thread say what it does.  Called by the watchdog's thread alone.
enum via__answer via__trace_ask(const struct via__runner *runner, via_loop *loop, uint64_t beat,
                                struct via__trace *trace);

// Tells whether the thread waits or computes, without disturbing it.
enum via_blocked via__runner_state(const struct via__runner *runner);

// The processor time that it has used; 0 if it has ended.
int64_t via__runner_cpu_ns(const struct via__runner *runner);

// report.c

// Calls the report function, or tells the log hook.
void via__blockage_report(struct via_blockage *blockage, const struct via__trace *trace,
                          via_blockage_fn report, void *arg);

#endif
