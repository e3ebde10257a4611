/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads that have fibers.
 *
 * When a thread ends, a destructor of thread-specific data ends the fibers that run, as pthread_exit() may
 * have been called in one.  Suspended ones belong to the program, whose own destructors may be about to free
 * them: so the end is put off for as many rounds as the system has.  What is suspended then stays: its stacks
 * are lost.
 */
#include <config.h>

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fork.h"
#include "base/log.h"
#include "base/thread.h"
#include "coro/fiber.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; // guards all that follows
static struct via__list via__fiber_threads = {&via__fiber_threads,
                                              &via__fiber_threads}; // also for the debugger
static pthread_key_t key;
static int key_made;

static size_t thread_bytes(void)
{
    size_t page = via__guard_bytes();
    return (sizeof(struct via__fiber_thread) + page - 1) / page * page;
}

static void free_thread(struct via__fiber_thread *thread)
{
    pthread_mutex_lock(&lock);
    via__list_remove(&thread->link);
    pthread_mutex_unlock(&lock);
    via__overflow_uncover(thread);
    via__stacks_trim(&thread->stacks);
    via__fiber_self.thread = NULL;
    // Suspended fibers still point to it, and are told by that from those of other threads.
    if (via__stacks_in_use(&thread->stacks) == 0)
        munmap(thread, thread_bytes());
    else
        via__log(VIA_LOG_WARNING, "a thread has ended with coroutines suspended; their stacks are lost");
}

static void thread_ends(void *arg)
{
    struct via__fiber_thread *thread = arg;
    via__fiber_lose_all(thread);
    if (via__stacks_in_use(&thread->stacks) > 0 && ++thread->rounds < PTHREAD_DESTRUCTOR_ITERATIONS - 1 &&
        pthread_setspecific(key, thread) == 0)
        return;
    free_thread(thread);
}

// In a forked child there is only this thread, and another may have held the lock.
static void reset_in_child(void)
{
    pthread_mutex_init(&lock, NULL);
    via__list_init(&via__fiber_threads);
    via__overflow_reset();
    if (via__fiber_self.thread) {
        via__list_push_back(&via__fiber_threads, &via__fiber_self.thread->link);
        via__fiber_self.thread->id = (pid_t)via__thread_id();
    }
}

// A failure is not kept: the next fiber tries again.
static int enlist(struct via__fiber_thread *thread)
{
    if (via__fork_watch() < 0)
        return 0;
    via__fork_on_child(reset_in_child);
    pthread_mutex_lock(&lock);
    if (!key_made)
        key_made = pthread_key_create(&key, thread_ends) == 0;
    int listed = key_made && pthread_setspecific(key, thread) == 0;
    if (listed)
        via__list_push_back(&via__fiber_threads, &thread->link);
    pthread_mutex_unlock(&lock);
    return listed;
}

struct via__fiber_thread *via__fiber_thread_make(void)
{
    struct via__fiber_thread *thread =
        mmap(NULL, thread_bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (thread == MAP_FAILED)
        return NULL;
    thread->root.state = VIA__FIBER_RUNNING;
    thread->root.thread = thread;
    thread->id = (pid_t)via__thread_id();
    if (!enlist(thread)) {
        munmap(thread, thread_bytes());
        return NULL;
    }
    via__fiber_self.thread = thread;
    via__fiber_self.err_no = &errno;
    return thread;
}
