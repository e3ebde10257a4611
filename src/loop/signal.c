/* SPDX-License-Identifier: BSD-3-Clause */
/* Signal handlers: a watch for each signal.  libevent restores the signal's action when the watch goes. */
#include <config.h>

#include <signal.h>

#include "loop/watch.h"

// The system knows which signals exist; it also lets nobody catch these two.
static int can_catch(int signo)
{
    struct sigaction old;
    return signo > 0 && signo < NSIG && signo != SIGKILL && signo != SIGSTOP &&
           sigaction(signo, NULL, &old) == 0;
}

int via_loop_add_signal_handler(via_loop *loop, int signo, via_callback_fn fn, void *arg)
{
    int status = fn && can_catch(signo) ? via__loop_check(loop) : VIA_EINVAL;
    if (status < 0)
        return status;
    return via__watch_set(loop, &loop->signals, (size_t)signo, signo, EV_SIGNAL | EV_PERSIST, fn, arg);
}

int via_loop_remove_signal_handler(via_loop *loop, int signo)
{
    int status = can_catch(signo) ? via__loop_check(loop) : VIA_EINVAL;
    return status < 0 ? status : via__watch_clear(loop, &loop->signals, (size_t)signo);
}
