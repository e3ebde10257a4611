/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls that are given to a worker ahead: who may be, and how they come back. */
#include "pool_inside.h"

#include <sys/prctl.h>
#include <time.h>

/* Two of which one is known to be short; a pool by a loop that does not run shows how many are with the
 * worker. */
static size_t given_of_three(via_loop *loop, via_executor *pool, via_bytes_fn fn)
{
    via_cfuture *cf[3];
    for (int i = 0; i < 3; i++)
        cf[i] = submit(pool, fn, NULL, 0);
    size_t given = count_given(pool);
    for (int i = 0; i < 3; i++)
        (void)run_to_end(loop, cf[i]);
    return given;
}

static int do_something(via_bytes_call *call, const void *in, size_t bytes)
{
    return give_back(call, in, bytes);
}

TEST(a_hundred_short_calls_earn_it_and_for_their_function_alone)
{
    via_loop *loop = new_loop();
    EACH_TRANSPORT(transport)
    {
        via_executor *pool = open_served(loop, transport, 1);
        for (int i = 0; i < VIA__PROCESS_PROOF - 4; i++) {
            via_cfuture *cf = submit(pool, do_nothing, NULL, 0);
            ck_assert_int_eq(run_to_end(loop, cf), 0);
        }
        ck_assert_uint_eq(given_of_three(loop, pool, do_nothing), 1);
        // The mean has to be small, too, which a busy machine may need a few more calls for.
        AWAIT(given_of_three(loop, pool, do_nothing) == 3);
        ck_assert_uint_eq(given_of_three(loop, pool, do_something), 1);
        close_pool(pool);
    }
    via_loop_unref(loop);
}

TEST(with_a_prefetch_of_one_nothing_is_given_ahead)
{
    via_loop *loop = new_loop();
    struct via_process_pool_options options = pool_options(1);
    options.loop = loop;
    options.prefetch_max = 1;
    via_executor *pool = open_with(&options);
    ck_assert_int_eq(run_to_end(loop, submit(pool, do_nothing, NULL, 0)), 0);
    make_known(pool, do_nothing);
    ck_assert_uint_eq(given_of_three(loop, pool, do_nothing), 1);
    close_pool(pool);
    via_loop_unref(loop);
}

/* Lives and dies by its input: none, or any. */
static int die_if(via_bytes_call *call, const void *in, size_t bytes)
{
    (void)call;
    (void)in;
    if (bytes) {
        signal(SIGABRT, SIG_DFL);
        raise(SIGABRT);
    }
    return 0;
}

TEST(a_function_that_has_crashed_is_never_given_ahead_again)
{
    via_loop *loop = new_loop();
    via_executor *pool = open_served(loop, VIA_TRANSPORT_AUTO, 1);
    ck_assert_int_eq(run_to_end(loop, submit(pool, die_if, NULL, 0)), 0);
    make_known(pool, die_if);
    ck_assert_uint_eq(given_of_three(loop, pool, die_if), 3);
    ck_assert_int_eq(run_to_end(loop, submit(pool, die_if, "x", 1)), VIA_ECRASHED);
    for (int i = 0; i < VIA__PROCESS_PROOF + 10; i++)
        ck_assert_int_eq(run_to_end(loop, submit(pool, die_if, NULL, 0)), 0);
    ck_assert_uint_eq(given_of_three(loop, pool, die_if), 1);
    close_pool(pool);
    via_loop_unref(loop);
}

/* A gate's call that is known to be short, and others behind it with the same worker, while the loop does not
 * run. */
struct behind {
    via_loop *loop;
    via_executor *pool;
    via_buffer *gate;
    via_cfuture *first, *ahead[3];
};

static void begin_behind(struct behind *behind, int transport, int workers, via_bytes_fn fn)
{
    behind->loop = new_loop();
    behind->pool = open_served(behind->loop, transport, workers);
    behind->gate = new_gate();
    ck_assert_int_eq(run_to_end(behind->loop, submit(behind->pool, do_nothing, NULL, 0)), 0);
    make_known(behind->pool, pass_gate);
    make_known(behind->pool, fn);
    behind->first = submit_gate(behind->pool, behind->gate);
    for (int i = 0; i < 3; i++)
        behind->ahead[i] = submit(behind->pool, fn, NULL, 0);
    ck_assert_uint_eq(count_given(behind->pool), 4);
    await_arrivals(behind->gate, 1);
}

static void end_behind(struct behind *behind)
{
    open_gate(behind->gate);
    ck_assert_int_eq(run_to_end(behind->loop, behind->first), 0);
    close_pool(behind->pool);
    via_buffer_unref(behind->gate);
    via_loop_unref(behind->loop);
}

/* Over sockets a worker learns of it only after the long call, so there they wait; see the next test. */
TEST(what_waits_behind_a_long_call_is_called_back_and_runs_elsewhere)
{
    struct behind behind;
    begin_behind(&behind, VIA_TRANSPORT_SHARED, 2, tell_pid);
    for (int i = 0; i < 3; i++) {
        long pid;
        RUN_UNTIL(behind.loop, via_cfuture_done(behind.ahead[i]));
        memcpy(&pid, wait_outcome(behind.ahead[i]).value, sizeof pid);
        ck_assert_int_ne(pid, atomic_load(&gate_of(behind.gate)->pid));
        via_cfuture_unref(behind.ahead[i]);
    }
    ck_assert_int_eq(via_cfuture_done(behind.first), 0);
    ck_assert_uint_eq(process_stats(behind.pool).started, 2);
    end_behind(&behind);
}

TEST(with_one_worker_what_was_called_back_waits_and_runs_once)
{
    EACH_TRANSPORT(transport)
    {
        struct behind behind;
        begin_behind(&behind, transport, 1, tell_pid);
        RUN_UNTIL(behind.loop, via_cfuture_state(behind.first) == VIA_RUNNING);
        open_gate(behind.gate);
        for (int i = 0; i < 3; i++)
            ck_assert_int_eq(run_to_end(behind.loop, behind.ahead[i]), 0);
        RUN_UNTIL(behind.loop, via_cfuture_done(behind.first));
        ck_assert_uint_eq(executor_stats(behind.pool).completed, 5);
        end_behind(&behind);
    }
}

/* Changes the name of its process, which everybody can see. */
static int note_run(via_bytes_call *call, const void *in, size_t bytes)
{
    (void)call;
    (void)in;
    (void)bytes;
    return prctl(PR_SET_NAME, "has-run", 0, 0, 0);
}

static int has_run(long pid)
{
    char path[64], text[32] = "";
    snprintf(path, sizeof path, "/proc/%ld/comm", pid);
    FILE *file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    ck_assert_ptr_nonnull(fgets(text, sizeof text, file));
    fclose(file);
    return strncmp(text, "has-run", 7) == 0;
}

TEST(a_call_given_ahead_that_is_cancelled_never_runs)
{
    EACH_TRANSPORT(transport)
    {
        struct behind behind;
        begin_behind(&behind, transport, 1, note_run);
        for (int i = 0; i < 3; i++)
            ck_assert_int_ge(via_cfuture_cancel(behind.ahead[i]), 0);
        open_gate(behind.gate);
        for (int i = 0; i < 3; i++) {
            ck_assert_int_eq(run_to_end(behind.loop, behind.ahead[i]), VIA_ECANCELED);
        }
        RUN_UNTIL(behind.loop, via_cfuture_done(behind.first));
        via_cfuture *pid = submit(behind.pool, tell_pid, NULL, 0);
        RUN_UNTIL(behind.loop, via_cfuture_done(pid));
        long worker;
        memcpy(&worker, wait_outcome(pid).value, sizeof worker);
        ck_assert_int_eq(worker, atomic_load(&gate_of(behind.gate)->pid));
        ck_assert_int_eq(has_run(worker), 0);
        via_cfuture_unref(pid);
        ck_assert_uint_eq(executor_stats(behind.pool).cancelled, 3);
        end_behind(&behind);
    }
}

TEST(a_shutdown_that_cancels_takes_back_what_was_given_ahead)
{
    EACH_TRANSPORT(transport)
    {
        struct behind behind;
        begin_behind(&behind, transport, 1, note_run);
        ck_assert_int_eq(via_executor_shutdown(behind.pool, VIA_SHUTDOWN_CANCEL_QUEUED, 1), VIA_ETIMEDOUT);
        open_gate(behind.gate);
        for (int i = 0; i < 3; i++)
            ck_assert_int_eq(run_to_end(behind.loop, behind.ahead[i]), VIA_ECANCELED);
        end_behind(&behind);
    }
}

/* The first call ends, and the second, which is at the gate, begins before the pool takes back what waits
 * behind the first. */
TEST(calling_back_what_has_begun_meanwhile_is_no_request_to_stop)
{
    EACH_TRANSPORT(transport)
    {
        via_loop *loop = new_loop();
        via_executor *executor = open_served(loop, transport, 1);
        struct via__process_pool *pool = inside(executor);
        via_buffer *gate = new_gate();
        ck_assert_int_eq(run_to_end(loop, submit(executor, do_nothing, NULL, 0)), 0);
        make_known(executor, do_nothing);
        make_known(executor, pass_gate);
        via_cfuture *first = submit(executor, do_nothing, NULL, 0), *second = submit_gate(executor, gate);
        ck_assert_uint_eq(count_given(executor), 2);
        await_arrivals(gate, 1);
        via__process_lock(pool);
        via__process_call_back(pool->table[0]);
        via__process_unlock(pool);
        for (int i = 0; i < 1000; i++)
            sched_yield(); // the function looks again and again
        open_gate(gate);
        ck_assert_int_eq(run_to_end(loop, first), 0);
        ck_assert_int_eq(run_to_end(loop, second), 0);
        ck_assert_int_eq(atomic_load(&gate_of(gate)->asked), 0);
        close_pool(executor);
        via_buffer_unref(gate);
        via_loop_unref(loop);
    }
}

/* Nothing is put behind a call of which it is known already that it takes long. */
TEST(nothing_is_given_behind_a_call_that_is_long_already)
{
    struct behind behind;
    begin_behind(&behind, VIA_TRANSPORT_SHARED, 1, tell_pid);
    RUN_UNTIL(behind.loop, count_given(behind.pool) == 1);
    via_cfuture *late = submit(behind.pool, tell_pid, NULL, 0);
    ck_assert_uint_eq(count_given(behind.pool), 1);
    open_gate(behind.gate);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(run_to_end(behind.loop, behind.ahead[i]), 0);
    ck_assert_int_eq(run_to_end(behind.loop, late), 0);
    end_behind(&behind);
}

/* ---- a worker that dies while another's answers are read ---- */

/* As if the function's calls took so long. */
static void make_known_as(via_executor *executor, via_bytes_fn fn, int64_t mean_ns)
{
    struct via__process_pool *pool = inside(executor);
    struct via__why why;
    uint32_t number;
    make_known(executor, fn);
    via__process_lock(pool);
    ck_assert_int_eq(via__directory_enter(pool->directory, (void *)(uintptr_t)fn, &number, &why), 0);
    via__process_function(pool, number)->mean_ns = mean_ns;
    via__process_unlock(pool);
}

#define FILLERS 20 // more than are read before others are given calls

/* The first worker has answered so much that the second, which is dead, is next to be given a call, and is
 * found to take no buffer.  It leaves the list that is gone through just then. */
TEST(a_worker_that_is_found_dead_meanwhile_does_not_stop_the_reading_of_answers)
{
    via_loop *loop = new_loop();
    struct via_process_pool_options options = pool_options(2);
    options.loop = loop;
    options.min_workers = 2;
    options.prefetch_max = 2 * FILLERS;
    via_executor *pool = open_with(&options);
    via_buffer *first = new_gate(), *second = new_gate(), *passed = new_gate(), *fresh = new_gate();
    via_cfuture *fillers[FILLERS];
    RUN_UNTIL(loop, executor_stats(pool).workers_idle == 2);
    make_known_as(pool, pass_gate, 1);
    via_cfuture *at_first = occupy(pool, first);
    open_gate(passed);
    for (int i = 0; i < FILLERS; i++)
        fillers[i] = submit_gate(pool, passed);
    make_known_as(pool, pass_gate, 25 * VIA_US);
    via_cfuture *at_second = occupy(pool, second);
    struct via_call call = VIA_CALL_BUFFER(give_back, fresh);
    via_cfuture *queued = submit_call(pool, &call);
    ck_assert_uint_eq(count_given(pool), FILLERS + 2);
    long dead = atomic_load(&gate_of(second)->pid);
    ck_assert_int_ne(dead, atomic_load(&gate_of(first)->pid));
    ck_assert_int_eq(kill((pid_t)dead, SIGKILL), 0);
    AWAIT(is_dead(dead));
    open_gate(first);
    await_arrivals(passed, FILLERS);
    make_known(pool, give_back);
    ck_assert_int_eq(run_to_end(loop, queued), 0);
    ck_assert_int_eq(run_to_end(loop, at_first), 0);
    for (int i = 0; i < FILLERS; i++)
        ck_assert_int_eq(run_to_end(loop, fillers[i]), 0);
    ck_assert_int_eq(run_to_end(loop, at_second), VIA_ECRASHED);
    close_pool(pool);
    via_loop_unref(loop);
    via_buffer_unref(first);
    via_buffer_unref(second);
    via_buffer_unref(passed);
    via_buffer_unref(fresh);
}

/* ---- many answers at once ---- */

static _Atomic int64_t clock_step_ns, clock_ahead_ns;

int __real_clock_gettime(clockid_t id, struct timespec *now);
int __wrap_clock_gettime(clockid_t id, struct timespec *now);

/* The program's clock: each look at it takes as long as a test wants. */
int __wrap_clock_gettime(clockid_t id, struct timespec *now)
{
    int status = __real_clock_gettime(id, now);
    now->tv_sec += (time_t)((atomic_fetch_add(&clock_ahead_ns, clock_step_ns) + clock_step_ns) / VIA_S);
    return status;
}

#define MANY 40 // several portions, of which none alone takes as long as a call may

/* The last call has just begun, however long the reading of the answers before it took. */
TEST(the_time_of_a_call_begins_when_it_is_the_oldest_however_many_were_before_it)
{
    via_loop *loop = new_loop();
    struct via_process_pool_options options = pool_options(1);
    options.loop = loop;
    options.prefetch_max = 2 * MANY;
    options.call_timeout_ns = (MANY - 10) * VIA_S;
    via_executor *executor = open_with(&options);
    struct via__process_pool *pool = inside(executor);
    via_buffer *before = new_gate(), *after = new_gate();
    via_cfuture *fillers[MANY];
    ck_assert_int_eq(run_to_end(loop, submit(executor, do_nothing, NULL, 0)), 0);
    make_known(executor, do_nothing);
    make_known(executor, pass_gate);
    via_cfuture *first = occupy(executor, before);
    for (int i = 0; i < MANY; i++)
        fillers[i] = submit(executor, do_nothing, NULL, 0);
    via_cfuture *last = submit_gate(executor, after);
    ck_assert_uint_eq(count_given(executor), MANY + 2);
    open_gate(before);
    await_arrivals(after, 1);
    via__process_lock(pool);
    clock_step_ns = VIA_S;
    via__process_take_and_feed(pool->table[0]);
    via__process_feed(pool);
    clock_step_ns = 0;
    via__process_look(pool->table[0], via_now_ns());
    clock_ahead_ns = 0;
    via__process_unlock(pool);
    ck_assert_uint_eq(count_given(executor), 1);
    open_gate(after);
    ck_assert_int_eq(run_to_end(loop, last), 0);
    ck_assert_int_eq(run_to_end(loop, first), 0);
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(run_to_end(loop, fillers[i]), 0);
    close_pool(executor);
    via_loop_unref(loop);
    via_buffer_unref(before);
    via_buffer_unref(after);
}

PROCESS_TEST_MAIN("process/pool_prefetch", a_hundred_short_calls_earn_it_and_for_their_function_alone,
                  with_a_prefetch_of_one_nothing_is_given_ahead,
                  a_function_that_has_crashed_is_never_given_ahead_again,
                  what_waits_behind_a_long_call_is_called_back_and_runs_elsewhere,
                  with_one_worker_what_was_called_back_waits_and_runs_once,
                  a_call_given_ahead_that_is_cancelled_never_runs,
                  a_shutdown_that_cancels_takes_back_what_was_given_ahead,
                  calling_back_what_has_begun_meanwhile_is_no_request_to_stop,
                  nothing_is_given_behind_a_call_that_is_long_already,
                  a_worker_that_is_found_dead_meanwhile_does_not_stop_the_reading_of_answers,
                  the_time_of_a_call_begins_when_it_is_the_oldest_however_many_were_before_it)
