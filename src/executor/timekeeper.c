/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The timekeeper: fails queued calls when their deadline comes, even if every worker is stuck.
 *
 * One thread for the process, which exists only while a call with a deadline is queued.  Room is reserved
 * before a call is queued, and its timer set after, when it cannot fail any more; a call that has started
 * meanwhile is `over` and sets none.  Whoever ends the call takes the timer out before its future can go. The
 * thread takes a reference on the future under the lock, so the future stays while it is claimed.  Lock
 * order: hashed lock, executor's lock, this lock.
 */
#include <config.h>

#include <viaduct/error.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/thread.h"
#include "executor/executor.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; // guards all that follows
static struct via__heap heap;
static struct via__parker parker;
static size_t reserved; // timers to be set by calls that are just being queued
static int thread_runs;

static void expire(via_cfuture *cf)
{
    if (!via__job_claim_outside(cf, VIA__CLAIM_EXPIRED)) {
        via_cfuture_unref(cf);
        return;
    }
    via_executor *executor = via__job_executor(cf);
    via__job_expire(cf);
    via__executor_die(executor); // the life from the claim
}

// The job of the first timer that is due, with a reference, or NULL; `*until_ns` says when to look again.
static via_cfuture *take_due(int64_t *until_ns, int *ended)
{
    via_cfuture *cf = NULL;
    pthread_mutex_lock(&lock);
    struct via__heap_node *first = via__heap_first(&heap);
    *ended = !first && !reserved;
    if (first && first->when_ns <= via_now_ns()) {
        cf = via_cfuture_ref(VIA__CONTAINER_OF(first, struct via__call_control, timer)->cf);
        via__heap_remove(&heap, first);
    } else if (first) {
        *until_ns = first->when_ns;
    } else {
        *until_ns = VIA_FOREVER;
    }
    if (*ended) {
        thread_runs = 0;
        via__heap_fini(&heap);
    }
    pthread_mutex_unlock(&lock);
    return cf;
}

static void *keep_time(void *unused)
{
    int64_t until_ns = 0;
    int ended = 0;
    (void)unused;
    via__thread_set_name("via-timekeeper");
    while (!ended) {
        via_cfuture *cf = take_due(&until_ns, &ended);
        if (cf)
            expire(cf);
        else if (!ended)
            via__park(&parker, until_ns);
    }
    return NULL;
}

// The heap may have been in the midst of a change, so its memory is left alone.
void via__timekeeper_reset(void)
{
    pthread_mutex_init(&lock, NULL);
    heap = (struct via__heap){0};
    reserved = 0;
    thread_runs = 0;
}

static int start_thread(void)
{
    pthread_t thread;
    if (thread_runs)
        return 0;
    via__parker_init(&parker);
    int status = via__thread_start(&thread, NULL, keep_time, NULL);
    if (status == 0) {
        pthread_detach(thread);
        thread_runs = 1;
    }
    return status;
}

int via__timekeeper_reserve(void)
{
    pthread_mutex_lock(&lock);
    int status = via__heap_reserve(&heap, heap.count + reserved + 1);
    if (status == 0)
        status = start_thread();
    if (status == 0)
        reserved++;
    else if (!thread_runs)
        via__heap_fini(&heap);
    pthread_mutex_unlock(&lock);
    return status;
}

void via__timekeeper_unreserve(void)
{
    pthread_mutex_lock(&lock);
    reserved--;
    via__unpark(&parker);
    pthread_mutex_unlock(&lock);
}

void via__timekeeper_set(struct via__call_control *control, int64_t deadline_ns)
{
    pthread_mutex_lock(&lock);
    reserved--;
    if (!control->over) {
        control->timer.when_ns = deadline_ns;
        (void)via__heap_insert(&heap, &control->timer); // there is room
    }
    if (control->over || via__heap_first(&heap) == &control->timer)
        via__unpark(&parker);
    pthread_mutex_unlock(&lock);
}

// A timer that a parent process had set is in no heap of this one.
static int is_set(const struct via__heap_node *timer)
{
    return timer->index && timer->index <= heap.count && heap.nodes[timer->index - 1] == timer;
}

void via__timekeeper_remove(struct via__call_control *control)
{
    pthread_mutex_lock(&lock);
    control->over = 1;
    int was_set = is_set(&control->timer);
    if (was_set)
        via__heap_remove(&heap, &control->timer);
    if (was_set && heap.count == 0)
        via__unpark(&parker);
    pthread_mutex_unlock(&lock);
}
