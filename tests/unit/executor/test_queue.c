/* SPDX-License-Identifier: BSD-3-Clause */
/* What waits for a worker: bounded queues, priorities, deadlines. */
#include "unit/executor/fixture.h"

#include "executor/queue.h"

#include <stdio.h>

static struct via_test_recorder history = VIA_TEST_RECORDER_INITIALIZER;

static int record_word(void *arg, void **result)
{
    (void)result;
    via_test_record(&history, "%s", (const char *)arg);
    return 0;
}

/* A pool with one worker and room for so many waiting calls. */
static via_executor *bounded_pool(size_t max_queued, int when_full)
{
    struct via_thread_pool_options options;
    via_executor *pool = NULL;

    via_thread_pool_options_init(&options);
    options.max_workers = 1;
    options.max_queued = max_queued;
    options.when_full = when_full;
    ck_assert_int_eq(via_thread_pool_new(&options, &pool), 0);
    return pool;
}

TEST(a_full_queue_rejects)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_executor *pool = bounded_pool(2, VIA_FULL_REJECT);
    via_cfuture *running = occupy(pool, &gate);
    via_cfuture *one = submit(pool, echo, NULL), *two = submit(pool, echo, NULL);

    submit_refused(pool, VIA_CALL(echo, NULL), VIA_EBUSY);
    submit_refused(pool, VIA_CALL(echo, NULL), VIA_EBUSY);
    ck_assert_uint_eq(stats_of(pool).rejected, 2);
    ck_assert_uint_eq(stats_of(pool).submitted, 3);
    ck_assert_uint_eq(stats_of(pool).queued, 2);
    via_test_gate_open(&gate);
    finish(running);
    finish(one);
    finish(two);
    finish(submit(pool, echo, NULL));
    close_executor(pool);
}

TEST(cancelling_a_waiting_call_makes_room)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_executor *pool = bounded_pool(1, VIA_FULL_REJECT);
    via_cfuture *running = occupy(pool, &gate), *waiting = submit(pool, echo, NULL), *next;

    submit_refused(pool, VIA_CALL(echo, NULL), VIA_EBUSY);
    ck_assert_int_eq(via_cfuture_cancel(waiting), VIA_CANCEL_NEVER_RAN);
    next = submit(pool, echo, NULL);
    via_test_gate_open(&gate);
    finish(running);
    finish(next);
    via_cfuture_unref(waiting);
    close_executor(pool);
}

/* A thread that submits one call. */
struct submitter {
    struct via_test_thread thread;
    via_executor *pool;
    struct via_test_counted payload;
    via_cfuture *cf;
    int rc;
};

static void *submit_one(void *arg)
{
    struct submitter *submitter = arg;
    struct via_call call = VIA_CALL(echo, &submitter->payload);

    call.destroy = via_test_counted_destroy;
    submitter->rc = via_executor_submit(submitter->pool, &call, &submitter->cf);
    return NULL;
}

static void start_blocked(struct submitter *submitter, via_executor *pool)
{
    *submitter = (struct submitter){.pool = pool, .rc = 1};
    via_test_thread_start(&submitter->thread, submit_one, submitter);
    via_test_thread_await_blocked(&submitter->thread);
}

TEST(a_full_queue_can_make_the_submitter_wait_for_room)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct submitter submitter[2];
    via_executor *pool = bounded_pool(1, VIA_FULL_BLOCK);
    via_cfuture *running = occupy(pool, &gate), *waiting = submit(pool, echo, NULL);

    start_blocked(&submitter[0], pool);
    start_blocked(&submitter[1], pool);
    ck_assert_uint_eq(stats_of(pool).submitted, 2);
    via_test_gate_open(&gate);
    for (int i = 0; i < 2; i++) {
        via_test_thread_join(&submitter[i].thread);
        ck_assert_int_eq(submitter[i].rc, 0);
        finish(submitter[i].cf);
    }
    finish(running);
    finish(waiting);
    close_executor(pool);
    ck_assert_int_eq(via_test_destroyed(&submitter[0].payload), 1);
    ck_assert_int_eq(via_test_destroyed(&submitter[1].payload), 1);
}

TEST(a_cancelled_call_lets_a_waiting_submitter_in)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct submitter submitter;
    via_executor *pool = bounded_pool(1, VIA_FULL_BLOCK);
    via_cfuture *running = occupy(pool, &gate), *waiting = submit(pool, echo, NULL);

    start_blocked(&submitter, pool);
    ck_assert_int_eq(via_cfuture_cancel(waiting), VIA_CANCEL_NEVER_RAN);
    via_test_thread_join(&submitter.thread);
    ck_assert_int_eq(submitter.rc, 0);
    via_test_gate_open(&gate);
    finish(submitter.cf);
    finish(running);
    via_cfuture_unref(waiting);
    close_executor(pool);
}

TEST(a_shutdown_turns_waiting_submitters_away)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct submitter submitter;
    via_executor *pool = bounded_pool(1, VIA_FULL_BLOCK);
    via_cfuture *running = occupy(pool, &gate), *waiting = submit(pool, echo, NULL);

    start_blocked(&submitter, pool);
    ck_assert_int_eq(via_executor_shutdown(pool, 0, 0), VIA_ETIMEDOUT);
    via_test_thread_join(&submitter.thread);
    ck_assert_int_eq(submitter.rc, VIA_ESHUTDOWN);
    ck_assert_ptr_null(submitter.cf);
    ck_assert_int_eq(via_test_destroyed(&submitter.payload), 1);
    via_test_gate_open(&gate);
    finish(running);
    finish(waiting);
    close_executor(pool);
}

static int wait_and_fail(void *gate)
{
    via_test_gate_pass(gate);
    return VIA_EPERM;
}

TEST(a_pool_that_breaks_turns_waiting_submitters_away)
{
    struct via_thread_pool_options options;
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct submitter submitter;
    via_executor *pool = NULL;
    via_cfuture *waiting;

    via_thread_pool_options_init(&options);
    options.max_workers = 1;
    options.max_queued = 1;
    options.when_full = VIA_FULL_BLOCK;
    options.initializer = wait_and_fail;
    options.hook_arg = &gate;
    ck_assert_int_eq(via_thread_pool_new(&options, &pool), 0);
    waiting = submit(pool, echo, NULL);
    start_blocked(&submitter, pool);
    via_test_gate_open(&gate);
    finish_with(waiting, VIA_EBROKEN);
    via_test_thread_join(&submitter.thread);
    ck_assert_int_eq(submitter.rc, VIA_EBROKEN);
    ck_assert_int_eq(via_test_destroyed(&submitter.payload), 1);
    close_executor(pool);
}

static int submit_two_more(void *arg, void **result)
{
    struct via_call call = VIA_CALL(echo, NULL);
    int rc = via_executor_submit(arg, &call, NULL);

    (void)result;
    return rc == 0 ? via_executor_submit(arg, &call, NULL) : VIA_EPERM;
}

TEST(the_only_worker_waiting_for_room_in_its_own_queue_is_a_deadlock)
{
    via_executor *pool = bounded_pool(1, VIA_FULL_BLOCK);

    finish_with(submit(pool, submit_two_more, pool), VIA_EDEADLK);
    finish(submit(pool, echo, NULL));
    close_executor(pool);
}

static int where(void *arg, void **result)
{
    (void)result;
    *(pthread_t *)arg = pthread_self();
    return 0;
}

TEST(a_full_queue_can_make_the_caller_run_the_call)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    pthread_t thread;
    via_executor *pool = bounded_pool(1, VIA_FULL_CALLER_RUNS);
    via_cfuture *running = occupy(pool, &gate), *waiting = submit(pool, echo, NULL);
    via_cfuture *here = submit(pool, where, &thread);

    ck_assert_int_eq(via_cfuture_state(here), VIA_FINISHED);
    ck_assert(pthread_equal(thread, pthread_self()));
    ck_assert_int_eq(via_cfuture_done(waiting), 0);
    finish(here);
    via_test_gate_open(&gate);
    finish(running);
    finish(waiting);
    close_executor(pool);
}

TEST(a_call_that_its_caller_runs_is_destroyed_once)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct via_test_counted payload = {0};
    struct via_call call = VIA_CALL(echo, &payload);
    via_executor *pool = bounded_pool(1, VIA_FULL_CALLER_RUNS);
    via_cfuture *running = occupy(pool, &gate), *waiting = submit(pool, echo, NULL);

    call.destroy = via_test_counted_destroy;
    ck_assert_int_eq(via_executor_submit(pool, &call, NULL), 0);
    ck_assert_int_eq(via_test_destroyed(&payload), 1);
    via_test_gate_open(&gate);
    finish(running);
    finish(waiting);
    close_executor(pool);
}

static void submit_word(via_executor *pool, int priority, const char *word)
{
    struct via_call call = VIA_CALL(record_word, (void *)(uintptr_t)word);

    call.priority = priority;
    ck_assert_int_eq(via_executor_submit(pool, &call, NULL), 0);
}

TEST(higher_priorities_run_first_and_equal_ones_in_order)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_executor *pool = pool_of(1);
    via_cfuture *running = occupy(pool, &gate);

    submit_word(pool, VIA_PRIORITY_LOW, "low1");
    submit_word(pool, VIA_PRIORITY_NORMAL, "normal1");
    submit_word(pool, VIA_PRIORITY_HIGH, "high1");
    submit_word(pool, VIA_PRIORITY_LOW, "low2");
    submit_word(pool, VIA_PRIORITY_HIGH, "high2");
    submit_word(pool, VIA_PRIORITY_NORMAL, "normal2");
    via_test_gate_open(&gate);
    finish(running);
    close_executor(pool);
    ASSERT_RECORD(&history, "high1 high2 normal1 normal2 low1 low2");
}

TEST(equal_calls_start_in_the_order_they_came)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    char word[200][8], expected[200 * 8] = "";
    via_executor *pool = pool_of(1);
    via_cfuture *running = occupy(pool, &gate);
    size_t length = 0;

    for (int i = 0; i < 200; i++) {
        snprintf(word[i], sizeof(word[i]), "%d", i);
        length += (size_t)snprintf(expected + length, sizeof(expected) - length, i ? " %d" : "%d", i);
        submit_word(pool, VIA_PRIORITY_NORMAL, word[i]);
    }
    via_test_gate_open(&gate);
    finish(running);
    close_executor(pool);
    ASSERT_RECORD(&history, expected);
}

static int note_position(void *arg, void **result)
{
    (void)result;
    *(int *)arg = via_test_recorded(&history);
    return 0;
}

TEST(low_priority_is_never_starved)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    int position = -1;
    struct via_call low = VIA_CALL(note_position, &position);
    via_executor *pool = pool_of(1);
    via_cfuture *running = occupy(pool, &gate);

    low.priority = VIA_PRIORITY_LOW;
    ck_assert_int_eq(via_executor_submit(pool, &low, NULL), 0);
    for (int i = 0; i < 50; i++)
        submit_word(pool, VIA_PRIORITY_HIGH, "high");
    via_test_gate_open(&gate);
    finish(running);
    close_executor(pool);
    ck_assert_int_ge(position, 0);
    ck_assert_int_le(position, 16);
    ck_assert_int_eq(via_test_recorded(&history), 50);
}

TEST(normal_priority_is_never_starved_either)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    int position = -1;
    via_executor *pool = pool_of(1);
    via_cfuture *running = occupy(pool, &gate);

    via_cfuture_unref(submit(pool, note_position, &position));
    for (int i = 0; i < 50; i++)
        submit_word(pool, VIA_PRIORITY_HIGH, "high");
    via_test_gate_open(&gate);
    finish(running);
    close_executor(pool);
    ck_assert_int_ge(position, 0);
    ck_assert_int_le(position, 16);
}

TEST(a_call_whose_deadline_passes_in_the_queue_never_runs)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct via_test_counted payload = {0};
    struct via_call call = VIA_CALL(count_up, &payload);
    via_executor *pool = pool_of(1);
    via_cfuture *running = occupy(pool, &gate), *cf;

    call.destroy = via_test_counted_destroy;
    call.deadline_ns = deadline_soon_ns();
    cf = submit_call(pool, &call);
    AWAIT(via_now_ns() > call.deadline_ns);
    via_test_gate_open(&gate);
    finish_with(cf, VIA_ETIMEDOUT);
    finish(running);
    AWAIT(stats_of(pool).expired == 1);
    close_executor(pool);
    ck_assert_int_eq(via_test_destroyed(&payload), 1);
}

TEST(a_call_expires_although_every_worker_is_busy)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct via_call call = VIA_CALL(echo, NULL);
    via_executor *pool = pool_of(1);
    via_cfuture *running = occupy(pool, &gate), *cf, *late;

    call.deadline_ns = deadline_soon_ns() + 30 * VIA_MS;
    late = submit_call(pool, &call);
    call.deadline_ns = deadline_soon_ns();
    cf = submit_call(pool, &call);
    finish_with(cf, VIA_ETIMEDOUT);
    finish_with(late, VIA_ETIMEDOUT);
    ck_assert_uint_eq(stats_of(pool).expired, 2);
    ck_assert_uint_eq(stats_of(pool).queued, 0);
    ck_assert_int_eq(via_cfuture_state(running), VIA_RUNNING);
    via_test_gate_open(&gate);
    finish(running);
    close_executor(pool);
}

TEST(a_call_that_starts_before_its_deadline_may_run_beyond_it)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct via_call call = VIA_CALL(via_test_gate_call, &gate);
    via_executor *pool = pool_of(1);
    via_cfuture *cf = NULL;

    // A machine that is slower than the deadline has more time the next time.
    for (int64_t time_ns = 20 * VIA_MS; !via_test_gate_arrived(&gate); time_ns *= 2) {
        via_cfuture_unref(cf);
        call.deadline_ns = via_now_ns() + time_ns;
        cf = submit_call(pool, &call);
        AWAIT(via_test_gate_arrived(&gate) || via_cfuture_done(cf));
    }
    AWAIT(via_now_ns() > call.deadline_ns);
    ck_assert_int_eq(via_cfuture_state(cf), VIA_RUNNING);
    via_test_gate_open(&gate);
    finish(cf);
    close_executor(pool);
}

TEST(a_deadline_that_never_comes_is_no_deadline)
{
    struct via_call call = VIA_CALL(echo, NULL);
    via_executor *pool = pool_of(1);

    call.deadline_ns = VIA_FOREVER;
    finish(submit_call(pool, &call));
    close_executor(pool);
}

TEST(cancelled_before_its_deadline_a_call_does_not_expire)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct via_call call = VIA_CALL(echo, NULL);
    via_executor *pool = pool_of(1);
    via_cfuture *running = occupy(pool, &gate), *cf;

    call.deadline_ns = via_now_ns() + 200 * VIA_S;
    cf = submit_call(pool, &call);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_NEVER_RAN);
    via_test_gate_open(&gate);
    finish(running);
    finish_with(cf, VIA_ECANCELED);
    ck_assert_uint_eq(stats_of(pool).expired, 0);
    close_executor(pool);
}

static void *number(uintptr_t value)
{
    return (void *)(value + 1);
}

/* What was put back comes first, wherever in its chunk the queue begins. */
TEST(what_is_put_back_comes_first)
{
    for (uintptr_t taken = 0; taken <= 1200; taken += 100) {
        struct via__queue queue = {0};
        for (uintptr_t i = 0; i < 1300; i++)
            ck_assert_int_eq(via__queue_push(&queue, number(i)), 0);
        for (uintptr_t i = 0; i < taken; i++)
            ck_assert_ptr_eq(via__queue_pop(&queue), number(i));
        for (uintptr_t i = taken; i-- > 0;)
            ck_assert_int_eq(via__queue_push_front(&queue, number(i)), 0);
        ck_assert_uint_eq(queue.count, 1300);
        for (uintptr_t i = 1300; i < 2000; i++)
            ck_assert_int_eq(via__queue_push(&queue, number(i)), 0);
        for (uintptr_t i = 0; i < 2000; i++)
            ck_assert_ptr_eq(via__queue_pop(&queue), number(i));
        ck_assert_ptr_null(via__queue_pop(&queue));
        ck_assert_int_eq(via__queue_push_front(&queue, number(7)), 0);
        ck_assert_ptr_eq(via__queue_pop(&queue), number(7));
        via__queue_fini(&queue);
    }
}

TEST_MAIN("executor/queue", what_is_put_back_comes_first, a_full_queue_rejects,
          cancelling_a_waiting_call_makes_room, a_full_queue_can_make_the_submitter_wait_for_room,
          a_cancelled_call_lets_a_waiting_submitter_in, a_shutdown_turns_waiting_submitters_away,
          a_pool_that_breaks_turns_waiting_submitters_away,
          the_only_worker_waiting_for_room_in_its_own_queue_is_a_deadlock,
          a_full_queue_can_make_the_caller_run_the_call, a_call_that_its_caller_runs_is_destroyed_once,
          higher_priorities_run_first_and_equal_ones_in_order, equal_calls_start_in_the_order_they_came,
          low_priority_is_never_starved, normal_priority_is_never_starved_either,
          a_call_whose_deadline_passes_in_the_queue_never_runs, a_call_expires_although_every_worker_is_busy,
          a_call_that_starts_before_its_deadline_may_run_beyond_it,
          a_deadline_that_never_comes_is_no_deadline, cancelled_before_its_deadline_a_call_does_not_expire)
