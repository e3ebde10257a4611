/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Waits that could never end.
 *
 * A thread that has calls on its stack and is about to block enters itself here, with what it waits for, and
 * asks first whether that can ever be done.  The search follows, from each future: if it is running, the
 * thread that runs it, if that thread is blocked too; if it is queued, its executor, which can start it if it
 * has a thread that is not blocked, or one that will come back.  A path that returns to this thread leads
 * nowhere.  Whoever closes a circle is the last to block in it, and finds it.
 *
 * A thread that waits for room in the queue of an executor is entered too, whether it has calls or not: there
 * will be room if that executor has a thread that comes for a call.
 *
 * One thing is not known for a moment: the pump of a strand while it is being submitted.  Until then all
 * hangs on the thread that submits it.  A search that met such a strand says so (via__deadlock_unsettled()),
 * and the thread looks again when the pump is in its queue, since it may be the one to run it.
 *
 * Time.  A call that sleeps by a virtual clock is entered too.  It will come back, so nobody who waits for it
 * waits for ever; but a second question can be asked of a call, by the loop that has the clock: whether it
 * could go on while that clock stands still (via__deadlock_needs_time()).  To that one a sleeper leads
 * nowhere, and neither does a promise of that loop, or a task that was sent to it: it has nothing else to do.
 * The loop asks again when it is told of a change: a thread that has entered and uses a virtual clock tells
 * that.
 *
 * Everything is under one lock, `search_lock`, which only threads take that are about to sleep anyway.  An
 * executor whose job is pending is alive, and an executor passes through the lock before it is freed
 * (via__deadlock_barrier()), so the search may follow pointers to executors of jobs that it finds pending.
 */
#include <config.h>

#include <viaduct/error.h>

#include "base/list.h"
#include "base/lock.h"
#include "base/role.h"
#include "executor/executor.h"
#include "future/wait.h"

struct blocked {
    struct via__list link;
    struct via__frame *frame; // the innermost of the thread's calls
    via_cfuture *const *targets;
    size_t count;
    int all;
    int visiting;               // on the path of the search that is under way
    int unsettled;              // its own search met a strand whose pump was not known
    struct via__parker *parker; // to look again
    via_executor *room;         // it waits for room there, and has no targets
    _Atomic int leaving;        // there was room
    const struct via__nap *nap; // it sleeps, and has no targets
    pthread_t thread;
};

static pthread_mutex_t search_lock = PTHREAD_MUTEX_INITIALIZER;
static struct via__list all_blocked = {&all_blocked, &all_blocked};
static const struct via__vclock *stands; // the clock that stands still, in a search for that; else NULL
static _Thread_local struct blocked self;

static struct blocked *blocked_runner(const via_cfuture *cf)
{
    for (struct via__list *at = all_blocked.next; at != &all_blocked; at = at->next) {
        struct blocked *blocked = VIA__CONTAINER_OF(at, struct blocked, link);
        for (struct via__frame *frame = blocked->frame; frame; frame = frame->outer) {
            if (frame->cf == cf)
                return blocked;
        }
    }
    return NULL;
}

static int may_find_room(const struct blocked *blocked)
{
    // Relaxed: it is set under the executor's lock, which the look at the queue before has passed through.
    return blocked->room->kind->can_start(blocked->room, NULL) ||
           atomic_load_explicit(&blocked->leaving, memory_order_relaxed);
}

static int may_be_done(const struct blocked *blocked)
{
    size_t possible = 0;
    for (size_t i = 0; i < blocked->count; i++)
        possible += via__deadlock_progress(blocked->targets[i]) != 0;
    return blocked->all ? possible == blocked->count : possible > 0;
}

// A call has its clock until its function has returned.
static struct via__vclock *vclock_of(const struct blocked *blocked)
{
    const struct via__frame *frame = blocked->frame;
    struct via__call_extra *extra =
        frame && frame->stage == VIA__STAGE_RUNS ? via__job_extra(frame->cf) : NULL;
    return extra ? extra->vclock : NULL;
}

// 1 if the thread may come back from its wait.
static int may_return(struct blocked *blocked)
{
    if (blocked->visiting)
        return 0;
    if (blocked->nap)
        return vclock_of(blocked) != stands || !via__nap_is_asleep(blocked->nap);
    blocked->visiting = 1;
    int possible = blocked->room ? may_find_room(blocked) : may_be_done(blocked);
    blocked->visiting = 0;
    return possible;
}

int via__deadlock_progress(via_cfuture *cf)
{
    uint32_t state = via__cf_state(cf);
    if (via__state_done(state))
        return 1;
    if (!(state & VIA__JOB)) // a promise or a loop's: who will complete it is not known
        return !stands || !via__cf_only_here(cf);
    if ((state & VIA__STATE_MASK) == VIA_RUNNING) {
        struct blocked *runner = blocked_runner(cf);
        return runner ? may_return(runner) : 1;
    }
    via_executor *executor = via__job_executor(cf);
    return executor->kind->can_start ? executor->kind->can_start(executor, cf) : 1;
}

static int is_in(const struct blocked *blocked, const via_executor *executor)
{
    for (struct via__frame *frame = blocked->frame; frame; frame = frame->outer) {
        if (frame->executor == executor)
            return 1;
    }
    return 0;
}

int via__deadlock_blocked_in(via_executor *executor)
{
    int count = 0;
    for (struct via__list *at = all_blocked.next; at != &all_blocked; at = at->next)
        count += is_in(VIA__CONTAINER_OF(at, struct blocked, link), executor);
    return count;
}

int via__deadlock_any_progress(via_executor *executor)
{
    for (struct via__list *at = all_blocked.next; at != &all_blocked; at = at->next) {
        struct blocked *blocked = VIA__CONTAINER_OF(at, struct blocked, link);
        if (is_in(blocked, executor) && may_return(blocked))
            return 1;
    }
    return 0;
}

int via__deadlock_thread_progress(pthread_t thread)
{
    for (struct via__list *at = all_blocked.next; at != &all_blocked; at = at->next) {
        struct blocked *blocked = VIA__CONTAINER_OF(at, struct blocked, link);
        if (pthread_equal(blocked->thread, thread))
            return may_return(blocked);
    }
    return 1;
}

// Under the search lock: the loops whose clocks are in use by threads that wait are told of a change.
static void tell_clocks(void)
{
    for (struct via__list *at = all_blocked.next; at != &all_blocked; at = at->next) {
        struct via__vclock *clock = vclock_of(VIA__CONTAINER_OF(at, struct blocked, link));
        if (clock)
            via__vclock_tell(clock);
    }
}

void via__deadlock_unsettled(void)
{
    self.unsettled = 1;
}

void via__deadlock_look_again(void)
{
    pthread_mutex_lock(&search_lock);
    for (struct via__list *at = all_blocked.next; at != &all_blocked; at = at->next) {
        struct blocked *blocked = VIA__CONTAINER_OF(at, struct blocked, link);
        if (blocked->unsettled && blocked->parker)
            via__unpark(blocked->parker);
        blocked->unsettled = 0;
    }
    tell_clocks();
    pthread_mutex_unlock(&search_lock);
}

// A queued job that depends on one of the executors on this stack is run here: itself, or its strand's pump.
static int help(via_cfuture *cf)
{
    via_cfuture *job = NULL;
    pthread_mutex_t *lock = via__hashlock(cf);
    pthread_mutex_lock(lock);
    uint32_t state = via__cf_state(cf);
    if ((state & VIA__STATE_MASK) == VIA_PENDING && state & VIA__JOB) {
        via_executor *executor = via__job_executor(cf);
        if (executor->kind->depends)
            job = executor->kind->depends(executor, cf);
    }
    pthread_mutex_unlock(lock);
    if (!job)
        return 0;
    // The pump's executor is only compared; a pump that is done meanwhile is not claimed.
    via_executor *executor = via__job_executor(job);
    if (!via__executor_on_stack(executor) || !via__job_claim_outside(job, VIA__CLAIM_HELPED)) {
        via_cfuture_unref(job);
        return 0;
    }
    via__job_run_claimed(job);
    via__executor_die(executor); // the life from the claim
    return 1;
}

int via__deadlock_needs_time(via_cfuture *cf, const struct via__vclock *clock)
{
    pthread_mutex_lock(&search_lock);
    stands = clock;
    int needs = !via__deadlock_progress(cf);
    stands = NULL;
    pthread_mutex_unlock(&search_lock);
    return needs;
}

// Enters this thread, if its wait could end.
static int enter(const struct blocked *wait)
{
    pthread_mutex_lock(&search_lock);
    self = *wait;
    self.frame = via__role.frame;
    self.thread = pthread_self();
    via__list_push_back(&all_blocked, &self.link);
    int possible = may_return(&self);
    if (!possible)
        via__list_remove(&self.link);
    else
        tell_clocks();
    pthread_mutex_unlock(&search_lock);
    return possible ? 0 : VIA_EDEADLK;
}

static int begin(via_cfuture *const *targets, size_t count, int all, struct via__parker *parker)
{
    for (size_t i = 0; i < count; i++) {
        if (help(targets[i]))
            return 1;
    }
    return enter(&(struct blocked){.targets = targets, .count = count, .all = all, .parker = parker});
}

static void end(void)
{
    pthread_mutex_lock(&search_lock);
    via__list_remove(&self.link);
    pthread_mutex_unlock(&search_lock);
}

void via__deadlock_begin_nap(const struct via__nap *nap)
{
    (void)enter(&(struct blocked){.nap = nap});
}

void via__deadlock_end_nap(void)
{
    end();
}

int via__deadlock_begin_room(via_executor *executor)
{
    return enter(&(struct blocked){.room = executor});
}

void via__deadlock_has_room(void)
{
    // Relaxed: see may_find_room().
    atomic_store_explicit(&self.leaving, 1, memory_order_relaxed);
}

void via__deadlock_end_room(void)
{
    end();
}

static const struct via__wait_hooks hooks = {.begin = begin, .end = end};

void via__deadlock_install(void)
{
    // Release: pairs with the acquire in via__wait_until().
    atomic_store_explicit(&via__wait_hooks, &hooks, memory_order_release);
}

void via__deadlock_reset(void)
{
    pthread_mutex_init(&search_lock, NULL);
    via__list_init(&all_blocked);
}

void via__deadlock_barrier(void)
{
    pthread_mutex_lock(&search_lock);
    pthread_mutex_unlock(&search_lock);
}
