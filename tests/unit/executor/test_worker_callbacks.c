/* SPDX-License-Identifier: BSD-3-Clause */
/* The program's code that a worker runs after a function has returned: the pool does not count on that
 * worker. */
#include "unit/executor/fixture.h"

struct blocking {
    via_executor *pool;
    struct via_test_gate gate;
    struct via_test_gate other; /* passed by a call in another worker */
    atomic_int over;
};

/* Waits for a call that only another worker can run, since the library does not know of this wait. */
static void wait_for_another(struct blocking *blocking)
{
    via_cfuture *cf = submit(blocking->pool, via_test_gate_call, &blocking->other);
    via_test_gate_await(&blocking->other, 1);
    via_test_gate_open(&blocking->other);
    via_cfuture_unref(cf);
    atomic_store(&blocking->over, 1);
}

static int ignore(via_cfuture *cf, void *arg)
{
    (void)cf;
    (void)arg;
    return 0;
}

/* A callback in which another future completes, whose callbacks run inside this one. */
static int settle_and_wait(via_cfuture *cf, void *blocking)
{
    via_cfuture *promise = NULL;

    (void)cf;
    ck_assert_int_eq(via_cfuture_new(&promise), 0);
    ck_assert_int_eq(via_cfuture_add_done_callback(promise, ignore, NULL), 0);
    ck_assert_int_eq(via_cfuture_set_result(promise, NULL, NULL), 0);
    via_cfuture_unref(promise);
    wait_for_another(blocking);
    return 0;
}

TEST(a_callback_within_a_callback_does_not_free_the_worker)
{
    struct blocking blocking = {
        .pool = pool_of(2), .gate = VIA_TEST_GATE_INITIALIZER, .other = VIA_TEST_GATE_INITIALIZER};
    via_cfuture *cf = submit(blocking.pool, via_test_gate_call, &blocking.gate);

    ck_assert_int_eq(via_cfuture_add_done_callback(cf, settle_and_wait, &blocking), 0);
    via_test_gate_open(&blocking.gate);
    AWAIT(atomic_load(&blocking.over));
    via_cfuture_unref(cf);
    close_executor(blocking.pool);
}

static int give_argument(void *arg, void **result)
{
    struct blocking *blocking = arg;

    via_test_gate_pass(&blocking->gate);
    *result = blocking;
    return 0;
}

static void wait_in_destructor(void *blocking)
{
    wait_for_another(blocking);
}

TEST(a_destructor_of_a_result_keeps_its_worker)
{
    struct blocking blocking = {
        .pool = pool_of(2), .gate = VIA_TEST_GATE_INITIALIZER, .other = VIA_TEST_GATE_INITIALIZER};
    struct via_call call = VIA_CALL(give_argument, &blocking);

    call.destroy_result = wait_in_destructor;
    ck_assert_int_eq(via_executor_submit(blocking.pool, &call, NULL), 0);
    via_test_gate_open(&blocking.gate);
    AWAIT(atomic_load(&blocking.over));
    close_executor(blocking.pool);
}

TEST_MAIN("executor/worker_callbacks", a_callback_within_a_callback_does_not_free_the_worker,
          a_destructor_of_a_result_keeps_its_worker)
