/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The report of a stack overflow: a handler of SIGSEGV that knows the guards.
 *
 * A stack that is full cannot run a handler, so each thread with fibers has an alternate one: its own, if the
 * program or a sanitizer has given it one.  Having reported, or if the fault is another one, the handler goes
 * on to what was there before, so that a core is dumped or a sanitizer speaks.
 *
 * The handler reads only variables of its own thread, and calls only what a signal handler may.
 */
#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <viaduct/coro.h>
#include <viaduct/error.h>

#include "coro/fiber.h"

#define SIGNAL_STACK_BYTES ((size_t)64 * 1024)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; // of those who enable it
_Atomic int via__overflow_enabled;
static struct sigaction chained;

struct line {
    char text[256];
    size_t length;
};

static void add_text(struct line *line, const char *text)
{
    while (*text && line->length < sizeof line->text - 1)
        line->text[line->length++] = *text++;
}

static void add_number(struct line *line, uintmax_t number, unsigned base)
{
    char digits[24];
    size_t at = sizeof digits - 1;
    digits[at] = '\0';
    do {
        digits[--at] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number);
    add_text(line, digits + at);
}

static void report(const struct via__fiber *fiber, const void *address)
{
    struct line line = {.length = 0};
    char buffer[VIA__FIBER_NAME];
    add_text(&line, "viaduct: stack overflow in coroutine \"");
    // A name of any length leaves room for the rest.
    for (const char *at = fiber->kind->name(fiber, buffer); *at && line.length < 160; at++)
        line.text[line.length++] = *at;
    add_text(&line, "\": its stack of ");
    add_number(&line, via__stack_bytes(fiber->stack), 10);
    add_text(&line, " bytes is full (at 0x");
    add_number(&line, (uintptr_t)address, 16);
    add_text(&line, ")\n");
    (void)!write(STDERR_FILENO, line.text, line.length);
}

static int is_in_guard(const struct via__fiber *fiber, const char *address)
{
    if (!fiber || !fiber->stack || fiber->stack->guard == VIA__GUARD_NONE)
        return 0;
    return address < fiber->stack->low && address >= fiber->stack->low - via__guard_bytes();
}

// Has the signal do what it would do without this handler.
static void chain(int signo, siginfo_t *info, void *context)
{
    if (chained.sa_flags & SA_SIGINFO) {
        chained.sa_sigaction(signo, info, context);
    } else if (chained.sa_handler != SIG_DFL && chained.sa_handler != SIG_IGN) {
        chained.sa_handler(signo);
    } else {
        signal(signo, SIG_DFL);
        // A fault comes again when its instruction is tried again.  One that was sent does not.
        if (info->si_code <= 0)
            raise(signo);
    }
}

static void on_fault(int signo, siginfo_t *info, void *context)
{
    int err_no = errno;
    const struct via__fiber *fiber = via__fiber_self.current;
    if (info->si_code > 0 && is_in_guard(fiber, info->si_addr))
        report(fiber, info->si_addr);
    chain(signo, info, context);
    errno = err_no;
}

void via__overflow_seen(const struct via__fiber *fiber)
{
    // Acquire, with the release in via_coro_overflow_enable(): what came before is known.
    if (atomic_load_explicit(&via__overflow_enabled, memory_order_acquire))
        report(fiber, __builtin_frame_address(0));
    // What lies below the stack is overwritten, and going on would make that worse.
    raise(SIGSEGV);
}

void via__overflow_cover_now(struct via__fiber_thread *thread)
{
    stack_t stack;
    if (sigaltstack(NULL, &stack) < 0 || !(stack.ss_flags & SS_DISABLE))
        return;
    void *low = mmap(NULL, SIGNAL_STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (low == MAP_FAILED)
        return;
    stack = (stack_t){.ss_sp = low, .ss_size = SIGNAL_STACK_BYTES};
    if (sigaltstack(&stack, NULL) == 0)
        thread->signal_stack = low;
    else
        munmap(low, SIGNAL_STACK_BYTES);
}

void via__overflow_uncover(struct via__fiber_thread *thread)
{
    stack_t stack;
    if (!thread->signal_stack)
        return;
    // Someone else may have put another one in its place.
    if (sigaltstack(NULL, &stack) == 0 && stack.ss_sp == thread->signal_stack) {
        stack = (stack_t){.ss_flags = SS_DISABLE};
        sigaltstack(&stack, NULL);
    }
    munmap(thread->signal_stack, SIGNAL_STACK_BYTES);
    thread->signal_stack = NULL;
}

static int install(void)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK};
    action.sa_sigaction = on_fault;
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGSEGV, NULL, &chained) < 0)
        return VIA_EINVAL;
    return sigaction(SIGSEGV, &action, NULL) < 0 ? VIA_EINVAL : 0;
}

void via__overflow_reset(void)
{
    pthread_mutex_init(&lock, NULL);
}

int via_coro_overflow_enable(void)
{
    struct via__fiber_thread *thread = via__fiber_thread();
    int status = 0;
    if (!thread)
        return VIA_ENOMEM;
    pthread_mutex_lock(&lock);
    // Relaxed: it is written under the lock.
    if (!atomic_load_explicit(&via__overflow_enabled, memory_order_relaxed)) {
        status = install();
        // Release, with the acquires above: `chained` is set.
        atomic_store_explicit(&via__overflow_enabled, status == 0, memory_order_release);
    }
    pthread_mutex_unlock(&lock);
    if (status == 0)
        via__overflow_cover(thread);
    return status;
}
