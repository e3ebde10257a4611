/* SPDX-License-Identifier: BSD-3-Clause */
/* Tasks that are left otherwise than by returning: longjmp() leads out of them, they end their thread, or
 * the closing of their loop takes their stack away. */
#include "support/sanitizers.h"

#include <setjmp.h>

#include "unit/task/task_fixture.h"

#include <viaduct/coro.h>

static int be_deaf(void *arg, void **result)
{
    (void)result;
    while (arg)
        (void)!via_sleep(VIA_S);
    return 0;
}

static int step_deaf(void *arg, void **result)
{
    (void)result;
    ck_assert_int_eq(via_coro_new(be_deaf, arg, NULL, arg), 0);
    return via_coro_next(*(via_coro **)arg, NULL);
}

TEST(a_task_that_does_not_listen_is_ended_with_the_generator_that_it_steps)
{
    via_loop *loop = open_task_loop();
    via_coro *coro = NULL;
    struct via_outcome outcome;
    via_future *task = create(loop, step_deaf, &coro);
    settle(loop);
    close_loop(loop);
    ck_assert_int_eq(status_of(task), VIA_EEXITED);
    ck_assert_int_eq(via_coro_outcome(coro, &outcome), 0);
    ck_assert_int_eq(outcome.status, VIA_EEXITED);
    via_coro_free(coro);
    via_future_unref(task);
}

/* ThreadSanitizer takes longjmp() and pthread_exit() only on the stack that a thread began with. */
#if !UNDER_THREAD_SANITIZER

static jmp_buf target;
static via_future *left; /* the reference that its maker would have got */

static via_future *create_eager(via_task_fn fn, void *arg)
{
    struct via_task_options options = {.eager = 1, .destroy = via_test_counted_destroy};
    return via_create_task_with(NULL, fn, arg, &options);
}

static int jump_out(void *arg, void **result)
{
    (void)arg;
    (void)result;
    left = via_current_task();
    longjmp(target, 1);
}

static int yield_and_jump_out(void *arg, void **result)
{
    ck_assert_int_eq(via_yield(), 0);
    return jump_out(arg, result);
}

static struct via_test_counted arg_of_left;

static void assert_left(via_future *task)
{
    ck_assert_int_eq(status_of(task), VIA_EEXITED);
    ck_assert_int_eq(via_test_destroyed(&arg_of_left), 1);
}

static int jump_into_callback(void *arg)
{
    via_future *found[2] = {NULL, NULL};
    (void)arg;
    if (setjmp(target) == 0)
        create_eager(jump_out, &arg_of_left);
    ck_assert_ptr_null(via_current_task());
    ck_assert_int_eq(via_yield(), VIA_ESTATE);
    ck_assert_int_eq(via_all_tasks(via_loop_current(), found, 2), 1);
    via_test_record(&history, "callback");
    return 0;
}

TEST(a_callback_goes_on_where_a_task_that_it_began_has_jumped_to)
{
    via_loop *loop = open_task_loop();
    via_future *other = create(loop, task_wait_for_ever, NULL);
    ck_assert_int_eq(via_call_soon(loop, jump_into_callback, NULL, NULL), 0);
    run_one_tick(loop);
    ASSERT_RECORD(&history, "callback");
    ck_assert_int_eq(via_test_destroyed(&arg_of_left), 1);
    assert_left(left);
    via_future_unref(left);
    ck_assert_int_eq(run_main_on(loop, task_return_0, NULL), 0);
    via_future_unref(other);
    close_loop(loop);
}

static int jump_into_task(void *arg, void **result)
{
    via_future *self = via_current_task();
    (void)arg;
    (void)result;
    if (setjmp(target) == 0)
        create_eager(jump_out, &arg_of_left);
    ck_assert_ptr_eq(via_current_task(), self);
    assert_left(left);
    via_future_unref(left);
    ck_assert_int_eq(via_sleep(VIA_S), 0);
    ck_assert_int_eq(via_await_to_thread(give_back, NULL, NULL), 0);
    ck_assert_int_eq(via_all_tasks(via_loop_current(), NULL, 0), 1);
    return 0;
}

TEST(a_task_goes_on_where_one_that_it_began_has_jumped_to)
{
    ck_assert_int_eq(run_main(jump_into_task, NULL), 0);
}

/* Out of the run of the loop itself: that never ends, which is said to whoever asks. */

TEST(a_jump_out_of_the_run_leaves_a_loop_that_says_so)
{
    static via_loop *loop;
    static via_future *task;
    static struct via_task_options options = {.destroy = via_test_counted_destroy};
    loop = open_task_loop();
    task = via_create_task_with(loop, yield_and_jump_out, &arg_of_left, &options);
    if (setjmp(target) == 0)
        run(loop);
    ck_assert_ptr_null(via_current_task());
    assert_left(task);
    ck_assert_int_eq(via_await(via_future_ref(task), NULL), VIA_ESTATE);
    ck_assert_int_eq(via_sleep(VIA_S), VIA_ESTATE);
    ck_assert_int_eq(via_loop_run_forever(loop), VIA_ERUNNING);
    ck_assert_int_eq(via_loop_close(loop), VIA_ERUNNING);
    via_future_unref(task);
    via_test_tolerate(VIA_TEST_HEAP | VIA_TEST_DESCRIPTORS, "the loop's run was left by a jump");
}

static int exit_thread(void *arg, void **result)
{
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_yield(), 0);
    pthread_exit(NULL);
}

static void *run_into_exit(void *loop)
{
    run(loop);
    ck_abort_msg("the task has returned");
    return NULL;
}

TEST(a_task_that_ends_its_thread_takes_the_loop_with_it_and_is_over)
{
    static via_loop *loop;
    static via_future *task;
    static via_cfuture *cf;
    struct via_task_options options = {.destroy = via_test_counted_destroy};
    struct via_test_thread thread;
    loop = open_task_loop();
    task = via_create_task_with(loop, exit_thread, &arg_of_left, &options);
    ck_assert_int_eq(via_future_cfuture(task, &cf), 0);
    via_test_thread_start(&thread, run_into_exit, loop);
    ck_assert_int_eq(via_cfuture_result(cf, via_test_bound_ns(), NULL), VIA_EEXITED);
    via_test_thread_join(&thread);
    ck_assert_int_eq(via_test_destroyed(&arg_of_left), 1);
    ck_assert_int_eq(via_loop_run_forever(loop), VIA_ERUNNING);
    via_cfuture_unref(cf);
    via_test_tolerate(VIA_TEST_HEAP | VIA_TEST_DESCRIPTORS, "the loop's thread has ended in its run");
}

#define LEFT                                                                                                 \
    a_callback_goes_on_where_a_task_that_it_began_has_jumped_to,                                             \
        a_task_goes_on_where_one_that_it_began_has_jumped_to,                                                \
        a_jump_out_of_the_run_leaves_a_loop_that_says_so,                                                    \
        a_task_that_ends_its_thread_takes_the_loop_with_it_and_is_over,
#else
#define LEFT
#endif

TEST_MAIN("task/left", LEFT a_task_that_does_not_listen_is_ended_with_the_generator_that_it_steps)
