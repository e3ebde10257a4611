/* SPDX-License-Identifier: BSD-3-Clause */
/* The watchdog reports a loop that is blocked while it is, and says what blocks it. */
#include <signal.h>

#include "unit/debug/watchdog_fixture.h"

#include <viaduct/log.h>

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
    const struct heard *report = find_function(stuck.function, VIA_BLOCKED_WAITS);
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
    int count = report->reports + 1; /* one before the task had begun was not of the task yet */
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
    via_loop *loop;
};

static void *run_other(void *arg)
{
    struct other *other = arg;
    via_loop *loop = other->loop = open_loop();
    ck_assert_int_eq(via_loop_set_debug(loop, other->debug), 0);
    run_task(loop, waiting_task, other->stuck);
    close_loop(loop);
    return NULL;
}

TEST(two_loops_in_two_threads_are_watched)
{
    struct stuck here = {.name = "here", .let_go_at = VIA_BLOCKED_WAITS, .enough = 1};
    struct stuck there = {.name = "there", .let_go_at = VIA_BLOCKED_WAITS, .enough = 1};
    struct other other = {&there, 1, NULL};
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
    struct other other = {&there, debug, NULL};
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
    for (int i = 0; i < atomic_load(&heard_count); i++)
        if (heard[i].loop == other.loop)
            return 1;
    return 0;
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
    ck_assert_int_eq(find_function(stuck.function, VIA_BLOCKED_WAITS)->frames, 0);
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

TEST_MAIN("debug/watchdog", a_task_that_waits_in_the_system_is_named_with_its_back_trace,
          a_task_that_computes_is_told_from_one_that_waits, a_callback_that_blocks_is_told_by_its_function,
          a_task_without_a_name_is_told_by_its_number,
          a_blockage_is_reported_again_when_it_lasts_twice_as_long_and_when_it_is_over,
          two_loops_in_two_threads_are_watched, a_loop_in_debug_mode_is_watched,
          a_loop_outside_debug_mode_is_not_watched, every_loop_is_watched_if_that_is_wanted,
          the_loop_that_enables_it_is_watched_from_then_on,
          a_thread_that_takes_no_signals_is_reported_without_a_back_trace,
          without_a_report_function_the_log_hook_is_told)
