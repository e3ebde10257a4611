/* SPDX-License-Identifier: BSD-3-Clause */
/* What a pool is not to be given, and what the system may refuse it: clear errors, nothing lost. */
#include "pool_inside.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "process/pantry.h"

static int refuses(const struct via_process_pool_options *options)
{
    char why[256] = "";
    struct via_process_pool_options copy = *options;
    via_executor *pool = NULL;
    copy.why = why;
    copy.why_bytes = sizeof why;
    int status = via_process_pool_new(&copy, &pool);
    ck_assert_int_lt(status, 0);
    ck_assert_ptr_null(pool);
    ck_assert_str_ne(why, "");
    return status;
}

TEST(numbers_and_times_out_of_range_are_refused)
{
    struct via_process_pool_options good = pool_options(1), bad = good;
    static const int workers[] = {0, -1, 4097, 100000};
    for (size_t i = 0; i < sizeof workers / sizeof *workers; i++) {
        bad.max_workers = workers[i];
        ck_assert_int_eq(refuses(&bad), VIA_EINVAL);
    }
    bad = good;
    bad.min_workers = 2;
    ck_assert_int_eq(refuses(&bad), VIA_EINVAL);
    bad.min_workers = -1;
    ck_assert_int_eq(refuses(&bad), VIA_EINVAL);
    bad = good;
    bad.when_full = VIA_FULL_CALLER_RUNS;
    ck_assert_int_eq(refuses(&bad), VIA_EINVAL);
    bad = good;
    bad.prefetch_max = 0;
    ck_assert_int_eq(refuses(&bad), VIA_EINVAL);
    bad.prefetch_max = 1000;
    ck_assert_int_eq(refuses(&bad), VIA_EINVAL);
    bad = good;
    bad.transport = 7;
    ck_assert_int_eq(refuses(&bad), VIA_EINVAL);
    bad = good;
    bad.max_in_bytes = 0;
    ck_assert_int_eq(refuses(&bad), VIA_EINVAL);
    bad = good;
    bad.initializer_in_bytes = 3;
    ck_assert_int_eq(refuses(&bad), VIA_EINVAL);
    int64_t *const times[] = {&bad.idle_timeout_ns,   &bad.call_timeout_ns, &bad.cancel_grace_ns,
                              &bad.max_worker_age_ns, &bad.serve_linger_ns, &bad.start_timeout_ns,
                              &bad.exit_timeout_ns};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        bad = good;
        *times[i] = -1;
        ck_assert_int_eq(refuses(&bad), VIA_EINVAL);
    }
    bad = good;
    bad.linger_ns = -2;
    ck_assert_int_eq(refuses(&bad), VIA_EINVAL);
}

/* What is said of options that are refused. */
static void says(const struct via_process_pool_options *options, const char *expected)
{
    char why[256] = "";
    struct via_process_pool_options copy = *options;
    via_executor *pool = NULL;
    copy.why = why;
    copy.why_bytes = sizeof why;
    ck_assert_int_eq(via_process_pool_new(&copy, &pool), VIA_EINVAL);
    ck_assert_str_eq(why, expected);
}

TEST(the_option_that_is_out_of_range_is_named)
{
    struct via_process_pool_options good = pool_options(2), bad = {0};
    says(&bad, "the options lack their defaults: start from via_process_pool_options_init()");
    bad = good;
    bad.max_workers = 0;
    says(&bad, "max_workers is 0, and has to be from 1 to 4096");
    bad = good;
    bad.min_workers = 3;
    says(&bad, "min_workers is 3, and has to be from 0 to 2");
    bad = good;
    bad.limits.cpu_ns = -1;
    says(&bad, "limits.cpu_ns is -1, and has to be at least 0");
    bad = good;
    bad.max_out_bytes = SIZE_MAX;
    says(&bad, "max_out_bytes is 9223372036854775807, and has to be from 0 to 1099511627775");
    bad = good;
    bad.sandbox = 1u << 30;
    says(&bad, "sandbox has the unknown flags 0x40000000");
    bad = good;
    bad.initializer_in_bytes = 3;
    says(&bad, "initializer_in is NULL, and initializer_in_bytes is not 0");
}

TEST(the_largest_numbers_are_taken)
{
    struct via_process_pool_options options = pool_options(4096);
    options.idle_timeout_ns = options.call_timeout_ns = options.cancel_grace_ns = INT64_MAX;
    options.max_worker_age_ns = INT64_MAX;
    options.max_calls = UINT64_MAX;
    options.max_worker_bytes = UINT64_MAX;
    options.max_queued = options.max_queued_bytes = SIZE_MAX;
    options.start_timeout_ns = options.exit_timeout_ns = INT64_MAX;
    via_executor *pool = open_with(&options);
    ck_assert_int_eq(finish(submit(pool, give_back, "x", 1)), 0);
    struct via_call call = VIA_CALL_BYTES(give_back, "x", 1);
    call.timeout_ns = INT64_MAX;
    call.deadline_ns = INT64_MAX;
    call.retries = INT32_MAX;
    ck_assert_int_eq(finish(submit_call(pool, &call)), 0);
    close_pool(pool);
}

TEST(an_executor_that_is_no_process_pool_is_refused)
{
    via_executor *other = NULL;
    struct via_process_pool_stats stats;
    long pids[1];
    ck_assert_int_eq(via_inline_new(&other), 0);
    ck_assert_int_eq(via_process_pool_kill(other), VIA_EINVAL);
    ck_assert_int_eq(via_process_pool_kill(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_process_pool_get_stats(other, &stats), VIA_EINVAL);
    ck_assert_int_eq(via_process_pool_get_stats(NULL, &stats), VIA_EINVAL);
    ck_assert_int_eq(via_process_pool_workers(other, pids, 1), VIA_EINVAL);
    ck_assert_int_eq(via_process_pool_workers(NULL, pids, 1), VIA_EINVAL);
    via_executor_unref(other);
    via_executor *pool = open_pool(1);
    ck_assert_int_eq(via_process_pool_get_stats(pool, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_process_pool_workers(pool, NULL, 1), VIA_EINVAL);
    close_pool(pool);
    via_process_pool_options_init(NULL);
}

/* ---- calls ---- */

static int refused_call(via_executor *executor, const struct via_call *call)
{
    via_cfuture *cf = NULL;
    int status = via_executor_submit(executor, call, &cf);
    ck_assert_ptr_null(cf);
    return status;
}

static void do_cancel(void *arg)
{
    (void)arg;
}

static int return_at_once(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return 0;
}

TEST(what_processes_cannot_do_is_refused)
{
    via_executor *pool = open_pool(1);
    struct via_call call = VIA_CALL(return_at_once, NULL);
    ck_assert_int_eq(refused_call(pool, &call), VIA_ENOTSUP);
    call = VIA_CALL_BYTES(do_nothing, NULL, 0);
    call.cancel = do_cancel;
    ck_assert_int_eq(refused_call(pool, &call), VIA_ENOTSUP);
    ck_assert_int_eq(via_thread_interrupt_enable(0), 0);
    call = VIA_CALL_BYTES(do_nothing, NULL, 0);
    call.flags = VIA_CALL_INTERRUPTIBLE;
    ck_assert_int_eq(refused_call(pool, &call), VIA_ENOTSUP);
    call = VIA_CALL_BYTES(NULL, NULL, 0);
    ck_assert_int_eq(refused_call(pool, &call), VIA_EINVAL);
    call = VIA_CALL_BYTES(do_nothing, NULL, 5);
    ck_assert_int_eq(refused_call(pool, &call), VIA_EINVAL);
    call = VIA_CALL_BUFFER(do_nothing, NULL);
    ck_assert_int_eq(refused_call(pool, &call), VIA_EINVAL);
    call = VIA_CALL_BYTES(do_nothing, NULL, 0);
    call.timeout_ns = -1;
    ck_assert_int_eq(refused_call(pool, &call), VIA_EINVAL);
    call.timeout_ns = 0;
    call.retries = -1;
    ck_assert_int_eq(refused_call(pool, &call), VIA_EINVAL);
    call.retries = 0;
    call.flags = 1u << 30;
    ck_assert_int_eq(refused_call(pool, &call), VIA_EINVAL);
    ck_assert_int_eq(refused_call(pool, NULL), VIA_EINVAL);
    ck_assert_uint_eq(executor_stats(pool).submitted, 0);
    close_pool(pool);
}

TEST(what_threads_cannot_do_is_refused_and_the_rest_is_the_same)
{
    via_executor *threads = NULL;
    struct via_thread_pool_options options;
    via_buffer *buffer = NULL;
    via_thread_pool_options_init(&options);
    ck_assert_int_eq(via_thread_pool_new(&options, &threads), 0);
    struct via_call call = VIA_CALL_BYTES(give_back, "x", 1);
    call.timeout_ns = VIA_S;
    ck_assert_int_eq(refused_call(threads, &call), VIA_ENOTSUP);
    call.timeout_ns = 0;
    call.retries = 1;
    ck_assert_int_eq(refused_call(threads, &call), VIA_ENOTSUP);
    call.retries = 0;
    ck_assert_int_eq(finish(submit_call(threads, &call)), 0);
    ck_assert_int_eq(via_buffer_new(NULL, 100, 0, &buffer), 0);
    memset(via_buffer_data(buffer), 'b', 100);
    call = VIA_CALL_BUFFER(give_back, buffer);
    via_cfuture *cf = submit_call(threads, &call);
    struct via_outcome outcome = wait_outcome(cf);
    ck_assert_int_eq(outcome.status, 0);
    ck_assert_uint_eq(outcome.bytes, 100);
    ck_assert_mem_eq(outcome.value, via_buffer_data(buffer), 100);
    via_cfuture_unref(cf);
    via_buffer_unref(buffer);
    ck_assert_int_eq(via_executor_shutdown(threads, 0, via_test_bound_ns()), 0);
    via_executor_unref(threads);
}

TEST(the_same_function_meets_the_same_gate_in_a_thread)
{
    via_executor *threads = NULL;
    via_buffer *gate = new_gate();
    ck_assert_int_eq(via_thread_pool_new(NULL, &threads), 0);
    via_cfuture *cf = occupy(threads, gate);
    open_gate(gate);
    ck_assert_int_eq(finish(cf), 0);
    ck_assert_int_eq(atomic_load(&gate_of(gate)->pid), (long)getpid());
    ck_assert_int_eq(via_executor_shutdown(threads, 0, via_test_bound_ns()), 0);
    via_executor_unref(threads);
    via_buffer_unref(gate);
}

/* Code that is in no object file. */
TEST(code_that_no_file_holds_is_refused_with_a_reason)
{
    via_executor *pool = open_pool(1);
    size_t bytes = (size_t)sysconf(_SC_PAGESIZE);
    void *page = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(page, MAP_FAILED);
    memset(page, 0xc3, bytes);
    ck_assert_int_eq(mprotect(page, bytes, PROT_READ | PROT_EXEC), 0);
    struct via_call call = VIA_CALL_BYTES((via_bytes_fn)(uintptr_t)page, NULL, 0);
    for (int i = 0; i < 2; i++) {
        via_cfuture *cf = submit_call(pool, &call);
        struct via_outcome outcome = wait_outcome(cf);
        ck_assert_int_eq(outcome.status, VIA_EINVAL);
        ck_assert_ptr_nonnull(outcome.message);
        via_cfuture_unref(cf);
    }
    ck_assert_uint_eq(process_stats(pool).started, 0);
    close_pool(pool);
    munmap(page, bytes);
}

TEST(a_buffer_that_was_released_lives_until_its_calls_are_done)
{
    EACH_TRANSPORT(transport)
    {
        via_executor *pool = open_over(transport, 1);
        via_buffer *gate = new_gate(), *buffer = NULL;
        via_cfuture *first = occupy(pool, gate);
        ck_assert_int_eq(via_buffer_new(pool, 200000, 0, &buffer), 0);
        memset(via_buffer_data(buffer), 'b', 200000);
        struct via_call call = VIA_CALL_BUFFER(give_back, buffer);
        via_cfuture *cf[2] = {submit_call(pool, &call), submit_call(pool, &call)};
        via_buffer_unref(buffer);
        open_gate(gate);
        ck_assert_int_eq(finish(first), 0);
        for (int i = 0; i < 2; i++) {
            struct via_outcome outcome = wait_outcome(cf[i]);
            ck_assert_int_eq(outcome.status, 0);
            ck_assert_uint_eq(outcome.bytes, 200000);
            ck_assert_int_eq(((char *)outcome.value)[199999], 'b');
            via_cfuture_unref(cf[i]);
        }
        close_pool(pool);
        via_buffer_unref(gate);
    }
}

static void refuse_freed(via_executor *executor)
{
    via_buffer *buffer = NULL;
    ck_assert_int_eq(via_buffer_new(executor, 200000, 0, &buffer), 0);
    struct via_call call = VIA_CALL_BUFFER(give_back, buffer);
    ck_assert_int_eq(finish(submit_call(executor, &call)), 0);
    via_buffer_unref(buffer);
    ck_assert_int_eq(refused_call(executor, &call), VIA_EINVAL);
    call = VIA_CALL_BUFFER(give_back, buffer);
    ck_assert_int_eq(refused_call(executor, &call), VIA_EINVAL);
    ck_assert_int_eq(finish(submit(executor, do_nothing, NULL, 0)), 0);
}

TEST(a_buffer_that_was_freed_is_refused)
{
    via_executor *threads = NULL;
    EACH_TRANSPORT(transport)
    {
        via_executor *pool = open_over(transport, 1);
        refuse_freed(pool);
        close_pool(pool);
    }
    ck_assert_int_eq(via_thread_pool_new(NULL, &threads), 0);
    refuse_freed(threads);
    close_pool(threads);
}

TEST(a_buffer_that_is_freed_twice_is_not_taken_from_its_calls)
{
    via_executor *pool = open_pool(1);
    via_buffer *gate = new_gate(), *buffer = NULL;
    via_cfuture *first = occupy(pool, gate);
    ck_assert_int_eq(via_buffer_new(pool, 200000, 0, &buffer), 0);
    memset(via_buffer_data(buffer), 'b', 200000);
    struct via_call call = VIA_CALL_BUFFER(give_back, buffer);
    via_cfuture *cf = submit_call(pool, &call);
    via_buffer_unref(buffer);
    via_buffer_unref(buffer);
    ck_assert_int_eq(refused_call(pool, &call), VIA_EINVAL);
    open_gate(gate);
    ck_assert_int_eq(finish(first), 0);
    struct via_outcome outcome = wait_outcome(cf);
    ck_assert_int_eq(outcome.status, 0);
    ck_assert_int_eq(((char *)outcome.value)[199999], 'b');
    via_cfuture_unref(cf);
    close_pool(pool);
    via_buffer_unref(gate);
}

TEST(a_buffer_and_an_answer_outlive_their_pool)
{
    via_executor *pool = open_pool(1);
    via_buffer *buffer = NULL;
    ck_assert_int_eq(via_buffer_new(pool, 200000, 0, &buffer), 0);
    memset(via_buffer_data(buffer), 'b', 200000);
    struct via_call call = VIA_CALL_BUFFER(give_back, buffer);
    via_cfuture *cf = submit_call(pool, &call);
    ck_assert_int_eq(wait_outcome(cf).status, 0);
    close_pool(pool);
    struct via_outcome outcome = wait_outcome(cf);
    ck_assert(memcmp(outcome.value, via_buffer_data(buffer), 200000) == 0);
    via_cfuture_unref(cf);
    via_buffer_unref(buffer);
}

TEST(an_input_of_no_bytes_may_be_given_in_every_way)
{
    via_executor *pool = open_pool(1);
    via_buffer *buffer = NULL;
    ck_assert_int_eq(finish(submit(pool, give_back, NULL, 0)), 0);
    ck_assert_int_eq(finish(submit(pool, give_back, "x", 0)), 0);
    ck_assert_int_eq(via_buffer_new(pool, 100, 0, &buffer), 0);
    struct via_call call = VIA_CALL_BUFFER(give_back, buffer);
    call.in_bytes = 0;
    ck_assert_int_eq(finish(submit_call(pool, &call)), 0);
    call.in_bytes = 101;
    ck_assert_int_eq(refused_call(pool, &call), VIA_EINVAL);
    via_buffer_unref(buffer);
    close_pool(pool);
}

/* ---- what the system refuses ---- */

static struct rlimit all_descriptors;

/* Leaves room for so many descriptors more. */
static void leave_descriptors(int count)
{
    struct rlimit limit;
    int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(next, 0);
    close(next);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (!all_descriptors.rlim_cur)
        all_descriptors = limit;
    limit.rlim_cur = (rlim_t)(next + count);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void leave_all_descriptors(void)
{
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &all_descriptors), 0);
}

TEST(a_pool_for_which_there_are_no_descriptors_is_refused_and_leaves_nothing)
{
    int made = 0;
    for (int count = 0; count < 64 && !made; count++) {
        struct via_process_pool_options options = pool_options(1);
        via_executor *pool = NULL;
        leave_descriptors(count);
        int status = via_process_pool_new(&options, &pool);
        leave_all_descriptors();
        made = status == 0;
        if (made)
            close_pool(pool);
        else
            ck_assert_msg(status == VIA_EAGAIN, "%d descriptors: %s", count, via_status_name(status));
    }
    ck_assert_int_eq(made, 1);
}

TEST(a_running_pool_bears_the_want_of_descriptors_and_recovers)
{
    static char in[100000];
    EACH_TRANSPORT(transport)
    {
        via_executor *pool = open_over(transport, 2);
        ck_assert_int_eq(finish(submit(pool, give_back, "x", 1)), 0);
        leave_descriptors(0);
        // The worker that is there runs small calls; what needs descriptors fails, or waits for them.
        ck_assert_int_eq(finish(submit(pool, give_back, "x", 1)), 0);
        via_cfuture *large = NULL;
        struct via_call call = VIA_CALL_BYTES(give_back, in, sizeof in);
        int status = via_executor_submit(pool, &call, &large);
        ck_assert_msg(status == 0 || status == VIA_EAGAIN, "%s", via_status_name(status));
        if (large)
            status = finish(large);
        ck_assert_msg(status == 0 || status == VIA_EAGAIN, "%s", via_status_name(status));
        leave_all_descriptors();
        ck_assert_int_eq(finish(submit(pool, give_back, in, sizeof in)), 0);
        close_pool(pool);
    }
}

/* The loop serves, so that nothing is tried again before it runs, and all are refused at once. */
TEST(workers_that_could_not_be_started_for_want_of_descriptors_are_started_later)
{
    EACH_TRANSPORT(transport)
    {
        via_loop *loop = new_loop();
        via_executor *pool = open_served(loop, transport, 1);
        leave_descriptors(0);
        via_cfuture *cf = submit(pool, give_back, "x", 1);
        ck_assert_uint_eq(executor_stats(pool).queued, 1);
        leave_all_descriptors();
        ck_assert_int_eq(run_to_end(loop, cf), 0);
        close_pool(pool);
        via_loop_unref(loop);
    }
}

TEST(calls_end_when_the_program_has_no_descriptors_for_any_worker)
{
    EACH_TRANSPORT(transport)
    {
        via_executor *pool = open_over(transport, 2);
        leave_descriptors(0);
        via_cfuture *cf[3];
        for (int i = 0; i < 3; i++)
            cf[i] = submit(pool, give_back, "x", 1);
        for (int i = 0; i < 3; i++) {
            struct via_outcome outcome = wait_outcome(cf[i]);
            ck_assert_int_eq(outcome.status, VIA_EAGAIN);
            ck_assert_msg(strstr(outcome.message, "refuses worker processes") != NULL, "%s", outcome.message);
            via_cfuture_unref(cf[i]);
        }
        leave_all_descriptors();
        ck_assert_int_eq(finish(submit(pool, give_back, "x", 1)), 0);
        close_pool(pool);
    }
}

/* In a worker: whether it has room for inputs. */
static int has_no_room;

/* The linker puts this before the library's own (see tests/local.mk). */
int __real_via__pantry_view(struct via__pantry *pantry, uint64_t number, uint64_t bytes, int writable,
                            void **data);
int __wrap_via__pantry_view(struct via__pantry *pantry, uint64_t number, uint64_t bytes, int writable,
                            void **data);
int __wrap_via__pantry_view(struct via__pantry *pantry, uint64_t number, uint64_t bytes, int writable,
                            void **data)
{
    return has_no_room ? VIA_ENOMEM : __real_via__pantry_view(pantry, number, bytes, writable, data);
}

static int use_up_room(via_bytes_call *call, const void *in, size_t bytes)
{
    (void)call;
    (void)in;
    (void)bytes;
    has_no_room = 1;
    return 0;
}

TEST(an_input_for_which_a_worker_has_no_room_goes_to_another)
{
    static const char in[100000];
    EACH_TRANSPORT(transport)
    {
        via_executor *pool = open_over(transport, 1);
        ck_assert_int_eq(finish(submit(pool, use_up_room, NULL, 0)), 0);
        ck_assert_int_eq(finish(submit(pool, give_back, in, sizeof in)), 0);
        ck_assert_uint_eq(process_stats(pool).started, 2);
        ck_assert_uint_eq(process_stats(pool).requeued, 1);
        close_pool(pool);
    }
}

TEST(an_input_for_which_no_worker_has_room_fails)
{
    static const char in[100000];
    struct via_process_pool_options options = pool_options(1);
    options.initializer = use_up_room;
    via_executor *pool = open_with(&options);
    via_cfuture *cf = submit(pool, give_back, in, sizeof in);
    struct via_outcome outcome = wait_outcome(cf);
    ck_assert_int_eq(outcome.status, VIA_ENOMEM);
    ck_assert_msg(strstr(outcome.message, "could not be mapped") != NULL, "%s", outcome.message);
    via_cfuture_unref(cf);
    ck_assert_uint_eq(process_stats(pool).started, 2);
    ck_assert_int_eq(finish(submit(pool, give_back, "x", 1)), 0);
    close_pool(pool);
}

/* ---- several pools, and pools in workers ---- */

TEST(several_pools_live_beside_each_other)
{
    enum { POOLS = 4 };
    via_executor *pools[POOLS];
    via_cfuture *cf[POOLS];
    for (int i = 0; i < POOLS; i++)
        pools[i] = open_over(i % 2 ? VIA_TRANSPORT_SHARED : VIA_TRANSPORT_SOCKET, 1);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < POOLS; i++)
            cf[i] = submit(pools[i], give_back, &i, sizeof i);
        for (int i = 0; i < POOLS; i++) {
            ck_assert_mem_eq(wait_outcome(cf[i]).value, &i, sizeof i);
            via_cfuture_unref(cf[i]);
        }
    }
    close_pool(pools[0]);
    int signo = SIGKILL;
    ck_assert_int_eq(finish(submit(pools[1], die_of, &signo, sizeof signo)), VIA_ECRASHED);
    for (int i = 1; i < POOLS; i++)
        ck_assert_int_eq(finish(submit(pools[i], do_nothing, NULL, 0)), 0);
    for (int i = 1; i < POOLS; i++)
        close_pool(pools[i]);
}

/* Makes a pool in its worker, and has it give back its input; or says why that cannot be. */
static int nest(via_bytes_call *call, const void *in, size_t bytes)
{
    struct via_process_pool_options options;
    via_executor *pool = NULL;
    via_cfuture *cf = NULL;
    char why[200] = "";
    via_process_pool_options_init(&options);
    options.max_workers = 1;
    options.why = why;
    options.why_bytes = sizeof why;
    int status = via_process_pool_new(&options, &pool);
    if (status < 0)
        return via_fail(status, "%s", why);
    struct via_call inner = VIA_CALL_BYTES(give_back, in, bytes);
    struct via_outcome outcome = {.status = 1};
    status = via_executor_submit(pool, &inner, &cf);
    if (status == 0)
        status = via_cfuture_wait(cf, via_test_bound_ns());
    if (status == 0)
        status = via_cfuture_outcome(cf, &outcome);
    if (status == 0 && outcome.status == 0)
        status = give_back(call, outcome.value, outcome.bytes);
    via_cfuture_unref(cf);
    (void)via_executor_shutdown(pool, 0, via_test_bound_ns());
    via_executor_unref(pool);
    return status ? status : outcome.status;
}

TEST(a_pool_inside_a_worker_works_or_says_why_not)
{
    via_executor *pool = open_pool(1);
    via_cfuture *cf = submit(pool, nest, "nested", 6);
    struct via_outcome outcome = wait_outcome(cf);
    if (outcome.status == 0) {
        ck_assert_mem_eq(outcome.value, "nested", 6);
    } else {
        ck_assert_int_eq(outcome.status, VIA_EFAILED);
        ck_assert_str_ne(outcome.message, "");
    }
    via_cfuture_unref(cf);
    ck_assert_int_eq(finish(submit(pool, do_nothing, NULL, 0)), 0);
    close_pool(pool);
}

static int use_threads(via_bytes_call *call, const void *in, size_t bytes)
{
    via_executor *threads = NULL;
    via_cfuture *cf = NULL;
    int status = via_thread_pool_new(NULL, &threads);
    if (status < 0)
        return status;
    struct via_call inner = VIA_CALL_BYTES(give_back, in, bytes);
    struct via_outcome outcome = {.status = 1};
    status = via_executor_submit(threads, &inner, &cf);
    if (status == 0)
        status = via_cfuture_wait(cf, via_test_bound_ns());
    if (status == 0)
        status = via_cfuture_outcome(cf, &outcome);
    if (status == 0)
        status = give_back(call, outcome.value, outcome.bytes);
    via_cfuture_unref(cf);
    (void)via_executor_shutdown(threads, 0, via_test_bound_ns());
    via_executor_unref(threads);
    return status;
}

TEST(a_function_in_a_worker_may_use_threads)
{
    via_executor *pool = open_pool(1);
    for (int i = 0; i < 3; i++) {
        via_cfuture *cf = submit(pool, use_threads, "threads", 7);
        struct via_outcome outcome = wait_outcome(cf);
        ck_assert_int_eq(outcome.status, 0);
        ck_assert_mem_eq(outcome.value, "threads", 7);
        via_cfuture_unref(cf);
    }
    close_pool(pool);
}

PROCESS_TEST_MAIN("process/pool_misuse", numbers_and_times_out_of_range_are_refused,
                  the_option_that_is_out_of_range_is_named, the_largest_numbers_are_taken,
                  an_executor_that_is_no_process_pool_is_refused, what_processes_cannot_do_is_refused,
                  what_threads_cannot_do_is_refused_and_the_rest_is_the_same,
                  the_same_function_meets_the_same_gate_in_a_thread,
                  code_that_no_file_holds_is_refused_with_a_reason,
                  a_buffer_that_was_released_lives_until_its_calls_are_done,
                  a_buffer_that_was_freed_is_refused,
                  a_buffer_that_is_freed_twice_is_not_taken_from_its_calls,
                  a_buffer_and_an_answer_outlive_their_pool, an_input_of_no_bytes_may_be_given_in_every_way,
                  a_pool_for_which_there_are_no_descriptors_is_refused_and_leaves_nothing,
                  a_running_pool_bears_the_want_of_descriptors_and_recovers,
                  workers_that_could_not_be_started_for_want_of_descriptors_are_started_later,
                  calls_end_when_the_program_has_no_descriptors_for_any_worker,
                  an_input_for_which_a_worker_has_no_room_goes_to_another,
                  an_input_for_which_no_worker_has_room_fails, several_pools_live_beside_each_other,
                  a_pool_inside_a_worker_works_or_says_why_not, a_function_in_a_worker_may_use_threads)
