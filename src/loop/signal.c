/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Signal handlers: a watch for each signal.  libevent restores the signal's action when the watch goes.
 *
 * A forked child inherits the action, which writes to a socket that it shares with its parent: a signal to
 * the child would run the parent's handler.  So the child puts back what was there before, unless something
 * else is there by now.
 */
#include <config.h>

#include <pthread.h>
#include <signal.h>

#include "loop/watch.h"

static pthread_mutex_t lock =
    PTHREAD_MUTEX_INITIALIZER;        // guards what follows; not in the child, which is alone
static struct sigaction before[NSIG]; // where `caught` says so
static unsigned char caught[NSIG];
static struct sigaction by_libevent; // what it installs, for every signal the same
static int is_watching_forks;

static void restore_in_child(void)
{
    pthread_mutex_init(&lock, NULL);
    for (int signo = 1; signo < NSIG; signo++) {
        struct sigaction now;
        if (caught[signo] && sigaction(signo, NULL, &now) == 0 && now.sa_handler == by_libevent.sa_handler)
            (void)sigaction(signo, &before[signo], NULL);
        caught[signo] = 0;
    }
}

// The system knows which signals exist; it also lets nobody catch these two.
static int can_catch(int signo)
{
    struct sigaction old;
    return signo > 0 && signo < NSIG && signo != SIGKILL && signo != SIGSTOP &&
           sigaction(signo, NULL, &old) == 0;
}

// Under the lock: remembers what a signal did before libevent caught it for a first loop.
static void remember(int signo, const struct sigaction *old)
{
    (void)sigaction(signo, NULL, &by_libevent);
    if (caught[signo] && old->sa_handler == by_libevent.sa_handler)
        return; // for a second loop
    before[signo] = *old;
    caught[signo] = 1;
}

static int catch_signal(via_loop *loop, int signo, via_callback_fn fn, void *arg)
{
    struct sigaction old;
    if (!is_watching_forks && pthread_atfork(NULL, NULL, restore_in_child) != 0)
        return VIA_ENOMEM;
    is_watching_forks = 1;
    (void)sigaction(signo, NULL, &old);
    int status = via__watch_set(loop, &loop->signals, (size_t)signo, signo, EV_SIGNAL | EV_PERSIST, fn, arg);
    if (status == 0)
        remember(signo, &old);
    return status;
}

int via_loop_add_signal_handler(via_loop *loop, int signo, via_callback_fn fn, void *arg)
{
    int status = fn && can_catch(signo) ? via__loop_check(loop) : VIA_EINVAL;
    if (status < 0)
        return status;
    pthread_mutex_lock(&lock);
    status = catch_signal(loop, signo, fn, arg);
    pthread_mutex_unlock(&lock);
    return status;
}

int via_loop_remove_signal_handler(via_loop *loop, int signo)
{
    int status = can_catch(signo) ? via__loop_check(loop) : VIA_EINVAL;
    return status < 0 ? status : via__watch_clear(loop, &loop->signals, (size_t)signo);
}
