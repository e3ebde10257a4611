/* SPDX-License-Identifier: BSD-3-Clause */
/* A worker that would not be told of a function that ends it: it leaves what waits to the others. */
#include "unit/executor/fixture.h"

#include <dlfcn.h>
#include <pthread.h>

static atomic_int refusals;

/* clang's ThreadSanitizer is a part of the program and would come by here for itself. */
#if !UNDER_THREAD_SANITIZER
/* Stands before the C library's, for as many calls as the test wants. */
int pthread_setspecific(pthread_key_t key, const void *value)
{
    int (*real)(pthread_key_t, const void *);

    if (atomic_load(&refusals) > 0 && atomic_fetch_sub(&refusals, 1) > 0)
        return ENOMEM;
    *(void **)&real = dlsym(RTLD_NEXT, "pthread_setspecific");
    return real(key, value);
}
#endif

/* Two workers, one of which cannot be watched and waits in its finalizer. */
struct two {
    struct via_test_gate begin, end;
    via_executor *pool;
};

static int wait_to_begin(void *arg)
{
    via_test_gate_pass(&((struct two *)arg)->begin);
    return 0;
}

static void wait_to_end(void *arg)
{
    via_test_gate_pass(&((struct two *)arg)->end);
}

static void set_up(struct two *two)
{
    struct via_thread_pool_options options;

    *two = (struct two){.begin = VIA_TEST_GATE_INITIALIZER, .end = VIA_TEST_GATE_INITIALIZER};
    via_thread_pool_options_init(&options);
    options.min_workers = options.max_workers = 2;
    options.initializer = wait_to_begin;
    options.finalizer = wait_to_end;
    options.hook_arg = two;
    atomic_store(&refusals, 1);
    ck_assert_int_eq(via_thread_pool_new(&options, &two->pool), 0);
    via_test_gate_await(&two->begin, 2);
    ck_assert_int_le(atomic_load(&refusals), 0);
}

TEST(what_waits_behind_a_busy_worker_is_left_to_it)
{
    struct two two;
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_cfuture *running, *waiting[2];

    if (UNDER_THREAD_SANITIZER)
        return;
    set_up(&two);
    running = submit(two.pool, via_test_gate_call, &gate);
    for (int i = 0; i < 2; i++)
        waiting[i] = submit(two.pool, echo, &two);
    via_test_gate_open(&two.begin);
    via_test_gate_await(&gate, 1);
    via_test_gate_await(&two.end, 1);
    via_test_gate_open(&two.end);
    via_test_await_threads(2);
    ck_assert_int_eq(via_cfuture_done(waiting[0]), 0);
    via_test_gate_open(&gate);
    finish(running);
    for (int i = 0; i < 2; i++)
        ck_assert_ptr_eq(finish(waiting[i]), &two);
    close_executor(two.pool);
}

TEST(what_waits_beside_an_idle_worker_wakes_it)
{
    struct two two;
    via_cfuture *waiting;

    if (UNDER_THREAD_SANITIZER)
        return;
    set_up(&two);
    via_test_gate_open(&two.begin);
    via_test_gate_await(&two.end, 1);
    AWAIT(stats_of(two.pool).workers_idle == 1);
    waiting = submit(two.pool, echo, &two);
    via_test_gate_open(&two.end);
    ck_assert_ptr_eq(finish(waiting), &two);
    close_executor(two.pool);
}

TEST_MAIN("executor/unwatched", what_waits_behind_a_busy_worker_is_left_to_it,
          what_waits_beside_an_idle_worker_wakes_it)
