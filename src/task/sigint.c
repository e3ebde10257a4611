/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SIGINT while a runner runs.
 *
 * The handler posts to the loop: the first time one message, the second time another, which wakes the loop
 * wherever it sleeps and needs no memory.  libevent's signals would do for one base of the process only, and
 * count as something that is waited for.
 *
 * The system may run the handler in any thread that does not block SIGINT, so it may still be running when
 * the runner ends.  `handling` counts the handlers under way, and `active` says to whom they post.  The
 * handler counts itself before it reads `active`; the runner's end clears `active` before it reads the count
 * (all sequentially consistent): either the end sees the handler and waits, or the handler sees nobody to
 * post to.  A handler of the same thread is over before the end goes on.
 *
 * A handler with nobody to post to, or with two messages sent already, does what SIGINT does by default.
 */
#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "base/cpu.h"
#include "base/thread.h"
#include "task/sigint.h"

static _Atomic(struct via__sigint *) active;
static _Atomic int handling;

// It takes effect when the handler has returned.
static void act_by_default(void)
{
    struct sigaction action = {.sa_flags = 0};
    action.sa_handler = SIG_DFL;
    sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)raise(SIGINT);
}

// 1 if the loop will hear of it.
static int post(struct via__sigint *sigint)
{
    // Relaxed: the number alone counts; the post orders what goes with it.
    int nth = atomic_fetch_add_explicit(&sigint->count, 1, memory_order_relaxed);
    if (nth >= 2 || sigint->loop->generation != via__fork_generation())
        return 0;
    return via__loop_post(sigint->loop, nth == 0 ? &sigint->first : &sigint->second) == 0;
}

static void on_sigint(int signo)
{
    int saved = errno;
    (void)signo;
    // Sequentially consistent, all three, with via__sigint_end(): see above.
    atomic_fetch_add(&handling, 1);
    struct via__sigint *sigint = atomic_load(&active);
    if (!sigint || !post(sigint))
        act_by_default();
    atomic_fetch_sub(&handling, 1);
    errno = saved;
}

static void arrive(via_loop *loop, struct via__post *message)
{
    struct via__sigint *sigint = VIA__CONTAINER_OF(message, struct via__sigint, first);
    (void)loop;
    sigint->arrived++;
    sigint->arrive(sigint, 1);
}

static void arrive_again(via_loop *loop, struct via__post *message)
{
    struct via__sigint *sigint = VIA__CONTAINER_OF(message, struct via__sigint, second);
    (void)loop;
    sigint->arrived++;
    sigint->arrive(sigint, 2);
}

static void drop(via_loop *loop, struct via__post *message)
{
    (void)loop;
    (void)message;
}

// The child has neither the loop nor the other threads.
static void reset_in_child(void)
{
    struct sigaction now;
    // Sequentially consistent like the others; there is no other thread to be ordered with.
    if (atomic_load(&active) && sigaction(SIGINT, NULL, &now) == 0 && now.sa_handler == on_sigint)
        (void)signal(SIGINT, SIG_DFL);
    atomic_store(&active, NULL);
    atomic_store(&handling, 0);
}

void via__sigint_init(struct via__sigint *sigint, via_loop *loop,
                      void (*arrived)(struct via__sigint *sigint, int nth))
{
    static const struct via__post_kind first = {.arrive = arrive, .drop = drop};
    static const struct via__post_kind second = {.arrive = arrive_again, .drop = drop};
    *sigint = (struct via__sigint){
        .loop = loop, .arrive = arrived, .first = {.kind = &first}, .second = {.kind = &second}};
    via__fork_on_child(reset_in_child);
}

static int is_ours_to_catch(void)
{
    struct sigaction now;
    return via__thread_id() == getpid() && sigaction(SIGINT, NULL, &now) == 0 &&
           !(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_DFL;
}

void via__sigint_begin(struct via__sigint *sigint)
{
    if (sigint->depth++ || !is_ours_to_catch())
        return;
    // Relaxed, both: no handler runs.  One whose message is still on its way counts here.
    if (atomic_load_explicit(&sigint->count, memory_order_relaxed) == sigint->arrived) {
        atomic_store_explicit(&sigint->count, 0, memory_order_relaxed);
        sigint->arrived = 0;
    }
    struct sigaction action = {.sa_flags = SA_RESTART | SA_ONSTACK};
    action.sa_handler = on_sigint;
    sigemptyset(&action.sa_mask);
    atomic_store(&active, sigint); // before there is a handler to read it
    sigint->is_caught = sigaction(SIGINT, &action, NULL) == 0;
}

void via__sigint_end(struct via__sigint *sigint)
{
    struct sigaction now;
    if (--sigint->depth || !sigint->is_caught)
        return;
    sigint->is_caught = 0;
    // Somebody else may have taken it over meanwhile, for good.
    if (sigaction(SIGINT, NULL, &now) == 0 && now.sa_handler == on_sigint)
        (void)signal(SIGINT, SIG_DFL);
    // Sequentially consistent, both, with on_sigint(): see above.
    atomic_store(&active, NULL);
    while (atomic_load(&handling))
        via__cpu_relax();
}
