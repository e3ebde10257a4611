/* SPDX-License-Identifier: BSD-3-Clause */
/* Waiting for room in a full queue, inside calls: it is refused only where nobody could ever make room. */
#include "unit/executor/fixture.h"

#include <unistd.h>

/* A pool whose queue holds one call, and whose submitters wait for room. */
static via_executor *tight_pool(int workers)
{
    struct via_thread_pool_options options;
    via_executor *pool = NULL;

    via_thread_pool_options_init(&options);
    options.max_workers = workers;
    options.max_queued = 1;
    options.when_full = VIA_FULL_BLOCK;
    ck_assert_int_eq(via_thread_pool_new(&options, &pool), 0);
    return pool;
}

/* A call that submits another, when it may. */
struct submission {
    struct via_test_gate *gate;
    via_executor *to;
    struct via_test_thread thread; /* that submits */
    via_cfuture *cf;
    int rc;
};

static int submit_inside(void *arg, void **result)
{
    struct submission *submission = arg;
    struct via_call call = VIA_CALL(echo, NULL);

    (void)result;
    __atomic_store_n(&submission->thread.tid, gettid(), __ATOMIC_RELEASE);
    if (submission->gate)
        via_test_gate_pass(submission->gate);
    submission->rc = via_executor_submit(submission->to, &call, &submission->cf);
    return 0;
}

static void *submit_outside(void *arg)
{
    struct submission *submission = arg;

    submit_inside(submission, NULL);
    return NULL;
}

static void await_blocked(struct submission *submission)
{
    AWAIT(__atomic_load_n(&submission->thread.tid, __ATOMIC_ACQUIRE) != 0);
    via_test_thread_await_blocked(&submission->thread);
}

TEST(a_worker_waits_for_room_that_another_worker_will_make)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_executor *pool = tight_pool(2);
    struct submission submission = {.to = pool, .rc = 1};
    via_cfuture *other = occupy(pool, &gate), *cf, *filler;
    struct via_test_gate entry = VIA_TEST_GATE_INITIALIZER;

    submission.gate = &entry;
    cf = submit(pool, submit_inside, &submission);
    via_test_gate_await(&entry, 1);
    filler = submit(pool, echo, NULL);
    via_test_gate_open(&entry);
    await_blocked(&submission);
    via_test_gate_open(&gate);
    finish(cf);
    ck_assert_int_eq(submission.rc, 0);
    finish(submission.cf);
    finish(filler);
    finish(other);
    close_executor(pool);
}

TEST(when_every_worker_waits_for_room_in_its_own_pool_one_is_refused)
{
    struct via_test_gate entry = VIA_TEST_GATE_INITIALIZER;
    via_executor *pool = tight_pool(2);
    struct submission submission[2];
    via_cfuture *cf[2], *filler;
    int refused = 0;

    for (int i = 0; i < 2; i++) {
        submission[i] = (struct submission){.gate = &entry, .to = pool, .rc = 1};
        cf[i] = submit(pool, submit_inside, &submission[i]);
        via_test_gate_await(&entry, i + 1);
    }
    filler = submit(pool, echo, NULL);
    via_test_gate_open(&entry);
    for (int i = 0; i < 2; i++) {
        finish(cf[i]);
        refused += submission[i].rc == VIA_EDEADLK;
        ck_assert(submission[i].rc == VIA_EDEADLK || submission[i].rc == 0);
        via_cfuture_unref(submission[i].cf);
    }
    ck_assert_int_eq(refused, 1);
    finish(filler);
    close_executor(pool);
}

TEST(two_pools_that_wait_for_room_in_each_other_are_a_deadlock)
{
    struct via_test_gate entry = VIA_TEST_GATE_INITIALIZER;
    via_executor *pool[2] = {tight_pool(1), tight_pool(1)};
    struct submission submission[2];
    via_cfuture *cf[2], *filler[2];
    int refused = 0;

    for (int i = 0; i < 2; i++) {
        submission[i] = (struct submission){.gate = &entry, .to = pool[!i], .rc = 1};
        cf[i] = submit(pool[i], submit_inside, &submission[i]);
        via_test_gate_await(&entry, i + 1);
        filler[i] = submit(pool[i], echo, NULL);
    }
    via_test_gate_open(&entry);
    for (int i = 0; i < 2; i++) {
        finish(cf[i]);
        refused += submission[i].rc == VIA_EDEADLK;
        via_cfuture_unref(submission[i].cf);
        finish(filler[i]);
    }
    ck_assert_int_eq(refused, 1);
    close_executor(pool[0]);
    close_executor(pool[1]);
}

/* A call that waits for a future, when it may. */
struct waiting {
    struct via_test_gate *gate; /* or without sleeping: */
    atomic_int go;
    via_cfuture *target;
    pid_t tid;
    int rc;
};

static int wait_for_target(void *arg, void **result)
{
    struct waiting *waiting = arg;

    (void)result;
    __atomic_store_n(&waiting->tid, gettid(), __ATOMIC_RELEASE);
    if (waiting->gate)
        via_test_gate_pass(waiting->gate);
    else
        AWAIT(atomic_load(&waiting->go));
    waiting->rc = via_cfuture_wait(waiting->target, VIA_FOREVER);
    return 0;
}

TEST(waiting_for_a_call_that_waits_for_room_here_is_a_deadlock)
{
    struct via_test_gate entry = VIA_TEST_GATE_INITIALIZER;
    via_executor *a = tight_pool(1), *b = tight_pool(1);
    struct submission submission = {.gate = &entry, .to = a, .rc = 1};
    struct waiting waiting = {.gate = &entry, .rc = 1};
    via_cfuture *cf = submit(a, wait_for_target, &waiting), *filler;

    via_test_gate_await(&entry, 1);
    filler = submit(a, echo, NULL);
    waiting.target = submit(b, submit_inside, &submission);
    via_test_gate_await(&entry, 2);
    via_test_gate_open(&entry);
    finish(cf);
    finish(waiting.target);
    ck_assert_int_eq((waiting.rc == VIA_EDEADLK) + (submission.rc == VIA_EDEADLK), 1);
    via_cfuture_unref(submission.cf);
    finish(filler);
    close_executor(a);
    close_executor(b);
}

/* A strand whose pump waits for room in the pool, and a worker that waits for a call behind it. */
struct stuck_strand {
    via_executor *pool, *strand;
    struct waiting waiting;
    struct submission submission;
    via_cfuture *waiter, *filler;
};

static void set_up(struct stuck_strand *stuck, int workers)
{
    *stuck = (struct stuck_strand){.pool = tight_pool(workers)};
    ck_assert_int_eq(via_serial_new(stuck->pool, &stuck->strand), 0);
    stuck->waiting = (struct waiting){.rc = 1};
    stuck->submission = (struct submission){.to = stuck->strand, .rc = 1};
    stuck->waiter = submit(stuck->pool, wait_for_target, &stuck->waiting);
    AWAIT(__atomic_load_n(&stuck->waiting.tid, __ATOMIC_ACQUIRE) != 0);
}

static void block_pump(struct stuck_strand *stuck)
{
    stuck->filler = submit(stuck->pool, echo, NULL);
    via_test_thread_start(&stuck->submission.thread, submit_outside, &stuck->submission);
    AWAIT(stats_of(stuck->strand).submitted == 1);
    await_blocked(&stuck->submission);
    stuck->waiting.target = submit(stuck->strand, echo, NULL);
    atomic_store(&stuck->waiting.go, 1);
}

static void tear_down(struct stuck_strand *stuck)
{
    via_test_thread_join(&stuck->submission.thread);
    via_cfuture_unref(stuck->submission.cf);
    via_cfuture_unref(stuck->waiting.target);
    via_cfuture_unref(stuck->filler);
    close_executor(stuck->strand);
    close_executor(stuck->pool);
}

TEST(waiting_for_a_strand_whose_pump_waits_for_this_worker_is_a_deadlock)
{
    struct stuck_strand stuck;

    set_up(&stuck, 1);
    block_pump(&stuck);
    finish(stuck.waiter);
    ck_assert_int_eq(stuck.waiting.rc, VIA_EDEADLK);
    finish_with(via_cfuture_ref(stuck.waiting.target), 0);
    tear_down(&stuck);
    ck_assert_int_eq(stuck.submission.rc, 0);
}

TEST(a_worker_that_waits_for_a_strand_runs_its_pump_as_soon_as_that_is_queued)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct via_test_thread waiter = {0};
    struct stuck_strand stuck;
    via_cfuture *other;

    set_up(&stuck, 2);
    other = occupy(stuck.pool, &gate);
    block_pump(&stuck);
    waiter.tid = __atomic_load_n(&stuck.waiting.tid, __ATOMIC_ACQUIRE);
    via_test_thread_await_blocked(&waiter);
    ck_assert_int_eq(via_cfuture_cancel(stuck.filler), VIA_CANCEL_NEVER_RAN);
    finish(stuck.waiter);
    ck_assert_int_eq(stuck.waiting.rc, 0);
    via_test_gate_open(&gate);
    finish(other);
    tear_down(&stuck);
    ck_assert_int_eq(stuck.submission.rc, 0);
}

/* Calls that submit others to the same tight pool, and producers that do so from outside. */
struct crowd {
    via_executor *pool;
    atomic_int run;
    atomic_int accepted;
    atomic_int bad;
};

static int spread(void *arg, void **result)
{
    struct crowd *crowd = arg;
    struct via_call call = VIA_CALL(count_up, &crowd->run);

    (void)result;
    atomic_fetch_add(&crowd->run, 1);
    for (int i = 0; i < 3; i++) {
        int rc = via_executor_submit(crowd->pool, &call, NULL);

        atomic_fetch_add(&crowd->accepted, rc == 0);
        atomic_fetch_add(&crowd->bad, rc != 0 && rc != VIA_EDEADLK);
    }
    return 0;
}

static void *produce(void *arg)
{
    struct crowd *crowd = arg;
    struct via_call call = VIA_CALL(spread, crowd);

    for (int i = 0; i < 300; i++) {
        int rc = via_executor_submit(crowd->pool, &call, NULL);

        atomic_fetch_add(&crowd->accepted, rc == 0);
        atomic_fetch_add(&crowd->bad, rc != 0);
    }
    return NULL;
}

/* Whether every call that was queued has returned.  Both figures are from one moment: a call that has not
 * returned may have submitted another that it has not counted yet.  Without producers this lasts. */
static int all_have_returned(via_executor *pool)
{
    struct via_executor_stats stats = stats_of(pool);

    return stats.completed == stats.submitted && stats.running == 0;
}

TEST(producers_are_never_refused_and_nothing_is_lost)
{
    struct crowd crowd = {.pool = tight_pool(3)};
    struct via_test_thread producer[3];

    for (int i = 0; i < 3; i++)
        via_test_thread_start(&producer[i], produce, &crowd);
    for (int i = 0; i < 3; i++)
        via_test_thread_join(&producer[i]);
    AWAIT(all_have_returned(crowd.pool));
    close_executor(crowd.pool);
    ck_assert_int_eq(atomic_load(&crowd.bad), 0);
    ck_assert_int_ge(atomic_load(&crowd.accepted), 900);
    ck_assert_int_eq(atomic_load(&crowd.run), atomic_load(&crowd.accepted));
}

TEST_MAIN("executor/room", a_worker_waits_for_room_that_another_worker_will_make,
          when_every_worker_waits_for_room_in_its_own_pool_one_is_refused,
          two_pools_that_wait_for_room_in_each_other_are_a_deadlock,
          waiting_for_a_call_that_waits_for_room_here_is_a_deadlock,
          waiting_for_a_strand_whose_pump_waits_for_this_worker_is_a_deadlock,
          a_worker_that_waits_for_a_strand_runs_its_pump_as_soon_as_that_is_queued,
          producers_are_never_refused_and_nothing_is_lost)
