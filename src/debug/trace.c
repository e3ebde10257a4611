/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Asking a thread where it stands: with a signal, whose handler looks around.
 *
 * One question at a time.  `asked` holds the thread that is to answer; whoever takes that out, by an atomic
 * exchange, owns `question` and `answer`: the handler, which then posts the semaphore once, or the watchdog,
 * which gives up after a while.  The signal carries the address of `asked`, so that signals of others are
 * told from it and go on to the handler that was there before.
 *
 * The handler runs on the stack of whatever was interrupted, or on the thread's alternate one.  It calls only
 * backtrace(), which takes memory at its first call alone, and that was made when the handler was installed.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#ifdef HAVE_EXECINFO_H
#include <execinfo.h>
#endif

#include "base/clock.h"
#include "debug/watchdog.h"
#include "task/task.h"

#define ANSWER_NS (100 * VIA_MS) // a thread that has not answered by then has the signal blocked

static int installed_signo;
static struct sigaction chained;
static _Atomic(void *) asked; // the role of the thread
static struct {
    via_loop *loop;
    uint64_t beat;
} question;
static struct via__trace answer;
static sem_t answered;

#ifndef HAVE_EXECINFO_H
static int backtrace(void **frames, int most)
{
    (void)frames;
    (void)most;
    return 0;
}
#endif

// ---- in the handler ----

// The task that runs.  The thread may be in the midst of changing to another, so it is read once.
static const struct via__task *task_of(const via_loop *loop)
{
    const struct via__tasks *tasks = loop->tasks;
    return tasks ? *(struct via__task *const volatile *)&tasks->current : NULL;
}

static void note_task(const struct via__task *task)
{
    char buffer[VIA__FIBER_NAME];
    const char *name = task->fiber.kind->name(&task->fiber, buffer);
    size_t bytes = strnlen(name, sizeof answer.name - 1);
    memcpy(answer.name, name, bytes);
    answer.name[bytes] = '\0';
    answer.is_task = 1;
    answer.function = (void *)(uintptr_t)task->fn;
}

// Leaves out the handler's own frames: what follows the one that the handler returns to was interrupted.
static void note_frames(const void *trampoline)
{
    void *all[VIA__TRACE_FRAMES + 8];
    int count = backtrace(all, (int)(sizeof all / sizeof *all)), first = 0;
    while (first < count && all[first] != trampoline)
        first++;
    first = first < count ? first + 1 : 0;
    answer.count = count - first < VIA__TRACE_FRAMES ? count - first : VIA__TRACE_FRAMES;
    memcpy(answer.frames, all + first, (size_t)answer.count * sizeof *all);
}

static void give_answer(const void *trampoline)
{
    void *self = via__loop_thread();
    // Acquire: pairs with the release in via__trace_ask(), so that the question is there.
    if (!atomic_compare_exchange_strong_explicit(&asked, &self, NULL, memory_order_acquire,
                                                 memory_order_relaxed))
        return;
    const via_loop *loop = question.loop;
    // Relaxed: this thread writes it.
    answer.is_current = atomic_load_explicit(&loop->beat, memory_order_relaxed) == question.beat;
    if (answer.is_current) {
        const struct via__task *task = task_of(loop);
        answer.function = via__loop_function(loop);
        if (task)
            note_task(task);
        note_frames(trampoline);
    }
    sem_post(&answered);
}

static int is_function(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) ||
           (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN);
}

static void on_signal(int signo, siginfo_t *info, void *context)
{
    int saved = errno;
    if (info->si_code == SI_QUEUE && info->si_value.sival_ptr == &asked)
        give_answer(__builtin_return_address(0));
    else if (chained.sa_flags & SA_SIGINFO)
        chained.sa_sigaction(signo, info, context);
    else if (is_function(&chained))
        chained.sa_handler(signo);
    errno = saved;
}

// ---- installing it ----

static int install(int signo)
{
    void *frame;
    struct sigaction before, action = {.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    action.sa_sigaction = on_signal;
    sigfillset(&action.sa_mask);
    if (sigaction(signo, NULL, &before) < 0)
        return VIA_EINVAL;
    // Who has a handler that does not restart system calls wants them to end.
    if (is_function(&before) && !(before.sa_flags & SA_RESTART))
        action.sa_flags &= ~SA_RESTART;
    // A child that was forked in the midst of this has the handler already, which must not call itself.
    if (!(before.sa_flags & SA_SIGINFO) || before.sa_sigaction != on_signal)
        chained = before;
    backtrace(&frame, 1);
    if (sem_init(&answered, 0, 0) < 0 || sigaction(signo, &action, NULL) < 0)
        return VIA_EINVAL;
    installed_signo = signo;
    return 0;
}

int via__trace_install(int signo)
{
#ifndef SYS_rt_tgsigqueueinfo
    return VIA_ENOTSUP;
#endif
    if (installed_signo)
        return installed_signo == signo ? 0 : VIA_EBUSY;
    // After a handler that returns, the instruction that faulted is tried again, for ever.
    int is_fault = signo == SIGSEGV || signo == SIGBUS || signo == SIGFPE || signo == SIGILL;
    return is_fault || signo <= 0 ? VIA_EINVAL : install(signo);
}

int via__trace_signo(void)
{
    return installed_signo;
}

void via__trace_reset(void)
{
    // Relaxed: there is no other thread.
    atomic_store_explicit(&asked, NULL, memory_order_relaxed);
    sem_init(&answered, 0, 0);
}

// ---- in the watchdog's thread ----

static int send_signal(const struct via__runner *runner)
{
#ifdef SYS_rt_tgsigqueueinfo
    siginfo_t info = {.si_code = SI_QUEUE};
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value.sival_ptr = &asked;
    return (int)syscall(SYS_rt_tgsigqueueinfo, getpid(), (pid_t)runner->id, installed_signo, &info);
#else
    (void)runner;
    return -1;
#endif
}

static void wait_for_ever(void)
{
    while (sem_wait(&answered) < 0)
        ;
}

// 1 if the answer came in time.
static int wait_for_answer(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += ANSWER_NS;
    until.tv_sec += until.tv_nsec / VIA_S;
    until.tv_nsec %= VIA_S;
    while (sem_timedwait(&answered, &until) < 0)
        if (errno != EINTR)
            return 0;
    return 1;
}

// Takes the question back: 1, or 0 if it is being answered.
static int take_back(const struct via__runner *runner)
{
    void *role = runner->role;
    // Relaxed: if it works nobody else has seen the question.
    return atomic_compare_exchange_strong_explicit(&asked, &role, NULL, memory_order_relaxed,
                                                   memory_order_relaxed);
}

enum via__answer via__trace_ask(const struct via__runner *runner, via_loop *loop, uint64_t beat,
                                struct via__trace *trace)
{
    memset(&answer, 0, sizeof answer);
    question.loop = loop;
    question.beat = beat;
    // Release: pairs with the acquire in give_answer().
    atomic_store_explicit(&asked, runner->role, memory_order_release);
    int is_sent = send_signal(runner) == 0;
    if (!is_sent || !wait_for_answer()) {
        if (take_back(runner))
            return is_sent ? VIA__NO_ANSWER : VIA__NO_THREAD;
        wait_for_ever();
    }
    *trace = answer;
    return VIA__ANSWERED;
}

// The letter in the kernel's account of the thread, after the name in brackets.
static char state_letter(long id)
{
    char path[64], text[128];
    snprintf(path, sizeof path, "/proc/self/task/%ld/stat", id);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return '\0';
    ssize_t bytes = read(fd, text, sizeof text - 1);
    close(fd);
    text[bytes < 0 ? 0 : bytes] = '\0';
    const char *bracket = strrchr(text, ')');
    return bracket && bracket[1] == ' ' ? bracket[2] : '\0';
}

enum via_blocked via__runner_state(const struct via__runner *runner)
{
    switch (state_letter(runner->id)) {
    case 'R':
        return VIA_BLOCKED_COMPUTES;
    case 'S':
    case 'D':
        return VIA_BLOCKED_WAITS;
    default:
        return VIA_BLOCKED_UNKNOWN;
    }
}

int64_t via__runner_cpu_ns(const struct via__runner *runner)
{
    struct timespec time;
    return clock_gettime(runner->clock, &time) < 0 ? 0 : time.tv_sec * VIA_S + time.tv_nsec;
}
