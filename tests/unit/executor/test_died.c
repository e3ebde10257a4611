/* SPDX-License-Identifier: BSD-3-Clause */
/* What a pool does when a function ends its worker. */
#include "unit/executor/fixture.h"

/* So many calls teach the pool that calls are short, and that it can take several at once.  With this number
 * the batch below is none of those in which the lowest level goes first. */
#define WARM_UP 40

static struct via_test_recorder recorder = VIA_TEST_RECORDER_INITIALIZER;

static int record(void *word, void **result)
{
    (void)result;
    via_test_record(&recorder, "%s", (const char *)word);
    return 0;
}

static void submit_level(via_executor *pool, via_call_fn fn, void *arg, int priority)
{
    struct via_call call = VIA_CALL(fn, arg);

    call.priority = priority;
    ck_assert_int_eq(via_executor_submit(pool, &call, NULL), 0);
}

static int submit_normal_and_die(void *pool, void **result)
{
    static char word[] = "normal";

    (void)result;
    submit_level(pool, record, word, VIA_PRIORITY_NORMAL);
    pthread_exit(NULL);
}

/* A chain of short calls, the last of which submits a batch. */
struct chain {
    via_executor *pool;
    int left;
};

static int submit_next(void *arg, void **result)
{
    static char word[] = "low";
    struct chain *chain = arg;

    (void)result;
    if (--chain->left > 0) {
        submit_level(chain->pool, submit_next, chain, VIA_PRIORITY_NORMAL);
        return 0;
    }
    submit_level(chain->pool, submit_normal_and_die, chain->pool, VIA_PRIORITY_HIGH);
    submit_level(chain->pool, record, word, VIA_PRIORITY_LOW);
    return 0;
}

/* Several rounds, because a call that was interrupted by the system makes the pool take one at a time. */
TEST(what_waited_behind_the_dead_keeps_its_level)
{
    for (int round = 0; round < 10; round++) {
        struct chain chain = {pool_of(1), WARM_UP};

        via_test_recorder_clear(&recorder);
        submit_level(chain.pool, submit_next, &chain, VIA_PRIORITY_NORMAL);
        AWAIT(via_test_recorded(&recorder) == 2);
        close_executor(chain.pool);
        ASSERT_RECORD(&recorder, "normal low");
    }
}

static int submit_younger_and_die(void *pool, void **result)
{
    static char word[] = "younger";

    (void)result;
    submit_level(pool, record, word, VIA_PRIORITY_HIGH);
    pthread_exit(NULL);
}

static int submit_batch(void *arg, void **result)
{
    static char words[3][8] = {"first", "second", "third"};
    struct chain *chain = arg;

    (void)result;
    if (--chain->left > 0) {
        submit_level(chain->pool, submit_batch, chain, VIA_PRIORITY_NORMAL);
        return 0;
    }
    submit_level(chain->pool, submit_younger_and_die, chain->pool, VIA_PRIORITY_HIGH);
    for (int i = 0; i < 3; i++)
        submit_level(chain->pool, record, words[i], VIA_PRIORITY_HIGH);
    return 0;
}

TEST(what_waited_behind_the_dead_goes_before_what_came_later)
{
    for (int round = 0; round < 10; round++) {
        struct chain chain = {pool_of(1), WARM_UP};

        via_test_recorder_clear(&recorder);
        submit_level(chain.pool, submit_batch, &chain, VIA_PRIORITY_NORMAL);
        AWAIT(via_test_recorded(&recorder) == 4);
        close_executor(chain.pool);
        ASSERT_RECORD(&recorder, "first second third younger");
    }
}

static int end_thread(void *arg, void **result)
{
    (void)arg;
    (void)result;
    pthread_exit(NULL);
}

TEST(the_least_number_of_workers_is_restored)
{
    struct via_thread_pool_options options;
    via_executor *pool = NULL;

    via_thread_pool_options_init(&options);
    options.min_workers = options.max_workers = 2;
    ck_assert_int_eq(via_thread_pool_new(&options, &pool), 0);
    finish_with(submit(pool, end_thread, NULL), VIA_EEXITED);
    finish_with(submit(pool, end_thread, NULL), VIA_EEXITED);
    AWAIT(stats_of(pool).workers == 2);
    close_executor(pool);
}

TEST(a_pool_that_is_shut_down_is_left_to_end)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct via_thread_pool_options options;
    via_executor *pool = NULL;
    via_cfuture *running, *dies;

    via_thread_pool_options_init(&options);
    options.min_workers = options.max_workers = 1;
    ck_assert_int_eq(via_thread_pool_new(&options, &pool), 0);
    running = occupy(pool, &gate);
    dies = submit(pool, end_thread, NULL);
    ck_assert_int_eq(via_executor_shutdown(pool, 0, 0), VIA_ETIMEDOUT);
    via_test_gate_open(&gate);
    close_executor(pool);
    finish(running);
    finish_with(dies, VIA_EEXITED);
}

static void end_thread_of(void *payload)
{
    via_test_counted_destroy(payload);
    pthread_exit(NULL);
}

static int give_payload(void *payload, void **result)
{
    *result = payload;
    return via_test_destroyed(payload) ? VIA_EFAILED : 0;
}

static void release_and_end(via_executor *executor)
{
    struct via_test_counted payload = {0};
    struct via_call call = VIA_CALL(give_payload, &payload);
    via_cfuture *cf;

    call.destroy = end_thread_of;
    cf = submit_call(executor, &call);
    ck_assert_int_eq(status_of(cf), 0);
    ck_assert_int_eq(via_test_destroyed(&payload), 1);
    via_cfuture_unref(cf);
}

TEST(a_destructor_of_an_argument_may_end_the_worker)
{
    via_executor *pool = pool_of(1);

    release_and_end(pool);
    ck_assert_ptr_eq(finish(submit(pool, echo, pool)), pool);
    close_executor(pool);
}

TEST(a_destructor_on_a_strand_may_end_the_worker)
{
    via_executor *pool = pool_of(1), *strand = NULL;

    ck_assert_int_eq(via_serial_new(pool, &strand), 0);
    release_and_end(strand);
    ck_assert_ptr_eq(finish(submit(strand, echo, strand)), strand);
    close_executor(strand);
    close_executor(pool);
}

static int fail_with_text(void *payload, void **result)
{
    (void)payload;
    (void)result;
    return via_fail(7, "a text");
}

TEST(what_a_function_failed_with_outlives_its_worker)
{
    via_executor *pool = pool_of(1);
    struct via_test_counted payload = {0};
    struct via_call call = VIA_CALL(fail_with_text, &payload);
    struct via_outcome outcome;
    via_cfuture *cf;

    call.destroy = end_thread_of;
    cf = submit_call(pool, &call);
    ck_assert_int_eq(status_of(cf), VIA_EFAILED);
    ck_assert_int_eq(via_cfuture_outcome(cf, &outcome), 0);
    ck_assert_int_eq(outcome.code, 7);
    ck_assert_str_eq(outcome.message, "a text");
    via_cfuture_unref(cf);
    close_executor(pool);
}

static int record_callback(via_cfuture *cf, void *word)
{
    (void)cf;
    via_test_record(&recorder, "%s", (const char *)word);
    return 0;
}

static int record_and_end(via_cfuture *cf, void *word)
{
    record_callback(cf, word);
    pthread_exit(NULL);
}

/* A future with three callbacks, the second of which ends the thread. */
static void add_callbacks(via_cfuture *cf)
{
    static char first[] = "first", second[] = "second", third[] = "third";

    via_test_recorder_clear(&recorder);
    ck_assert_int_eq(via_cfuture_add_done_callback(cf, record_callback, first), 0);
    ck_assert_int_eq(via_cfuture_add_done_callback(cf, record_and_end, second), 0);
    ck_assert_int_eq(via_cfuture_add_done_callback(cf, record_callback, third), 0);
}

TEST(a_callback_may_end_the_worker)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_executor *pool = pool_of(1);
    via_cfuture *cf = occupy(pool, &gate), *behind = submit(pool, echo, pool);

    add_callbacks(cf);
    via_test_gate_open(&gate);
    ck_assert_int_eq(status_of(cf), 0);
    ck_assert_ptr_eq(finish(behind), pool);
    via_cfuture_unref(cf);
    close_executor(pool);
    ASSERT_RECORD(&recorder, "first second third");
}

/* Submits to an executor that runs the call here, with callbacks from inside the call. */
struct here {
    via_executor *executor;
    via_cfuture *promise;
};

static int settle(void *arg, void **result)
{
    const struct here *here = arg;

    (void)result;
    return via_cfuture_set_result(here->promise, NULL, NULL);
}

static void *submit_here(void *arg)
{
    struct here *here = arg;
    struct via_call call = VIA_CALL(settle, here);

    (void)via_executor_submit(here->executor, &call, NULL);
    return NULL;
}

TEST(a_callback_may_end_the_thread_of_an_inline_call)
{
    struct here here = {0};
    struct via_test_thread thread;

    ck_assert_int_eq(via_inline_new(&here.executor), 0);
    ck_assert_int_eq(via_cfuture_new(&here.promise), 0);
    add_callbacks(here.promise);
    via_test_thread_start(&thread, submit_here, &here);
    via_test_thread_join(&thread);
    ASSERT_RECORD(&recorder, "first second third");
    ck_assert_int_eq(status_of(here.promise), 0);
    via_cfuture_unref(here.promise);
    ck_assert_uint_eq(stats_of(here.executor).running, 0);
    close_executor(here.executor);
}

static void *submit_and_release_here(void *arg)
{
    struct here *here = arg;
    static struct via_test_counted payload;
    struct via_call call = VIA_CALL(give_payload, &payload);

    call.destroy = end_thread_of;
    (void)via_executor_submit(here->executor, &call, NULL);
    return NULL;
}

TEST(a_destructor_may_end_the_thread_of_an_inline_call)
{
    struct here here = {0};
    struct via_test_thread thread;

    ck_assert_int_eq(via_inline_new(&here.executor), 0);
    via_test_thread_start(&thread, submit_and_release_here, &here);
    via_test_thread_join(&thread);
    ck_assert_uint_eq(stats_of(here.executor).running, 0);
    ck_assert_uint_eq(stats_of(here.executor).completed, 1);
    close_executor(here.executor);
}

TEST_MAIN("executor/died", what_waited_behind_the_dead_keeps_its_level,
          what_waited_behind_the_dead_goes_before_what_came_later, the_least_number_of_workers_is_restored,
          a_pool_that_is_shut_down_is_left_to_end, a_destructor_of_an_argument_may_end_the_worker,
          a_destructor_on_a_strand_may_end_the_worker, what_a_function_failed_with_outlives_its_worker,
          a_callback_may_end_the_worker, a_callback_may_end_the_thread_of_an_inline_call,
          a_destructor_may_end_the_thread_of_an_inline_call)
