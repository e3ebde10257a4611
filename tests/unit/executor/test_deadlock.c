/* SPDX-License-Identifier: BSD-3-Clause */
/* Workers that wait: they help where they can, and are refused where the wait could never end. */
#include "unit/executor/fixture.h"

/* A call that submits another to an executor and waits for it. */
struct nested {
    via_executor *executor;
    int depth; /* how many more to nest */
};

static int nest(void *arg, void **result)
{
    struct nested *nested = arg;
    struct nested inner = {nested->executor, nested->depth - 1};
    via_cfuture *cf;
    int rc;

    (void)result;
    if (nested->depth == 0)
        return 0;
    cf = submit(nested->executor, nest, &inner);
    rc = via_cfuture_result(cf, VIA_FOREVER, NULL);
    via_cfuture_unref(cf);
    return rc;
}

TEST(a_worker_runs_the_queued_call_it_waits_for)
{
    struct nested nested = {pool_of(1), 1};

    finish(submit(nested.executor, nest, &nested));
    ck_assert_uint_eq(stats_of(nested.executor).helped, 1);
    AWAIT(stats_of(nested.executor).completed == 2);
    close_executor(nested.executor);
}

TEST(helping_goes_a_hundred_calls_deep)
{
    struct nested nested = {pool_of(1), 100};

    finish(submit(nested.executor, nest, &nested));
    ck_assert_uint_eq(stats_of(nested.executor).helped, 100);
    ck_assert_uint_eq(stats_of(nested.executor).workers_peak, 1);
    close_executor(nested.executor);
}

TEST(every_worker_of_a_pool_may_nest_at_once)
{
    struct nested nested = {pool_of(2), 20};
    via_cfuture *cf[8];

    for (int i = 0; i < 8; i++)
        cf[i] = submit(nested.executor, nest, &nested);
    for (int i = 0; i < 8; i++)
        finish(cf[i]);
    close_executor(nested.executor);
}

/* A call that waits for several queued calls of its own pool in one of the ways there are. */
struct gathering {
    via_executor *pool;
    int when;
};

static int gather_own(void *arg, void **result)
{
    struct gathering *gathering = arg;
    via_cfuture *cf[3];
    int done;

    (void)result;
    for (int i = 0; i < 3; i++)
        cf[i] = submit(gathering->pool, echo, NULL);
    done = via_cfutures_wait(cf, 3, VIA_FOREVER, gathering->when);
    for (int i = 0; i < 3; i++)
        via_cfuture_unref(cf[i]);
    return done < 0 ? done : done >= (gathering->when == VIA_FIRST_COMPLETED ? 1 : 3) ? 0 : VIA_EPERM;
}

TEST(a_worker_that_waits_for_several_calls_helps_too)
{
    struct gathering gathering = {pool_of(1), VIA_ALL_COMPLETED};

    finish(submit(gathering.pool, gather_own, &gathering));
    gathering.when = VIA_FIRST_COMPLETED;
    finish(submit(gathering.pool, gather_own, &gathering));
    gathering.when = VIA_FIRST_EXCEPTION;
    finish(submit(gathering.pool, gather_own, &gathering));
    close_executor(gathering.pool);
}

static int walk_own(void *arg, void **result)
{
    via_completion *completion = NULL;
    via_cfuture *cf[3], *next;
    int rc, given = 0;

    (void)result;
    for (int i = 0; i < 3; i++)
        cf[i] = submit(arg, echo, NULL);
    ck_assert_int_eq(via_cfutures_as_completed(cf, 3, VIA_FOREVER, &completion), 0);
    while ((rc = via_completion_next(completion, &next)) == 1) {
        given++;
        via_cfuture_unref(next);
    }
    via_completion_free(completion);
    for (int i = 0; i < 3; i++)
        via_cfuture_unref(cf[i]);
    return rc < 0 ? rc : given == 3 ? 0 : VIA_EPERM;
}

TEST(a_worker_that_walks_through_its_own_calls_helps_too)
{
    via_executor *pool = pool_of(1);

    finish(submit(pool, walk_own, pool));
    close_executor(pool);
}

/* An inner call that is helped, and an outer one that looks at itself afterwards. */
struct contexts {
    via_executor *pool;
    int inner_cancelled;
    int outer_cancelled;
    int outer_rc;
};

static int inner_context(void *arg, void **result)
{
    struct contexts *contexts = arg;

    (void)result;
    contexts->inner_cancelled = via_call_cancelled();
    return via_fail(3, "inner");
}

static int outer_context(void *arg, void **result)
{
    struct contexts *contexts = arg;
    via_cfuture *cf = submit(contexts->pool, inner_context, contexts);

    (void)result;
    AWAIT(via_call_cancelled());
    contexts->outer_rc = via_cfuture_result(cf, VIA_FOREVER, NULL);
    contexts->outer_cancelled = via_call_cancelled();
    via_cfuture_unref(cf);
    return VIA_EFAILED;
}

TEST(a_helped_call_has_its_own_cancel_and_its_own_text)
{
    struct contexts contexts = {.pool = pool_of(1)};
    struct via_outcome outcome;
    via_cfuture *cf = submit(contexts.pool, outer_context, &contexts);

    AWAIT(via_cfuture_state(cf) == VIA_RUNNING);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(status_of(cf), VIA_EFAILED);
    ck_assert_int_eq(via_cfuture_outcome(cf, &outcome), 0);
    ck_assert_ptr_null(outcome.message);
    ck_assert_int_eq(contexts.inner_cancelled, 0);
    ck_assert_int_eq(contexts.outer_cancelled, 1);
    ck_assert_int_eq(contexts.outer_rc, VIA_EFAILED);
    via_cfuture_unref(cf);
    close_executor(contexts.pool);
}

/* A call that waits for whatever future it is told of. */
struct waiting {
    struct via_test_gate *gate; /* passed before it waits */
    via_cfuture *target;
    int rc;
};

static int wait_for_target(void *arg, void **result)
{
    struct waiting *waiting = arg;

    (void)result;
    via_test_gate_pass(waiting->gate);
    waiting->rc = via_cfuture_wait(waiting->target, VIA_FOREVER);
    return 0;
}

TEST(a_call_that_waits_for_itself_is_a_deadlock)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct waiting waiting = {&gate, NULL, 1};
    via_executor *pool = pool_of(2);

    waiting.target = submit(pool, wait_for_target, &waiting);
    via_test_gate_await(&gate, 1);
    via_test_gate_open(&gate);
    finish(waiting.target);
    ck_assert_int_eq(waiting.rc, VIA_EDEADLK);
    close_executor(pool);
}

TEST(two_running_calls_that_wait_for_each_other_are_a_deadlock)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct waiting one = {&gate, NULL, 1}, two = {&gate, NULL, 1};
    via_executor *a = pool_of(1), *b = pool_of(1);
    via_cfuture *first = submit(a, wait_for_target, &one), *second = submit(b, wait_for_target, &two);

    via_test_gate_await(&gate, 2);
    one.target = second;
    two.target = first;
    via_test_gate_open(&gate);
    ck_assert_int_eq(status_of(first), 0);
    ck_assert_int_eq(status_of(second), 0);
    via_cfuture_unref(first);
    via_cfuture_unref(second);
    ck_assert(one.rc == VIA_EDEADLK || two.rc == VIA_EDEADLK);
    ck_assert(one.rc == VIA_EDEADLK || one.rc == 0);
    ck_assert(two.rc == VIA_EDEADLK || two.rc == 0);
    close_executor(a);
    close_executor(b);
}

TEST(a_circle_of_three_calls_is_a_deadlock)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct waiting waiting[3];
    via_executor *pool[3];
    via_cfuture *cf[3];
    int refused = 0;

    for (int i = 0; i < 3; i++) {
        waiting[i] = (struct waiting){&gate, NULL, 1};
        pool[i] = pool_of(1);
        cf[i] = submit(pool[i], wait_for_target, &waiting[i]);
    }
    via_test_gate_await(&gate, 3);
    for (int i = 0; i < 3; i++)
        waiting[i].target = cf[(i + 1) % 3];
    via_test_gate_open(&gate);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(status_of(cf[i]), 0);
    for (int i = 0; i < 3; i++) {
        refused += waiting[i].rc == VIA_EDEADLK;
        via_cfuture_unref(cf[i]);
        close_executor(pool[i]);
    }
    ck_assert_int_ge(refused, 1);
}

/* A call of one pool that submits to another, whose workers all do the same. */
struct crossing {
    struct via_test_gate *gate;
    via_executor *other;
    int rc;
};

static int cross_over(void *arg, void **result)
{
    struct crossing *crossing = arg;
    via_cfuture *cf;

    (void)result;
    via_test_gate_pass(crossing->gate);
    cf = submit(crossing->other, echo, NULL);
    crossing->rc = via_cfuture_wait(cf, VIA_FOREVER);
    via_cfuture_unref(cf);
    return 0;
}

TEST(two_pools_that_wait_for_each_other_with_every_worker_are_a_deadlock)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_executor *a = pool_of(2), *b = pool_of(2);
    struct crossing crossing[4];
    via_cfuture *cf[4];
    int refused = 0;

    for (int i = 0; i < 4; i++) {
        crossing[i] = (struct crossing){&gate, i % 2 ? a : b, 1};
        cf[i] = submit(i % 2 ? b : a, cross_over, &crossing[i]);
    }
    via_test_gate_await(&gate, 4);
    via_test_gate_open(&gate);
    for (int i = 0; i < 4; i++) {
        finish(cf[i]);
        refused += crossing[i].rc == VIA_EDEADLK;
        ck_assert(crossing[i].rc == 0 || crossing[i].rc == VIA_EDEADLK);
    }
    ck_assert_int_ge(refused, 1);
    close_executor(a);
    close_executor(b);
}

TEST(crossing_over_with_a_worker_to_spare_is_no_deadlock)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_executor *a = pool_of(2), *b = pool_of(2);
    struct crossing one = {&gate, b, 1}, two = {&gate, a, 1};
    via_cfuture *first, *second;

    via_test_gate_open(&gate);
    for (int round = 0; round < 50; round++) {
        first = submit(a, cross_over, &one);
        second = submit(b, cross_over, &two);
        finish(first);
        finish(second);
        ck_assert_int_eq(one.rc, 0);
        ck_assert_int_eq(two.rc, 0);
    }
    close_executor(a);
    close_executor(b);
}

TEST(a_strand_that_waits_for_itself_is_a_deadlock)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_executor *pool = pool_of(4), *strand = NULL;
    struct crossing crossing;

    via_test_gate_open(&gate);
    ck_assert_int_eq(via_serial_new(pool, &strand), 0);
    crossing = (struct crossing){&gate, strand, 1};
    finish(submit(strand, cross_over, &crossing));
    ck_assert_int_eq(crossing.rc, VIA_EDEADLK);
    finish(submit(strand, echo, NULL));
    close_executor(strand);
    close_executor(pool);
}

TEST(two_strands_that_wait_for_each_other_are_a_deadlock)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_executor *pool = pool_of(4), *a = NULL, *b = NULL;
    struct crossing one, two;
    via_cfuture *first, *second;

    ck_assert_int_eq(via_serial_new(pool, &a), 0);
    ck_assert_int_eq(via_serial_new(pool, &b), 0);
    one = (struct crossing){&gate, b, 1};
    two = (struct crossing){&gate, a, 1};
    first = submit(a, cross_over, &one);
    second = submit(b, cross_over, &two);
    via_test_gate_await(&gate, 2);
    via_test_gate_open(&gate);
    finish(first);
    finish(second);
    ck_assert(one.rc == VIA_EDEADLK || two.rc == VIA_EDEADLK);
    close_executor(a);
    close_executor(b);
    close_executor(pool);
}

TEST(a_call_on_a_strand_may_wait_for_the_pool_below)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_executor *pool = pool_of(1), *strand = NULL;
    struct crossing crossing = {&gate, pool, 1};

    via_test_gate_open(&gate);
    ck_assert_int_eq(via_serial_new(pool, &strand), 0);
    finish(submit(strand, cross_over, &crossing));
    ck_assert_int_eq(crossing.rc, 0);
    close_executor(strand);
    close_executor(pool);
}

TEST(a_worker_of_the_pool_may_wait_for_a_strand_on_it)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_executor *pool = pool_of(1), *strand = NULL;
    struct crossing crossing;

    via_test_gate_open(&gate);
    ck_assert_int_eq(via_serial_new(pool, &strand), 0);
    crossing = (struct crossing){&gate, strand, 1};
    finish(submit(pool, cross_over, &crossing));
    ck_assert_int_eq(crossing.rc, 0);
    close_executor(strand);
    close_executor(pool);
}

TEST(a_worker_may_wait_for_a_promise)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct waiting waiting = {&gate, NULL, 1};
    via_executor *pool = pool_of(1);
    via_cfuture *cf;

    ck_assert_int_eq(via_cfuture_new(&waiting.target), 0);
    cf = submit(pool, wait_for_target, &waiting);
    via_test_gate_await(&gate, 1);
    via_test_gate_open(&gate);
    ck_assert_int_eq(via_cfuture_wait(cf, 2 * VIA_MS), VIA_ETIMEDOUT);
    ck_assert_int_eq(via_cfuture_set_result(waiting.target, NULL, NULL), 0);
    finish(cf);
    ck_assert_int_eq(waiting.rc, 0);
    via_cfuture_unref(waiting.target);
    close_executor(pool);
}

TEST(a_worker_may_wait_for_a_running_call_of_its_own_pool)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER, open = VIA_TEST_GATE_INITIALIZER;
    struct waiting waiting = {&open, NULL, 1};
    via_executor *pool = pool_of(2);
    via_cfuture *cf;

    via_test_gate_open(&open);
    waiting.target = occupy(pool, &gate);
    cf = submit(pool, wait_for_target, &waiting);
    via_test_gate_await(&open, 1);
    via_test_gate_open(&gate);
    finish(cf);
    ck_assert_int_eq(waiting.rc, 0);
    via_cfuture_unref(waiting.target);
    close_executor(pool);
}

TEST(after_a_refused_wait_everything_works_as_before)
{
    via_executor *pool = pool_of(1);

    for (int round = 0; round < 20; round++) {
        struct via_test_gate entry = VIA_TEST_GATE_INITIALIZER;
        struct waiting waiting = {&entry, NULL, 1};
        struct nested nested = {pool, 2};

        waiting.target = submit(pool, wait_for_target, &waiting);
        via_test_gate_await(&entry, 1);
        via_test_gate_open(&entry);
        finish(waiting.target);
        ck_assert_int_eq(waiting.rc, VIA_EDEADLK);
        finish(submit(pool, nest, &nested));
    }
    close_executor(pool);
}

TEST_MAIN("executor/deadlock", a_worker_runs_the_queued_call_it_waits_for, helping_goes_a_hundred_calls_deep,
          every_worker_of_a_pool_may_nest_at_once, a_worker_that_waits_for_several_calls_helps_too,
          a_worker_that_walks_through_its_own_calls_helps_too,
          a_helped_call_has_its_own_cancel_and_its_own_text, a_call_that_waits_for_itself_is_a_deadlock,
          two_running_calls_that_wait_for_each_other_are_a_deadlock, a_circle_of_three_calls_is_a_deadlock,
          two_pools_that_wait_for_each_other_with_every_worker_are_a_deadlock,
          crossing_over_with_a_worker_to_spare_is_no_deadlock, a_strand_that_waits_for_itself_is_a_deadlock,
          two_strands_that_wait_for_each_other_are_a_deadlock, a_call_on_a_strand_may_wait_for_the_pool_below,
          a_worker_of_the_pool_may_wait_for_a_strand_on_it, a_worker_may_wait_for_a_promise,
          a_worker_may_wait_for_a_running_call_of_its_own_pool,
          after_a_refused_wait_everything_works_as_before)
