/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The watchdog reports a loop that is blocked while it is, and says what blocks it.
 *
 * Nothing here waits for a time: what blocks is let go by the report itself, or by the test when it has heard
 * enough.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/loop/loop_fixture.h"

#include <viaduct/future.h>
#include <viaduct/log.h>
#include <viaduct/task.h>
#include <viaduct/watchdog.h>

#define MOST_HEARD 256

/* The functions that block lie together, so that an address of theirs is known by its range. */
#define BLOCKING __attribute__((noinline, section("blocking")))
extern char __start_blocking[], __stop_blocking[];

/* Something that blocks until enough was heard of it. */
struct stuck {
    const char *name; /* of the task; NULL if it is known by its function */
    void *function;
    enum via_blocked let_go_at; /* what the reports that count have to say */
    int enough;                 /* so many of them; 0 if the test lets it go */
    int fds[2];
    _Atomic int begun, may_go;
    int heard; /* in the watchdog's thread */
    int got;   /* what read() gave */
};

/* A report. */
struct heard {
    via_loop *loop;
    char task[80];
    void *function;
    int64_t blocked_ns, cpu_ns;
    enum via_blocked state;
    int reports, frames, in_blocking, symbols;
};

static struct heard heard[MOST_HEARD];
static _Atomic int heard_count;
static struct stuck *stuck_ones[2]; /* by name */

static void prepare(struct stuck *stuck)
{
    ck_assert_int_eq(pipe(stuck->fds), 0);
}

static void finish(struct stuck *stuck)
{
    close(stuck->fds[0]);
    close(stuck->fds[1]);
}

static void let_go(struct stuck *stuck)
{
    atomic_store(&stuck->may_go, 1);
    ck_assert_int_eq(write(stuck->fds[1], "x", 1), 1);
}

static int count_blocking(const struct via_blockage *blockage)
{
    int count = 0;
    for (int i = 0; i < blockage->frame_count; i++)
        count +=
            (char *)blockage->frames[i] >= __start_blocking && (char *)blockage->frames[i] <= __stop_blocking;
    return count;
}

static int count_symbols(const struct via_blockage *blockage)
{
    int count = 0;
    for (int i = 0; i < blockage->frame_count; i++)
        count += blockage->symbols[i][0] != '\0';
    return count;
}

static void keep(const struct via_blockage *blockage)
{
    int at = atomic_load(&heard_count);
    if (at == MOST_HEARD)
        return;
    struct heard *kept = &heard[at];
    *kept = (struct heard){.loop = blockage->loop,
                           .function = blockage->function,
                           .blocked_ns = blockage->blocked_ns,
                           .cpu_ns = blockage->cpu_ns,
                           .state = blockage->state,
                           .reports = blockage->reports,
                           .frames = blockage->frame_count,
                           .in_blocking = count_blocking(blockage),
                           .symbols = count_symbols(blockage)};
    snprintf(kept->task, sizeof kept->task, "%s", blockage->task ? blockage->task : "(none)");
    atomic_store(&heard_count, at + 1);
}

static int is_about(const struct via_blockage *blockage, const struct stuck *stuck)
{
    if (!stuck || !stuck->name)
        return stuck && !blockage->task && blockage->function == stuck->function;
    return blockage->task && strcmp(blockage->task, stuck->name) == 0;
}

/* The report function: keeps what it hears, and lets go of what it has heard enough of. */
static void hear(const struct via_blockage *blockage, void *arg)
{
    (void)arg;
    keep(blockage);
    for (int i = 0; i < 2; i++) {
        struct stuck *stuck = stuck_ones[i];
        if (is_about(blockage, stuck) && blockage->state == stuck->let_go_at &&
            ++stuck->heard == stuck->enough)
            let_go(stuck);
    }
}

static struct via_watchdog_options plain_options(void)
{
    return (struct via_watchdog_options){.threshold_ns = VIA_MS, .report = hear};
}

static void enable(void)
{
    struct via_watchdog_options options = plain_options();
    ck_assert_int_eq(via_watchdog_enable(&options), 0);
}

static void disable(void)
{
    ck_assert_int_eq(via_watchdog_disable(), 0);
}

BLOCKING static int wait_in_the_system(struct stuck *stuck)
{
    char byte;
    atomic_store(&stuck->begun, 1);
    stuck->got = (int)read(stuck->fds[0], &byte, 1);
    return 0;
}

/* It calls something, since ThreadSanitizer runs signal handlers only there. */
BLOCKING static int compute(struct stuck *stuck)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    while (!atomic_load(&stuck->may_go)) {
        pthread_mutex_lock(&mutex);
        pthread_mutex_unlock(&mutex);
    }
    return 0;
}

static int waiting_task(void *arg, void **result)
{
    (void)result;
    return wait_in_the_system(arg);
}

static int computing_task(void *arg, void **result)
{
    (void)result;
    return compute(arg);
}

static int waiting_callback(void *arg)
{
    return wait_in_the_system(arg);
}

static via_loop *open_watched_loop(void)
{
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_loop_set_debug(loop, 1), 0);
    ck_assert_int_eq(via_loop_set_slow_callback_ns(loop, VIA_FOREVER), 0);
    return loop;
}

static void run_task(via_loop *loop, via_task_fn fn, struct stuck *stuck)
{
    const struct via_task_options options = {.name = stuck->name};
    via_future *task = via_create_task_with(loop, fn, stuck, &options);
    RUN_UNTIL(loop, via_future_done(task));
    via_future_unref(task);
}

/* The first report of a task that said this. */
static const struct heard *find(const char *task, enum via_blocked state)
{
    for (int i = 0; i < atomic_load(&heard_count); i++)
        if (strcmp(heard[i].task, task) == 0 && heard[i].state == state)
            return &heard[i];
    ck_abort_msg("this was not heard of %s", task);
    return NULL;
}

static const struct heard *find_function(void *function)
{
    for (int i = 0; i < atomic_load(&heard_count); i++)
        if (heard[i].function == function)
            return &heard[i];
    ck_abort_msg("nothing was heard of the function");
    return NULL;
}

static int is_heard(const char *task, enum via_blocked state)
{
    int found = 0;
    for (int i = 0; i < atomic_load(&heard_count); i++)
        found |= strcmp(heard[i].task, task) == 0 && heard[i].state == state;
    return found;
}

TEST(a_task_that_waits_in_the_system_is_named_with_its_back_trace)
{
    struct stuck stuck = {.name = "reader", .let_go_at = VIA_BLOCKED_WAITS, .enough = 1};
    prepare(&stuck);
    stuck_ones[0] = &stuck;
    enable();
    via_loop *loop = open_watched_loop();
    run_task(loop, waiting_task, &stuck);
    disable();
    const struct heard *report = find("reader", VIA_BLOCKED_WAITS);
    ck_assert_ptr_eq(report->loop, loop);
    ck_assert_ptr_eq(report->function, (void *)(uintptr_t)waiting_task);
    ck_assert_int_ge(report->blocked_ns, VIA_MS);
    ck_assert_int_gt(report->in_blocking, 0);
    ck_assert_int_eq(report->symbols, report->frames);
    ck_assert_msg(stuck.got == 1, "the call was not restarted");
    close_loop(loop);
    finish(&stuck);
}

TEST(a_task_that_computes_is_told_from_one_that_waits)
{
    struct stuck stuck = {.name = "mandelbrot", .let_go_at = VIA_BLOCKED_COMPUTES, .enough = 1};
    prepare(&stuck);
    stuck_ones[0] = &stuck;
    enable();
    via_loop *loop = open_watched_loop();
    run_task(loop, computing_task, &stuck);
    disable();
    const struct heard *report = find("mandelbrot", VIA_BLOCKED_COMPUTES);
    ck_assert_ptr_eq(report->function, (void *)(uintptr_t)computing_task);
    ck_assert_int_gt(report->in_blocking, 0);
    ck_assert_int_gt(report->cpu_ns, 0);
    close_loop(loop);
    finish(&stuck);
}

TEST(a_callback_that_blocks_is_told_by_its_function)
{
    struct stuck stuck = {
        .function = (void *)(uintptr_t)waiting_callback, .let_go_at = VIA_BLOCKED_WAITS, .enough = 1};
    prepare(&stuck);
    stuck_ones[0] = &stuck;
    enable();
    via_loop *loop = open_watched_loop();
    ck_assert_int_eq(via_call_soon(loop, waiting_callback, &stuck, NULL), 0);
    RUN_UNTIL(loop, stuck.got == 1);
    disable();
    const struct heard *report = find_function(stuck.function);
    ck_assert_str_eq(report->task, "(none)");
    ck_assert_int_gt(report->in_blocking, 0);
    close_loop(loop);
    finish(&stuck);
}

TEST(a_task_without_a_name_is_told_by_its_number)
{
    struct stuck stuck = {.name = "Task-1", .let_go_at = VIA_BLOCKED_WAITS, .enough = 1};
    prepare(&stuck);
    stuck_ones[0] = &stuck;
    enable();
    via_loop *loop = open_watched_loop();
    via_future *task = via_create_task_with(loop, waiting_task, &stuck, NULL);
    RUN_UNTIL(loop, via_future_done(task));
    via_future_unref(task);
    disable();
    find("Task-1", VIA_BLOCKED_WAITS);
    close_loop(loop);
    finish(&stuck);
}

TEST(a_blockage_is_reported_again_when_it_lasts_twice_as_long_and_when_it_is_over)
{
    struct stuck stuck = {.name = "patient", .let_go_at = VIA_BLOCKED_WAITS, .enough = 3};
    prepare(&stuck);
    stuck_ones[0] = &stuck;
    enable();
    via_loop *loop = open_watched_loop();
    run_task(loop, waiting_task, &stuck);
    AWAIT(is_heard("patient", VIA_BLOCKED_OVER));
    disable();
    const struct heard *report = heard;
    while (strcmp(report->task, "patient") != 0)
        report++;
    int count = 1;
    for (; report[1].state != VIA_BLOCKED_OVER; report++, count++) {
        ck_assert_int_eq(report[1].reports, report[0].reports + 1);
        ck_assert_int_ge(report[1].blocked_ns, 2 * report[0].blocked_ns);
    }
    ck_assert_int_ge(count, 3);
    ck_assert_str_eq(report[1].task, "patient");
    ck_assert_int_eq(report[1].reports, count);
    ck_assert_int_eq(report[1].frames, 0);
    ck_assert_ptr_eq(report[1].function, (void *)(uintptr_t)waiting_task);
    ck_assert_int_gt(report[1].blocked_ns, report[0].blocked_ns);
    close_loop(loop);
    finish(&stuck);
}

/* A loop with one task, in a thread of its own. */
struct other {
    struct stuck *stuck;
    int debug;
};

static void *run_other(void *arg)
{
    struct other *other = arg;
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_loop_set_debug(loop, other->debug), 0);
    run_task(loop, waiting_task, other->stuck);
    close_loop(loop);
    return NULL;
}

TEST(two_loops_in_two_threads_are_watched)
{
    struct stuck here = {.name = "here", .let_go_at = VIA_BLOCKED_WAITS, .enough = 1};
    struct stuck there = {.name = "there", .let_go_at = VIA_BLOCKED_WAITS, .enough = 1};
    struct other other = {&there, 1};
    struct via_test_thread thread;
    prepare(&here);
    prepare(&there);
    stuck_ones[0] = &here;
    stuck_ones[1] = &there;
    enable();
    via_loop *loop = open_watched_loop();
    via_test_thread_start(&thread, run_other, &other);
    run_task(loop, waiting_task, &here);
    via_test_thread_join(&thread);
    disable();
    ck_assert_ptr_eq(find("here", VIA_BLOCKED_WAITS)->loop, loop);
    ck_assert_ptr_ne(find("there", VIA_BLOCKED_WAITS)->loop, loop);
    close_loop(loop);
    finish(&here);
    finish(&there);
}

/* Two loops are blocked, the other one for longer; when the second report of this one has come the other one
 * would have had its first. */
static int is_other_heard(int debug, int every_loop)
{
    struct stuck here = {.name = "here", .let_go_at = VIA_BLOCKED_WAITS, .enough = 2};
    struct stuck there = {.name = "there"};
    struct other other = {&there, debug};
    struct via_test_thread thread;
    struct via_watchdog_options options = plain_options();
    options.every_loop = every_loop;
    prepare(&here);
    prepare(&there);
    stuck_ones[0] = &here;
    ck_assert_int_eq(via_watchdog_enable(&options), 0);
    via_loop *loop = open_watched_loop();
    via_test_thread_start(&thread, run_other, &other);
    AWAIT(atomic_load(&there.begun));
    run_task(loop, waiting_task, &here);
    let_go(&there);
    via_test_thread_join(&thread);
    disable();
    close_loop(loop);
    finish(&here);
    finish(&there);
    return is_heard("there", VIA_BLOCKED_WAITS);
}

TEST(a_loop_in_debug_mode_is_watched)
{
    ck_assert_int_eq(is_other_heard(1, 0), 1);
}

TEST(a_loop_outside_debug_mode_is_not_watched)
{
    ck_assert_int_eq(is_other_heard(0, 0), 0);
}

TEST(every_loop_is_watched_if_that_is_wanted)
{
    ck_assert_int_eq(is_other_heard(0, 1), 1);
}

/* Blocks in the tick in which the watchdog was enabled. */
static int enabling_task(void *arg, void **result)
{
    (void)result;
    enable();
    return wait_in_the_system(arg);
}

TEST(the_loop_that_enables_it_is_watched_from_then_on)
{
    struct stuck stuck = {.name = "main", .let_go_at = VIA_BLOCKED_WAITS, .enough = 1};
    prepare(&stuck);
    stuck_ones[0] = &stuck;
    via_loop *loop = open_watched_loop();
    run_task(loop, enabling_task, &stuck);
    disable();
    find("main", VIA_BLOCKED_WAITS);
    close_loop(loop);
    finish(&stuck);
}

/* Blocks with every signal blocked, as one does around code that may not be interrupted. */
static int masked_task(void *arg, void **result)
{
    sigset_t all, before;
    (void)result;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    wait_in_the_system(arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return 0;
}

TEST(a_thread_that_takes_no_signals_is_reported_without_a_back_trace)
{
    struct stuck stuck = {
        .function = (void *)(uintptr_t)masked_task, .let_go_at = VIA_BLOCKED_WAITS, .enough = 1};
    prepare(&stuck);
    stuck_ones[0] = &stuck;
    enable();
    via_loop *loop = open_watched_loop();
    run_task(loop, masked_task, &stuck);
    disable();
    ck_assert_int_eq(find_function(stuck.function)->frames, 0);
    close_loop(loop);
    finish(&stuck);
}

/* A callback out of which its thread ends. */
static int end_thread(void *arg)
{
    (void)arg;
    pthread_exit(NULL);
}

static void *run_to_the_end(void *loop)
{
    via_loop_run_forever(loop);
    return NULL;
}

TEST(a_thread_that_has_ended_in_a_callback_is_not_reported)
{
    struct stuck stuck = {.name = "survivor", .let_go_at = VIA_BLOCKED_WAITS, .enough = 2};
    struct via_test_thread thread;
    via_test_tolerate(VIA_TEST_HEAP | VIA_TEST_DESCRIPTORS, "the loop goes with its thread");
    prepare(&stuck);
    stuck_ones[0] = &stuck;
    enable();
    via_loop *lost = open_watched_loop(), *loop = open_watched_loop();
    ck_assert_int_eq(via_call_soon(lost, end_thread, NULL, NULL), 0);
    via_test_thread_start(&thread, run_to_the_end, lost);
    via_test_thread_join(&thread);
    run_task(loop, waiting_task, &stuck);
    disable();
    for (int i = 0; i < atomic_load(&heard_count); i++)
        ck_assert_ptr_ne(heard[i].loop, lost);
    close_loop(loop);
    finish(&stuck);
}

/* A report function that goes on when the loop is gone. */
static struct via_test_gate late_gate = VIA_TEST_GATE_INITIALIZER;

static void hear_slowly(const struct via_blockage *blockage, void *arg)
{
    hear(blockage, arg);
    if (blockage->task && strcmp(blockage->task, "short-lived") == 0)
        via_test_gate_pass(&late_gate);
}

TEST(a_loop_may_be_closed_and_freed_during_its_report)
{
    struct stuck stuck = {.name = "short-lived", .let_go_at = VIA_BLOCKED_WAITS, .enough = 1};
    struct via_watchdog_options options = plain_options();
    options.report = hear_slowly;
    prepare(&stuck);
    stuck_ones[0] = &stuck;
    ck_assert_int_eq(via_watchdog_enable(&options), 0);
    via_loop *loop = open_watched_loop();
    run_task(loop, waiting_task, &stuck);
    close_loop(loop);
    via_test_gate_open(&late_gate);
    disable();
    find("short-lived", VIA_BLOCKED_WAITS);
    finish(&stuck);
}

TEST(it_may_be_enabled_again_with_other_options_but_not_with_another_signal)
{
    struct via_watchdog_options options = plain_options();
    struct stuck stuck = {.name = "late", .let_go_at = VIA_BLOCKED_WAITS, .enough = 1};
    prepare(&stuck);
    stuck_ones[0] = &stuck;
    int threads = via_test_threads();
    ck_assert_int_eq(via_watchdog_enable(NULL), 0);
    ck_assert_int_eq(via_watchdog_enable(NULL), 0);
    ck_assert_int_eq(via_test_threads(), threads + 1);
    options.signo = SIGUSR1;
    ck_assert_int_eq(via_watchdog_enable(&options), VIA_EBUSY);
    options.signo = SIGVTALRM;
    ck_assert_int_eq(via_watchdog_enable(&options), 0);
    via_loop *loop = open_watched_loop();
    run_task(loop, waiting_task, &stuck);
    disable();
    find("late", VIA_BLOCKED_WAITS);
    close_loop(loop);
    finish(&stuck);
}

TEST(it_may_be_disabled_at_any_time_and_enabled_again)
{
    struct stuck stuck = {.name = "again", .let_go_at = VIA_BLOCKED_WAITS, .enough = 1};
    prepare(&stuck);
    stuck_ones[0] = &stuck;
    int threads = via_test_threads();
    disable();
    enable();
    via_loop *loop = open_watched_loop();
    RUN_TICKS(loop, 3);
    disable();
    disable();
    RUN_TICKS(loop, 3);
    ck_assert_int_eq(via_test_threads(), threads);
    enable();
    run_task(loop, waiting_task, &stuck);
    disable();
    find("again", VIA_BLOCKED_WAITS);
    close_loop(loop);
    finish(&stuck);
}

TEST(what_makes_no_sense_is_refused)
{
    const int no_signals[] = {-1, SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, 1000};
    struct via_watchdog_options options = {.threshold_ns = -1};
    ck_assert_int_eq(via_watchdog_enable(&options), VIA_EINVAL);
    options.threshold_ns = 0;
    for (size_t i = 0; i < sizeof no_signals / sizeof *no_signals; i++) {
        options.signo = no_signals[i];
        ck_assert_int_eq(via_watchdog_enable(&options), VIA_EINVAL);
    }
    options.signo = 0;
    ck_assert_int_eq(via_watchdog_enable(&options), 0);
    disable();
}

static int status_in_report[2];
static char thread_name[32];
static sigset_t mask_in_report;

static void hear_and_try(const struct via_blockage *blockage, void *arg)
{
    status_in_report[0] = via_watchdog_enable(NULL);
    status_in_report[1] = via_watchdog_disable();
    pthread_getname_np(pthread_self(), thread_name, sizeof thread_name);
    pthread_sigmask(SIG_SETMASK, NULL, &mask_in_report);
    hear(blockage, arg);
}

TEST(its_thread_has_a_name_takes_no_signals_and_may_not_end_itself)
{
    struct stuck stuck = {.name = "any", .let_go_at = VIA_BLOCKED_WAITS, .enough = 1};
    struct via_watchdog_options options = plain_options();
    options.report = hear_and_try;
    prepare(&stuck);
    stuck_ones[0] = &stuck;
    ck_assert_int_eq(via_watchdog_enable(&options), 0);
    via_loop *loop = open_watched_loop();
    run_task(loop, waiting_task, &stuck);
    disable();
    ck_assert_int_eq(status_in_report[0], VIA_EDEADLK);
    ck_assert_int_eq(status_in_report[1], VIA_EDEADLK);
    ck_assert_str_eq(thread_name, "via-watchdog");
    ck_assert_int_eq(sigismember(&mask_in_report, SIGINT), 1);
    ck_assert_int_eq(sigismember(&mask_in_report, SIGVTALRM), 1);
    close_loop(loop);
    finish(&stuck);
}

static _Atomic int chained_calls;

static void count_signal(int signo)
{
    (void)signo;
    atomic_fetch_add(&chained_calls, 1);
}

TEST(the_handler_that_was_there_gets_its_own_signals_only)
{
    struct stuck stuck = {.name = "signalled", .let_go_at = VIA_BLOCKED_WAITS, .enough = 2};
    struct sigaction action = {.sa_flags = SA_RESTART};
    prepare(&stuck);
    stuck_ones[0] = &stuck;
    action.sa_handler = count_signal;
    ck_assert_int_eq(sigaction(SIGVTALRM, &action, NULL), 0);
    enable();
    via_loop *loop = open_watched_loop();
    run_task(loop, waiting_task, &stuck);
    disable();
    ck_assert_int_gt(find("signalled", VIA_BLOCKED_WAITS)->frames, 0);
    ck_assert_int_eq(atomic_load(&chained_calls), 0);
    raise(SIGVTALRM);
    ck_assert_int_eq(atomic_load(&chained_calls), 1);
    close_loop(loop);
    finish(&stuck);
}

static void log_line(enum via_log_level level, const char *text, void *arg)
{
    struct stuck *stuck = arg;
    int is_ours = strstr(text, "task \"logged\"") != NULL, count = via_test_recorded(&history);
    ck_assert_int_eq(level, VIA_LOG_WARNING);
    if (is_ours && strstr(text, "it waits in the system") && count == 0)
        via_test_record(&history, "blocked");
    if (strncmp(text, "  #0 ", 5) == 0 && count == 1)
        let_go(stuck);
    if (is_ours && strstr(text, "the loop goes on"))
        via_test_record(&history, "goes-on");
}

TEST(without_a_report_function_the_log_hook_is_told)
{
    struct stuck stuck = {.name = "logged"};
    struct via_watchdog_options options = {.threshold_ns = VIA_MS};
    prepare(&stuck);
    via_set_log_hook(log_line, &stuck);
    ck_assert_int_eq(via_watchdog_enable(&options), 0);
    via_loop *loop = open_watched_loop();
    run_task(loop, waiting_task, &stuck);
    AWAIT(via_test_recorded(&history) == 2);
    disable();
    via_set_log_hook(NULL, NULL);
    ASSERT_RECORD(&history, "blocked goes-on");
    close_loop(loop);
    finish(&stuck);
}

/* In the child nothing is watched until it says so itself. */
static int watch_in_child(void *arg)
{
    struct stuck *stuck = arg;
    if (via_test_threads() != 1)
        return 1;
    struct via_watchdog_options options = plain_options();
    if (via_watchdog_disable() < 0 || via_watchdog_enable(&options) < 0)
        return 2;
    via_loop *loop = open_watched_loop();
    run_task(loop, waiting_task, stuck);
    if (via_watchdog_disable() < 0)
        return 3;
    close_loop(loop);
    return is_heard(stuck->name, VIA_BLOCKED_WAITS) ? 0 : 4;
}

TEST(a_forked_child_may_have_a_watchdog_of_its_own)
{
    struct stuck stuck = {.name = "child", .let_go_at = VIA_BLOCKED_WAITS, .enough = 1};
    prepare(&stuck);
    stuck_ones[0] = &stuck;
    enable();
    via_loop *loop = open_watched_loop();
    RUN_TICKS(loop, 3);
    ck_assert_int_eq(via_test_fork(watch_in_child, &stuck), 0);
    run_task(loop, waiting_task, &stuck);
    disable();
    find("child", VIA_BLOCKED_WAITS);
    close_loop(loop);
    finish(&stuck);
}

TEST_MAIN("debug/watchdog", a_task_that_waits_in_the_system_is_named_with_its_back_trace,
          a_task_that_computes_is_told_from_one_that_waits, a_callback_that_blocks_is_told_by_its_function,
          a_task_without_a_name_is_told_by_its_number,
          a_blockage_is_reported_again_when_it_lasts_twice_as_long_and_when_it_is_over,
          two_loops_in_two_threads_are_watched, a_loop_in_debug_mode_is_watched,
          a_loop_outside_debug_mode_is_not_watched, every_loop_is_watched_if_that_is_wanted,
          the_loop_that_enables_it_is_watched_from_then_on,
          a_thread_that_takes_no_signals_is_reported_without_a_back_trace,
          a_thread_that_has_ended_in_a_callback_is_not_reported,
          a_loop_may_be_closed_and_freed_during_its_report,
          it_may_be_enabled_again_with_other_options_but_not_with_another_signal,
          it_may_be_disabled_at_any_time_and_enabled_again, what_makes_no_sense_is_refused,
          its_thread_has_a_name_takes_no_signals_and_may_not_end_itself,
          the_handler_that_was_there_gets_its_own_signals_only,
          without_a_report_function_the_log_hook_is_told, a_forked_child_may_have_a_watchdog_of_its_own)
