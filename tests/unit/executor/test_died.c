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

TEST_MAIN("executor/died", what_waited_behind_the_dead_keeps_its_level,
          the_least_number_of_workers_is_restored, a_pool_that_is_shut_down_is_left_to_end)
