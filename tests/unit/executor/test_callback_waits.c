/* SPDX-License-Identifier: BSD-3-Clause */
/* Waits in what a worker runs of the program after a function has returned: destructors and callbacks. */
#include "unit/executor/fixture.h"

/* A pool with one worker, whose callbacks submit to it and wait. */
struct chain {
    via_executor *pool;
    struct via_test_gate gate;
    int depth; /* callbacks within callbacks still to come */
    int status;
    atomic_int over;
};

static void set_up(struct chain *chain)
{
    *chain = (struct chain){.pool = pool_of(1), .gate = VIA_TEST_GATE_INITIALIZER, .status = 1};
}

/* Runs a call with a callback, and comes back when the pool is done. */
static void run_with_callback(struct chain *chain, via_cfuture_fn fn)
{
    via_cfuture *cf = occupy(chain->pool, &chain->gate);

    ck_assert_int_eq(via_cfuture_add_done_callback(cf, fn, chain), 0);
    via_test_gate_open(&chain->gate);
    AWAIT(atomic_load(&chain->over));
    via_cfuture_unref(cf);
    close_executor(chain->pool);
}

static int submit_and_wait(via_cfuture *cf, void *arg)
{
    struct chain *chain = arg;
    via_cfuture *queued = submit(chain->pool, echo, chain);
    int deepest = --chain->depth <= 0;

    (void)cf;
    if (!deepest)
        ck_assert_int_eq(via_cfuture_add_done_callback(queued, submit_and_wait, chain), 0);
    chain->status = via_cfuture_result(queued, via_test_bound_ns(), NULL);
    via_cfuture_unref(queued);
    atomic_store(&chain->over, chain->depth <= 0);
    return 0;
}

TEST(a_callback_runs_the_queued_call_that_it_waits_for)
{
    struct chain chain;

    set_up(&chain);
    run_with_callback(&chain, submit_and_wait);
    ck_assert_int_eq(chain.status, 0);
}

TEST(callbacks_within_callbacks_run_what_they_wait_for)
{
    struct chain chain;

    set_up(&chain);
    chain.depth = 20;
    run_with_callback(&chain, submit_and_wait);
    ck_assert_int_eq(chain.status, 0);
}

/* A call that waits for another. */
static int wait_for_argument(void *cf, void **result)
{
    (void)result;
    return via_cfuture_result(cf, via_test_bound_ns(), NULL);
}

/* The strand's call that is queued behind waits for nobody, but its strand has this very worker. */
static int submit_to_strand_and_wait(via_cfuture *cf, void *arg)
{
    struct chain *chain = arg;
    via_executor *strand = NULL;
    via_cfuture *queued;

    (void)cf;
    ck_assert_int_eq(via_serial_new(chain->pool, &strand), 0);
    queued = submit(strand, echo, chain);
    chain->status = via_cfuture_result(queued, via_test_bound_ns(), NULL);
    via_cfuture_unref(queued);
    via_executor_unref(strand);
    atomic_store(&chain->over, 1);
    return 0;
}

TEST(a_callback_runs_a_strand_that_it_waits_for)
{
    struct chain chain;

    set_up(&chain);
    run_with_callback(&chain, submit_to_strand_and_wait);
    ck_assert_int_eq(chain.status, 0);
}

/* Another pool's only worker waits for a call that is queued behind this callback, and cannot run it. */
struct circle {
    struct chain chain; /* first */
    via_executor *other;
    via_cfuture *behind;
    int inner;
};

static int wait_for_other_pool(via_cfuture *cf, void *arg)
{
    struct circle *circle = arg;
    via_cfuture *waiter = submit(circle->other, wait_for_argument, circle->behind);

    (void)cf;
    circle->chain.status = via_cfuture_result(waiter, via_test_bound_ns(), NULL);
    via_cfuture_unref(waiter);
    atomic_store(&circle->chain.over, 1);
    return 0;
}

TEST(a_callback_in_a_circle_of_pools_is_told)
{
    struct circle circle;
    via_cfuture *cf;

    set_up(&circle.chain);
    circle.other = pool_of(1);
    cf = occupy(circle.chain.pool, &circle.chain.gate);
    circle.behind = submit(circle.chain.pool, echo, NULL);
    ck_assert_int_eq(via_cfuture_add_done_callback(cf, wait_for_other_pool, &circle), 0);
    via_test_gate_open(&circle.chain.gate);
    AWAIT(atomic_load(&circle.chain.over));
    ck_assert_int_eq(circle.chain.status, VIA_EDEADLK);
    via_cfuture_unref(cf);
    close_executor(circle.other); /* its call may still be looking at the future */
    finish(circle.behind);
    close_executor(circle.chain.pool);
}

static int shut_down(via_cfuture *cf, void *arg)
{
    struct chain *chain = arg;

    (void)cf;
    chain->status = via_executor_shutdown(chain->pool, 0, via_test_bound_ns());
    atomic_store(&chain->over, 1);
    return 0;
}

TEST(a_callback_does_not_wait_for_its_own_worker_to_end)
{
    struct chain chain;

    set_up(&chain);
    run_with_callback(&chain, shut_down);
    ck_assert_int_eq(chain.status, VIA_EDEADLK);
}

static void wait_in_destructor(void *arg)
{
    submit_and_wait(NULL, arg);
}

TEST(a_destructor_runs_the_queued_call_that_it_waits_for)
{
    struct chain chain;
    struct via_call call = VIA_CALL(echo, &chain);
    via_cfuture *cf, *running;

    set_up(&chain);
    running = occupy(chain.pool, &chain.gate);
    call.destroy = wait_in_destructor;
    cf = submit_call(chain.pool, &call);
    via_test_gate_open(&chain.gate);
    finish(running);
    AWAIT(atomic_load(&chain.over));
    ck_assert_int_eq(chain.status, 0);
    via_cfuture_unref(cf);
    close_executor(chain.pool);
}

struct asked {
    atomic_int over;
    int cancelled, failed;
};

/* The call is over: what a callback asks is not about it. */
static int ask(via_cfuture *cf, void *arg)
{
    struct asked *asked = arg;

    (void)cf;
    asked->cancelled = via_call_cancelled();
    asked->failed = via_fail(3, "dropped");
    atomic_store(&asked->over, 1);
    return 0;
}

TEST(a_callback_is_not_in_a_call)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct asked asked = {0};
    via_executor *pool = pool_of(1);
    via_cfuture *cf = occupy(pool, &gate);

    ck_assert_int_eq(via_cfuture_add_done_callback(cf, ask, &asked), 0);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_REQUESTED);
    via_test_gate_open(&gate);
    AWAIT(atomic_load(&asked.over));
    ck_assert_int_eq(asked.cancelled, 0);
    ck_assert_int_eq(asked.failed, VIA_EFAILED);
    finish(cf);
    close_executor(pool);
}

TEST_MAIN("executor/callback_waits", a_callback_runs_the_queued_call_that_it_waits_for,
          callbacks_within_callbacks_run_what_they_wait_for, a_callback_runs_a_strand_that_it_waits_for,
          a_callback_in_a_circle_of_pools_is_told, a_callback_does_not_wait_for_its_own_worker_to_end,
          a_destructor_runs_the_queued_call_that_it_waits_for, a_callback_is_not_in_a_call)
