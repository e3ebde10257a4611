/* SPDX-License-Identifier: BSD-3-Clause */
/* Each overflow happens in a child, whose standard error is read. */
#include "support/sanitizers.h"
#include "support/support.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <viaduct.h>

#include <config.h>

#include "coro/stack.h"

static char said[16384]; /* by the last child */

/* Runs `fn` in a child and keeps what it writes to standard error.  Its wait status. */
static int run_child(void (*fn)(void))
{
    int fds[2], status = 0;
    size_t length = 0;
    ck_assert_int_eq(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        dup2(fds[1], STDERR_FILENO);
        fn();
        _exit(0);
    }
    close(fds[1]);
    for (ssize_t got = 1; got > 0 && length<sizeof said - 1; length += got> 0 ? (size_t)got : 0)
        got = read(fds[0], said + length, sizeof said - 1 - length);
    said[length] = '\0';
    close(fds[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

/* A sanitizer makes an exit of the fault, with a report of its own. */
static void assert_died(int status)
{
    if (UNDER_SANITIZER)
        ck_assert(status != 0);
    else
        ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "status %d: %s", status, said);
}

static volatile int deep = 1;

static int recurse(void *arg, void **result)
{
    volatile char block[256];
    block[0] = 1;
    if (deep)
        return recurse(arg, result) + block[0];
    return 0;
}

static void overflow(const char *name, size_t stack_bytes)
{
    struct via_coro_options options = {.name = name, .stack_bytes = stack_bytes};
    via_coro *coro;
    if (via_coro_new(recurse, NULL, &options, &coro) == 0)
        via_coro_next(coro, NULL);
}

static void overflow_reported(void)
{
    via_coro_overflow_enable();
    overflow("upload 17", 0);
}

TEST(the_report_names_the_coroutine_and_its_stack)
{
    assert_died(run_child(overflow_reported));
    ck_assert_msg(
        strstr(said, "viaduct: stack overflow in coroutine \"upload 17\": its stack of 65536 bytes"),
        "it said: %s", said);
}

static void overflow_silent(void)
{
    overflow("upload 17", 0);
}

TEST(without_being_asked_the_library_says_nothing)
{
    assert_died(run_child(overflow_silent));
    ck_assert_ptr_null(strstr(said, "viaduct"));
}

static void *overflow_in_thread(void *arg)
{
    (void)arg;
    overflow("of a thread", 100000);
    return NULL;
}

static void overflow_elsewhere(void)
{
    pthread_t thread;
    via_coro_overflow_enable();
    pthread_create(&thread, NULL, overflow_in_thread, NULL);
    pthread_join(thread, NULL);
}

TEST(every_thread_is_covered)
{
    assert_died(run_child(overflow_elsewhere));
    ck_assert_msg(strstr(said, "\"of a thread\": its stack of 131072 bytes"), "it said: %s", said);
}

static void overflow_of_a_long_name(void)
{
    char name[5000];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    via_coro_overflow_enable();
    overflow(name, 0);
}

TEST(a_long_name_is_cut)
{
    assert_died(run_child(overflow_of_a_long_name));
    ck_assert_msg(strstr(said, "nnn\": its stack of 65536 bytes is full"), "it said: %s", said);
}

/* ---- what was there before ---- */

static void say_and_exit(int signo, siginfo_t *info, void *context)
{
    static const char text[] = "the handler before\n";
    (void)signo;
    (void)info;
    (void)context;
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    _exit(33);
}

static void install_before(void)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK};
    action.sa_sigaction = say_and_exit;
    sigaction(SIGSEGV, &action, NULL);
}

static void overflow_chained(void)
{
    install_before();
    via_coro_overflow_enable();
    via_coro_overflow_enable(); /* a second time must not make the handler chain to itself */
    overflow("chained", 0);
}

TEST(the_handler_that_was_there_comes_next)
{
    int status = run_child(overflow_chained);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 33, "status %d: %s", status, said);
    const char *report = strstr(said, "\"chained\"");
    ck_assert_ptr_nonnull(report);
    ck_assert_ptr_nonnull(strstr(report, "the handler before"));
}

static volatile int *volatile nowhere;

static int fault_elsewhere(void *arg, void **result)
{
    (void)arg;
    (void)result;
    nowhere = (int *)16;
    return *nowhere;
}

static void other_fault(void)
{
    via_coro *coro;
    install_before();
    via_coro_overflow_enable();
    if (via_coro_new(fault_elsewhere, NULL, NULL, &coro) == 0)
        via_coro_next(coro, NULL);
}

TEST(another_fault_is_passed_on_without_a_report)
{
    int status = run_child(other_fault);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 33);
    ck_assert_ptr_nonnull(strstr(said, "the handler before\n"));
    ck_assert_ptr_null(strstr(said, "viaduct"));
}

static void sent_signal(void)
{
    signal(SIGSEGV, SIG_DFL);
    via_coro_overflow_enable();
    raise(SIGSEGV);
}

TEST(a_signal_that_was_sent_still_ends_the_process)
{
    int status = run_child(sent_signal);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    ck_assert_ptr_null(strstr(said, "viaduct"));
}

/* ---- without guards ---- */

static int yield_beyond(void *arg, void **result);

/* A call that no compiler makes a loop of. */
static int (*volatile go_on)(void *arg, void **result) = yield_beyond;

/* Goes somewhat beyond its own stack, into that of its neighbour, and yields there.  AddressSanitizer would
 * have the block elsewhere. */
__attribute__((no_sanitize("address"))) static int yield_beyond(void *arg, void **result)
{
    volatile char block[15 * 1024];
    int rest = *(int *)arg;
    block[rest] = 1; /* which one is not known to the compiler, so it keeps the whole block */
    if (rest-- > 0)
        return go_on(&rest, result) + !block[rest + 1];
    return via_coro_yield(NULL, NULL);
}

static void overflow_without_guard(void)
{
    int levels = 6;
    struct via_coro_options options = {.name = "unguarded"};
    via_coro *below[8], *coro;
    via__guard_prefer(VIA__GUARD_NONE, 0);
    via_coro_overflow_enable();
    for (int i = 0; i < 8; i++)
        if (via_coro_new(yield_beyond, &levels, &options, &below[i]) < 0)
            _exit(1);
    coro = below[7];
    via_coro_next(coro, NULL);
}

TEST(without_a_guard_it_is_seen_when_the_coroutine_suspends)
{
    int status = run_child(overflow_without_guard);
    ck_assert_msg(strstr(said, "\"unguarded\": its stack of 65536 bytes is full"), "it said: %s", said);
    /* ThreadSanitizer may keep back a signal that was sent. */
    if (!UNDER_THREAD_SANITIZER)
        assert_died(status);
}

TEST_MAIN("coro/overflow", the_report_names_the_coroutine_and_its_stack,
          without_being_asked_the_library_says_nothing, every_thread_is_covered, a_long_name_is_cut,
          the_handler_that_was_there_comes_next, another_fault_is_passed_on_without_a_report,
          a_signal_that_was_sent_still_ends_the_process,
          without_a_guard_it_is_seen_when_the_coroutine_suspends)
