/* SPDX-License-Identifier: BSD-3-Clause */
/* Back-pressure, the order of calls, and how a pool grows and shrinks. */
#include "executor/executor.h"
#include "pool_fixture.h"

/* ---- bounds ---- */

TEST(a_full_queue_refuses_and_takes_again_when_there_is_room)
{
    struct via_process_pool_options options = pool_options(1);
    options.max_queued = 2;
    via_executor *pool = open_with(&options);
    via_buffer *gate = new_gate();
    via_cfuture *first = occupy(pool, gate), *cf[3] = {NULL};
    struct via_call call = VIA_CALL_BYTES(do_nothing, NULL, 0);
    cf[0] = submit_call(pool, &call);
    cf[1] = submit_call(pool, &call);
    ck_assert_int_eq(via_executor_submit(pool, &call, &cf[2]), VIA_EBUSY);
    ck_assert_ptr_null(cf[2]);
    ck_assert_uint_eq(executor_stats(pool).rejected, 1);
    ck_assert_int_eq(via_cfuture_cancel(cf[0]), VIA_CANCEL_NEVER_RAN);
    cf[2] = submit_call(pool, &call);
    open_gate(gate);
    ck_assert_int_eq(finish(first), 0);
    ck_assert_int_eq(finish(cf[0]), VIA_ECANCELED);
    ck_assert_int_eq(finish(cf[1]), 0);
    ck_assert_int_eq(finish(cf[2]), 0);
    ck_assert_uint_eq(executor_stats(pool).queued_peak, 2);
    close_pool(pool);
    via_buffer_unref(gate);
}

TEST(a_queue_is_bounded_by_bytes_too_but_takes_one_call_of_any_length)
{
    static char in[3000];
    struct via_process_pool_options options = pool_options(1);
    options.max_queued_bytes = 1000;
    via_executor *pool = open_with(&options);
    via_buffer *gate = new_gate();
    via_cfuture *first = occupy(pool, gate), *cf = NULL;
    via_cfuture *large = submit(pool, give_back, in, sizeof in);
    struct via_call call = VIA_CALL_BYTES(give_back, in, 1);
    ck_assert_int_eq(via_executor_submit(pool, &call, &cf), VIA_EBUSY);
    ck_assert_uint_eq(process_stats(pool).queued_bytes, sizeof in);
    ck_assert_int_eq(via_cfuture_cancel(large), VIA_CANCEL_NEVER_RAN);
    ck_assert_uint_eq(process_stats(pool).queued_bytes, 0);
    call.in_bytes = 600;
    cf = submit_call(pool, &call);
    call.in_bytes = 401;
    ck_assert_int_eq(via_executor_submit(pool, &call, NULL), VIA_EBUSY);
    call.in_bytes = 400;
    via_cfuture *last = submit_call(pool, &call);
    open_gate(gate);
    ck_assert_int_eq(finish(first), 0);
    ck_assert_int_eq(finish(large), VIA_ECANCELED);
    ck_assert_int_eq(finish(cf), 0);
    ck_assert_int_eq(finish(last), 0);
    ck_assert_uint_eq(process_stats(pool).queued_bytes, 0);
    close_pool(pool);
    via_buffer_unref(gate);
}

/* A thread that submits one call. */
struct submitter {
    struct via_test_thread thread;
    via_executor *pool;
    via_cfuture *cf;
    int status;
};

static void *submit_one(void *arg)
{
    struct submitter *submitter = arg;
    struct via_call call = VIA_CALL_BYTES(give_back, "x", 1);
    submitter->status = via_executor_submit(submitter->pool, &call, &submitter->cf);
    return NULL;
}

enum { SUBMITTERS = 4 };

/* A pool with a full queue of one, and threads that wait for room. */
static via_executor *open_blocking(via_buffer *gate, via_cfuture **cf, struct submitter *submitters)
{
    struct via_process_pool_options options = pool_options(1);
    options.max_queued = 1;
    options.when_full = VIA_FULL_BLOCK;
    via_executor *pool = open_with(&options);
    cf[0] = occupy(pool, gate);
    cf[1] = submit(pool, do_nothing, NULL, 0);
    for (int i = 0; i < SUBMITTERS; i++) {
        submitters[i].pool = pool;
        submitters[i].cf = NULL;
        via_test_thread_start(&submitters[i].thread, submit_one, &submitters[i]);
    }
    for (int i = 0; i < SUBMITTERS; i++)
        via_test_thread_await_blocked(&submitters[i].thread);
    ck_assert_uint_eq(executor_stats(pool).submitted, 2);
    return pool;
}

TEST(submitters_wait_for_room_and_all_get_through)
{
    struct submitter submitters[SUBMITTERS];
    via_cfuture *cf[2];
    via_buffer *gate = new_gate();
    via_executor *pool = open_blocking(gate, cf, submitters);
    open_gate(gate);
    for (int i = 0; i < SUBMITTERS; i++) {
        via_test_thread_join(&submitters[i].thread);
        ck_assert_int_eq(submitters[i].status, 0);
        ck_assert_int_eq(finish(submitters[i].cf), 0);
    }
    ck_assert_int_eq(finish(cf[0]), 0);
    ck_assert_int_eq(finish(cf[1]), 0);
    close_pool(pool);
    via_buffer_unref(gate);
}

TEST(submitters_that_wait_are_refused_when_the_pool_shuts_down)
{
    struct submitter submitters[SUBMITTERS];
    via_cfuture *cf[2];
    via_buffer *gate = new_gate();
    via_executor *pool = open_blocking(gate, cf, submitters);
    ck_assert_int_eq(via_executor_shutdown(pool, 0, 0), VIA_ETIMEDOUT);
    for (int i = 0; i < SUBMITTERS; i++) {
        via_test_thread_join(&submitters[i].thread);
        ck_assert_int_eq(submitters[i].status, VIA_ESHUTDOWN);
        ck_assert_ptr_null(submitters[i].cf);
    }
    open_gate(gate);
    ck_assert_int_eq(finish(cf[0]), 0);
    ck_assert_int_eq(finish(cf[1]), 0);
    close_pool(pool);
    via_buffer_unref(gate);
}

static int exit_at_once(via_bytes_call *call, const void *in, size_t bytes)
{
    (void)call;
    (void)in;
    (void)bytes;
    exit(9);
}

TEST(submitters_that_wait_hear_that_the_pool_is_broken)
{
    struct submitter submitters[SUBMITTERS];
    struct via_process_pool_options options = pool_options(1);
    options.max_queued = 1;
    options.when_full = VIA_FULL_BLOCK;
    options.initializer = exit_at_once;
    via_executor *pool = open_with(&options);
    for (int i = 0; i < SUBMITTERS; i++) {
        submitters[i].pool = pool;
        submitters[i].cf = NULL;
        via_test_thread_start(&submitters[i].thread, submit_one, &submitters[i]);
    }
    for (int i = 0; i < SUBMITTERS; i++) {
        via_test_thread_join(&submitters[i].thread);
        ck_assert_int_eq(submitters[i].status, 0);
        ck_assert_int_eq(finish(submitters[i].cf), VIA_EBROKEN);
    }
    close_pool(pool);
}

/* ---- order ---- */

/* Calls that wait while the worker is at the gate, each with a letter; then the letters in the order in which
 * they were done. */
struct line {
    via_executor *pool;
    via_buffer *gate;
    via_cfuture *first, *cf[64];
    int count;
    char order[65];
    pthread_mutex_t lock;
    int done;
};

static int note_done(via_cfuture *cf, void *arg)
{
    struct line *line = arg;
    struct via_outcome outcome;
    if (via_cfuture_outcome(cf, &outcome) == 0 && outcome.status == 0) {
        pthread_mutex_lock(&line->lock);
        line->order[line->done++] = *(const char *)outcome.value;
        pthread_mutex_unlock(&line->lock);
    }
    return 0;
}

static void begin_line(struct line *line)
{
    memset(line, 0, sizeof *line);
    pthread_mutex_init(&line->lock, NULL);
    line->pool = open_pool(1);
    line->gate = new_gate();
    line->first = occupy(line->pool, line->gate);
}

static void stand(struct line *line, char letter, int priority)
{
    struct via_call call = VIA_CALL_BYTES(give_back, &letter, 1);
    call.priority = priority;
    via_cfuture *cf = submit_call(line->pool, &call);
    ck_assert_int_eq(via_cfuture_add_done_callback(cf, note_done, line), 0);
    line->cf[line->count++] = cf;
}

static const char *end_line(struct line *line)
{
    open_gate(line->gate);
    ck_assert_int_eq(finish(line->first), 0);
    for (int i = 0; i < line->count; i++)
        ck_assert_int_eq(finish(line->cf[i]), 0);
    close_pool(line->pool);
    via_buffer_unref(line->gate);
    pthread_mutex_destroy(&line->lock);
    return line->order;
}

TEST(higher_priorities_go_first_and_equal_ones_in_the_order_they_came)
{
    struct line line;
    begin_line(&line);
    stand(&line, 'l', VIA_PRIORITY_LOW);
    stand(&line, 'n', VIA_PRIORITY_NORMAL);
    stand(&line, 'h', VIA_PRIORITY_HIGH);
    stand(&line, 'L', VIA_PRIORITY_LOW);
    stand(&line, 'N', VIA_PRIORITY_NORMAL);
    stand(&line, 'H', VIA_PRIORITY_HIGH);
    ck_assert_str_eq(end_line(&line), "hHnNlL");
}

TEST(low_priorities_are_not_starved)
{
    struct line line;
    begin_line(&line);
    stand(&line, 'l', VIA_PRIORITY_LOW);
    for (int i = 0; i < 40; i++)
        stand(&line, 'h', VIA_PRIORITY_HIGH);
    const char *order = end_line(&line), *at = strchr(order, 'l');
    ck_assert_ptr_nonnull(at);
    ck_assert_int_lt(at - order, 16);
}

TEST(a_call_that_has_not_started_by_its_deadline_never_runs)
{
    via_executor *pool = open_pool(1);
    via_buffer *gate = new_gate();
    via_cfuture *first = occupy(pool, gate);
    struct via_call call = VIA_CALL_BUFFER(pass_gate, gate);
    call.deadline_ns = via_now_ns() + 5 * VIA_MS;
    via_cfuture *late = submit_call(pool, &call);
    struct via_outcome outcome = wait_outcome(late);
    ck_assert_int_eq(outcome.status, VIA_ETIMEDOUT);
    ck_assert_str_eq(outcome.message, VIA__EXPIRED_TEXT);
    via_cfuture_unref(late);
    call.deadline_ns = via_now_ns() + 60 * VIA_S;
    via_cfuture *in_time = submit_call(pool, &call);
    open_gate(gate);
    ck_assert_int_eq(finish(first), 0);
    ck_assert_int_eq(finish(in_time), 0);
    ck_assert_int_eq(atomic_load(&gate_of(gate)->arrived), 2);
    ck_assert_uint_eq(executor_stats(pool).expired, 1);
    ck_assert_uint_eq(executor_stats(pool).queued, 0);
    close_pool(pool);
    via_buffer_unref(gate);
}

TEST(a_deadline_does_not_end_a_call_that_runs)
{
    via_executor *pool = open_pool(1);
    via_buffer *gate = new_gate();
    struct via_call call = VIA_CALL_BUFFER(pass_gate, gate);
    call.deadline_ns = via_now_ns() + 200 * VIA_MS;
    via_cfuture *cf = submit_call(pool, &call);
    if (via_cfuture_wait(cf, 1 * VIA_MS) == VIA_ETIMEDOUT) {
        AWAIT(atomic_load(&gate_of(gate)->arrived) == 1 || via_cfuture_done(cf));
        AWAIT(via_now_ns() > call.deadline_ns);
    }
    open_gate(gate);
    int status = finish(cf); // a machine that is slower than the deadline has not started it
    ck_assert_int_eq(status, atomic_load(&gate_of(gate)->arrived) ? 0 : VIA_ETIMEDOUT);
    close_pool(pool);
    via_buffer_unref(gate);
}

/* ---- growing and shrinking ---- */

static int count_workers(via_executor *pool)
{
    return via_process_pool_workers(pool, NULL, 0);
}

TEST(idle_workers_end_down_to_the_minimum)
{
    struct via_process_pool_options options = pool_options(3);
    options.min_workers = 1;
    options.idle_timeout_ns = 5 * VIA_MS;
    via_executor *pool = open_with(&options);
    via_buffer *gate = new_gate();
    via_cfuture *cf[3];
    for (int i = 0; i < 3; i++)
        cf[i] = occupy(pool, gate);
    open_gate(gate);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(finish(cf[i]), 0);
    AWAIT(count_workers(pool) == 1);
    ck_assert_int_eq(finish(submit(pool, do_nothing, NULL, 0)), 0);
    ck_assert_uint_eq(process_stats(pool).started, 3);
    close_pool(pool);
    via_buffer_unref(gate);
}

TEST(without_a_minimum_all_end_and_others_start)
{
    struct via_process_pool_options options = pool_options(2);
    options.idle_timeout_ns = 1 * VIA_MS;
    via_executor *pool = open_with(&options);
    for (unsigned round = 1; round <= 3; round++) {
        ck_assert_int_eq(finish(submit(pool, do_nothing, NULL, 0)), 0);
        AWAIT(count_workers(pool) == 0);
        ck_assert_uint_eq(process_stats(pool).started, round);
    }
    close_pool(pool);
}

TEST(the_minimum_is_there_from_the_beginning_and_replaced)
{
    struct via_process_pool_options options = pool_options(3);
    options.min_workers = 2;
    via_executor *pool = open_with(&options);
    long pids[3] = {0};
    AWAIT(via_process_pool_workers(pool, pids, 3) == 2);
    ck_assert_int_eq(finish(submit(pool, do_nothing, NULL, 0)), 0);
    ck_assert_int_eq(kill((pid_t)pids[0], SIGKILL), 0);
    AWAIT(process_stats(pool).started == 3);
    AWAIT(count_workers(pool) == 2);
    ck_assert_int_eq(via_process_pool_kill(pool), 2);
    AWAIT(process_stats(pool).started == 5);
    close_pool(pool);
}

/* Keeps some memory for ever. */
static char *volatile kept;

static int grow(via_bytes_call *call, const void *in, size_t bytes)
{
    size_t wanted;
    (void)call;
    (void)bytes;
    memcpy(&wanted, in, sizeof wanted);
    kept = malloc(wanted);
    if (!kept)
        return VIA_ENOMEM;
    memset(kept, 'x', wanted);
    return 0;
}

TEST(a_worker_that_occupies_too_much_ends_after_the_call)
{
    struct via_process_pool_options options = pool_options(1);
    options.max_worker_bytes = (uint64_t)256 << 20;
    via_executor *pool = open_with(&options);
    long before = pid_of_worker(pool);
    size_t little = 1000, much = (size_t)300 << 20;
    ck_assert_int_eq(finish(submit(pool, grow, &little, sizeof little)), 0);
    ck_assert_int_eq(pid_of_worker(pool), before);
    ck_assert_int_eq(finish(submit(pool, grow, &much, sizeof much)), 0);
    ck_assert_int_ne(pid_of_worker(pool), before);
    AWAIT(process_stats(pool).recycled == 1);
    close_pool(pool);
}

TEST(a_worker_that_is_too_old_ends)
{
    struct via_process_pool_options options = pool_options(1);
    options.max_worker_age_ns = 20 * VIA_MS;
    via_executor *pool = open_with(&options);
    long first = pid_of_worker(pool);
    AWAIT(count_workers(pool) == 0);
    ck_assert_int_ne(pid_of_worker(pool), first);
    AWAIT(process_stats(pool).recycled >= 1);
    close_pool(pool);
}

/* One that always has work is too old as well, some time. */
TEST(a_worker_that_is_never_idle_ends_for_its_age)
{
    struct via_process_pool_options options = pool_options(1);
    options.max_worker_age_ns = 20 * VIA_MS;
    via_executor *pool = open_with(&options);
    int64_t end_ns = via_test_now_ns() + via_test_bound_ns();
    via_cfuture *cf[4];
    for (int i = 0; i < 4; i++)
        cf[i] = submit(pool, do_nothing, NULL, 0);
    for (int i = 0; process_stats(pool).recycled == 0 && via_test_now_ns() < end_ns; i++) {
        ck_assert_int_eq(finish(cf[i % 4]), 0);
        cf[i % 4] = submit(pool, do_nothing, NULL, 0);
    }
    ck_assert_uint_ge(process_stats(pool).recycled, 1);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(finish(cf[i]), 0);
    close_pool(pool);
}

/* ---- figures ---- */

TEST(the_figures_add_up)
{
    enum { GOOD = 20 };
    struct via_process_pool_options options = pool_options(1);
    options.max_queued = 30;
    via_executor *pool = open_with(&options);
    via_buffer *gate = new_gate();
    via_cfuture *first = occupy(pool, gate), *good[GOOD], *cancelled[3];
    int signo = SIGKILL;
    for (int i = 0; i < GOOD; i++)
        good[i] = submit(pool, give_back, &i, sizeof i);
    for (int i = 0; i < 3; i++)
        cancelled[i] = submit(pool, do_nothing, NULL, 0);
    via_cfuture *crash = submit(pool, die_of, &signo, sizeof signo);
    struct via_call call = VIA_CALL_BYTES(do_nothing, NULL, 0);
    call.deadline_ns = via_now_ns() + 1 * VIA_MS;
    via_cfuture *expired = submit_call(pool, &call);
    ck_assert_int_eq(finish(expired), VIA_ETIMEDOUT);
    struct via_executor_stats stats = executor_stats(pool);
    ck_assert_uint_eq(stats.running, 1);
    ck_assert_uint_eq(stats.workers, 1);
    ck_assert_uint_eq(stats.workers_idle, 0);
    ck_assert_int_gt(stats.oldest_running_ns, 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(via_cfuture_cancel(cancelled[i]), VIA_CANCEL_NEVER_RAN);
        via_cfuture_unref(cancelled[i]);
    }
    ck_assert_uint_eq(executor_stats(pool).queued, GOOD + 1);
    open_gate(gate);
    ck_assert_int_eq(finish(first), 0);
    for (int i = 0; i < GOOD; i++)
        ck_assert_int_eq(finish(good[i]), 0);
    ck_assert_int_eq(finish(crash), VIA_ECRASHED);
    stats = executor_stats(pool);
    ck_assert_uint_eq(stats.submitted, 1 + GOOD + 3 + 1 + 1);
    ck_assert_uint_eq(stats.submitted, stats.completed + stats.cancelled + stats.expired);
    ck_assert_uint_eq(stats.cancelled, 3);
    ck_assert_uint_eq(stats.expired, 1);
    ck_assert_uint_eq(stats.queued, 0);
    ck_assert_uint_eq(stats.running, 0);
    close_pool(pool);
    via_buffer_unref(gate);
}

PROCESS_TEST_MAIN("process/pool_pressure", a_full_queue_refuses_and_takes_again_when_there_is_room,
                  a_queue_is_bounded_by_bytes_too_but_takes_one_call_of_any_length,
                  submitters_wait_for_room_and_all_get_through,
                  submitters_that_wait_are_refused_when_the_pool_shuts_down,
                  submitters_that_wait_hear_that_the_pool_is_broken,
                  higher_priorities_go_first_and_equal_ones_in_the_order_they_came,
                  low_priorities_are_not_starved, a_call_that_has_not_started_by_its_deadline_never_runs,
                  a_deadline_does_not_end_a_call_that_runs, idle_workers_end_down_to_the_minimum,
                  without_a_minimum_all_end_and_others_start,
                  the_minimum_is_there_from_the_beginning_and_replaced,
                  a_worker_that_occupies_too_much_ends_after_the_call, a_worker_that_is_too_old_ends,
                  a_worker_that_is_never_idle_ends_for_its_age, the_figures_add_up)
