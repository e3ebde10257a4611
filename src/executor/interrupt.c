/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupting a blocking system call with a signal, again and again until the call has returned.
 *
 * A single signal can come just before the system call and be lost.  So the calls to be interrupted stand in
 * a list, and one thread, which exists only while the list is not empty, sends each its signal every
 * millisecond, later every ten.  A call takes itself off the list, under the same lock, before it returns: no
 * signal is sent to a thread that does something else.  The signal is open in a worker's mask only while an
 * interruptible call runs.
 */
#include <config.h>

#include <errno.h>
#include <signal.h>
#include <time.h>

#include <viaduct/error.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/role.h"
#include "base/thread.h"
#include "executor/executor.h"

#define FIRST_NUDGE_NS VIA_MS
#define LATER_NUDGE_NS (10 * VIA_MS)
#define FIRST_NUDGES   20

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; // guards all that follows
static struct via__list nudged = {&nudged, &nudged};
static int thread_runs;
static int installed_signo;
static struct sigaction chained;

static void on_signal(int signo, siginfo_t *info, void *context)
{
    int saved = errno;
    if (chained.sa_flags & SA_SIGINFO)
        chained.sa_sigaction(signo, info, context);
    else if (chained.sa_handler != SIG_DFL && chained.sa_handler != SIG_IGN)
        chained.sa_handler(signo);
    errno = saved;
}

static int install(int signo)
{
    struct sigaction before, action = {.sa_flags = SA_SIGINFO}; // no SA_RESTART: EINTR is the point
    action.sa_sigaction = on_signal;
    sigfillset(&action.sa_mask);
    if (sigaction(signo, NULL, &before) < 0)
        return VIA_EINVAL;
    // A child that was forked in the midst of this has the handler already, which must not call itself.
    if (!(before.sa_flags & SA_SIGINFO) || before.sa_sigaction != on_signal)
        chained = before;
    if (sigaction(signo, &action, NULL) < 0)
        return VIA_EINVAL;
    installed_signo = signo;
    return 0;
}

// After a handler that returns, the instruction that faulted is tried again, for ever.
static int is_fault(int signo)
{
    return signo == SIGSEGV || signo == SIGBUS || signo == SIGFPE || signo == SIGILL;
}

int via_thread_interrupt_enable(int signo)
{
    if (signo < 0 || signo == SIGKILL || signo == SIGSTOP || is_fault(signo))
        return VIA_EINVAL;
    if (signo == 0)
        signo = SIGURG;
    int status = via__executor_watch_forks();
    if (status < 0)
        return status;
    pthread_mutex_lock(&lock);
    status = installed_signo == signo ? 0 : installed_signo ? VIA_EBUSY : install(signo);
    pthread_mutex_unlock(&lock);
    return status;
}

// The handler stays installed, but nobody is to be interrupted here.
void via__interrupt_reset(void)
{
    pthread_mutex_init(&lock, NULL);
    via__list_init(&nudged);
    thread_runs = 0;
}

int via__interrupt_enabled(void)
{
    pthread_mutex_lock(&lock);
    int signo = installed_signo;
    pthread_mutex_unlock(&lock);
    return signo != 0;
}

static void signal_all(void)
{
    for (struct via__list *at = nudged.next; at != &nudged; at = at->next)
        pthread_kill(VIA__CONTAINER_OF(at, struct via__call_control, nudge)->thread, installed_signo);
}

static void *nudge_thread(void *unused)
{
    (void)unused;
    via__thread_set_name("via-interrupt");
    for (int round = 0;; round++) {
        pthread_mutex_lock(&lock);
        if (via__list_empty(&nudged)) {
            thread_runs = 0;
            pthread_mutex_unlock(&lock);
            return NULL;
        }
        signal_all();
        pthread_mutex_unlock(&lock);
        struct timespec pause = {.tv_nsec = round < FIRST_NUDGES ? FIRST_NUDGE_NS : LATER_NUDGE_NS};
        nanosleep(&pause, NULL);
    }
}

static void start_nudging(void)
{
    pthread_t thread;
    if (thread_runs)
        return;
    if (via__thread_start(&thread, NULL, nudge_thread, NULL) < 0) {
        via__log(VIA_LOG_WARNING, "no thread to repeat an interrupt; it was sent once");
        return;
    }
    pthread_detach(thread);
    thread_runs = 1;
}

static void fill_set(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, installed_signo);
}

void via__interrupt_begin(struct via__call_control *control)
{
    sigset_t set, before;
    fill_set(&set);
    pthread_sigmask(SIG_UNBLOCK, &set, &before);
    control->signal_open = !sigismember(&before, installed_signo);
}

void via__interrupt_end(struct via__call_control *control)
{
    sigset_t set;
    struct timespec now = {0};
    pthread_mutex_lock(&lock);
    via__list_remove(&control->nudge);
    pthread_mutex_unlock(&lock);
    if (control->signal_open)
        return;
    fill_set(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    // A signal that came too late must not hit the next interruptible call.
    while (sigtimedwait(&set, NULL, &now) > 0)
        ;
}

void via__interrupt_request(struct via__call_control *control)
{
    pthread_mutex_lock(&control->lock);
    pthread_mutex_lock(&lock);
    if (control->running && control->nudge.next == &control->nudge) {
        via__list_push_back(&nudged, &control->nudge);
        pthread_kill(control->thread, installed_signo);
        start_nudging();
    }
    pthread_mutex_unlock(&lock);
    pthread_mutex_unlock(&control->lock);
}
