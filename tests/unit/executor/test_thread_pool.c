/* SPDX-License-Identifier: BSD-3-Clause */
/* Thread pools: how many threads there are, what they are like, and what happens in them. */
#include "unit/executor/fixture.h"

#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static struct via_thread_pool_options defaults(void)
{
    struct via_thread_pool_options options;

    memset(&options, 0x5a, sizeof(options));
    via_thread_pool_options_init(&options);
    return options;
}

static via_executor *pool_with(const struct via_thread_pool_options *options)
{
    via_executor *pool = NULL;

    ck_assert_int_eq(via_thread_pool_new(options, &pool), 0);
    return pool;
}

static void refused(struct via_thread_pool_options options)
{
    via_executor *untouched = (via_executor *)&options, *pool = untouched;

    ck_assert_int_eq(via_thread_pool_new(&options, &pool), VIA_EINVAL);
    ck_assert_ptr_eq(pool, untouched);
}

/* Keeps the whole process, that is its main thread, on its first CPU, and gives that CPU's number. */
static int stay_on_one_cpu(cpu_set_t *before)
{
    cpu_set_t one;
    int cpu = 0;

    ck_assert_int_eq(sched_getaffinity(0, sizeof(*before), before), 0);
    while (!CPU_ISSET(cpu, before))
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
    return cpu;
}

TEST(the_defaults_are_as_documented)
{
    struct via_thread_pool_options options = defaults();

    ck_assert_ptr_null(options.name);
    ck_assert_int_eq(options.min_workers, 0);
    ck_assert_int_eq(options.idle_timeout_ns, 10 * VIA_S);
    ck_assert_uint_eq(options.stack_bytes, 0);
    ck_assert_ptr_null(options.cpus);
    ck_assert_uint_eq(options.cpu_count, 0);
    ck_assert_int_eq(options.nice, 0);
    ck_assert_uint_eq(options.max_queued, 0);
    ck_assert_int_eq(options.when_full, VIA_FULL_REJECT);
    ck_assert(options.initializer == NULL && options.finalizer == NULL && options.hook_arg == NULL);
    ck_assert_int_eq(options.linger_ns, 20 * VIA_US);
    ck_assert_int_eq(options.exit_timeout_ns, 2 * VIA_S);
    via_thread_pool_options_init(NULL);
}

TEST(the_default_number_of_workers_is_four_more_than_cpus)
{
    cpu_set_t before;
    int most;

    ck_assert_int_eq(sched_getaffinity(0, sizeof(before), &before), 0);
    most = CPU_COUNT(&before) + 4 < 32 ? CPU_COUNT(&before) + 4 : 32;
    ck_assert_int_le(defaults().max_workers, most);
    ck_assert_int_ge(defaults().max_workers, 5);
    stay_on_one_cpu(&before);
    ck_assert_int_eq(defaults().max_workers, 5);
}

TEST(sizes_and_times_out_of_range_are_refused)
{
    struct via_thread_pool_options options = defaults();

    options.max_workers = 0, refused(options);
    options.max_workers = -1, refused(options);
    options.max_workers = 32768, refused(options);
    options.max_workers = INT_MAX, refused(options);
    options = defaults(), options.min_workers = -1, refused(options);
    options = defaults(), options.min_workers = options.max_workers + 1, refused(options);
    options = defaults(), options.idle_timeout_ns = -1, refused(options);
    options = defaults(), options.linger_ns = -1, refused(options);
    options = defaults(), options.exit_timeout_ns = -1, refused(options);
    options = defaults(), options.when_full = -1, refused(options);
    options = defaults(), options.when_full = VIA_FULL_CALLER_RUNS + 1, refused(options);
    options = defaults(), options.stack_bytes = 1, refused(options);
    ck_assert_int_eq(via_thread_pool_new(NULL, NULL), VIA_EINVAL);
}

TEST(cpus_out_of_range_are_refused)
{
    static const int negative[] = {0, -1}, huge[] = {INT_MAX};
    struct via_thread_pool_options options = defaults();

    options.cpus = negative, options.cpu_count = 2, refused(options);
    options.cpus = huge, options.cpu_count = 1, refused(options);
    options.cpus = NULL, options.cpu_count = 1, refused(options);
    options.cpus = negative, options.cpu_count = 0, refused(options);
}

TEST(the_largest_sizes_are_accepted)
{
    struct via_thread_pool_options options = defaults();
    via_executor *pool;

    options.max_workers = 32767;
    options.idle_timeout_ns = VIA_FOREVER;
    options.max_queued = SIZE_MAX;
    pool = pool_with(&options);
    ck_assert_uint_eq(stats_of(pool).workers_max, 32767);
    finish(submit(pool, echo, NULL));
    close_executor(pool);
    options = defaults();
    options.idle_timeout_ns = 0;
    options.linger_ns = 0;
    options.exit_timeout_ns = 0;
    pool = pool_with(&options);
    finish(submit(pool, echo, NULL));
    close_executor(pool);
}

TEST(threads_start_when_there_is_work)
{
    int before = via_test_threads();
    via_executor *pool = NULL;

    ck_assert_int_eq(via_thread_pool_new(NULL, &pool), 0);
    ck_assert_uint_eq(stats_of(pool).workers, 0);
    ck_assert_int_eq(via_test_threads(), before);
    finish(submit(pool, echo, NULL));
    ck_assert_uint_eq(stats_of(pool).workers, 1);
    close_executor(pool);
}

TEST(min_workers_are_there_from_the_start_and_stay)
{
    struct via_thread_pool_options options = defaults();
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_cfuture *cf[4];
    via_executor *pool;

    options.min_workers = 2;
    options.max_workers = 4;
    options.idle_timeout_ns = VIA_MS;
    pool = pool_with(&options);
    ck_assert_uint_eq(stats_of(pool).workers, 2);
    for (int i = 0; i < 4; i++)
        cf[i] = occupy(pool, &gate);
    ck_assert_uint_eq(stats_of(pool).workers, 4);
    via_test_gate_open(&gate);
    for (int i = 0; i < 4; i++)
        finish(cf[i]);
    AWAIT(stats_of(pool).workers == 2);
    AWAIT(stats_of(pool).workers_idle == 2);
    close_executor(pool);
}

TEST(an_idle_thread_is_reused)
{
    via_executor *pool = pool_of(4);

    for (int i = 0; i < 3; i++) {
        finish(submit(pool, echo, NULL));
        AWAIT(stats_of(pool).workers_idle == 1);
    }
    ck_assert_uint_eq(stats_of(pool).workers_peak, 1);
    close_executor(pool);
}

TEST(a_saturated_pool_never_has_more_than_max_threads)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_cfuture *cf[60];
    via_executor *pool = pool_of(4);

    for (int i = 0; i < 60; i++)
        cf[i] = submit(pool, via_test_gate_call, &gate);
    via_test_gate_await(&gate, 4);
    ck_assert_uint_eq(stats_of(pool).workers, 4);
    ck_assert_uint_eq(stats_of(pool).queued, 56);
    via_test_gate_open(&gate);
    for (int i = 0; i < 60; i++)
        finish(cf[i]);
    ck_assert_uint_eq(stats_of(pool).workers_peak, 4);
    close_executor(pool);
}

TEST(blocked_calls_never_keep_others_from_the_free_threads)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_cfuture *cf[3];
    via_executor *pool = pool_of(4);

    for (int i = 0; i < 3; i++)
        cf[i] = occupy(pool, &gate);
    for (int i = 0; i < 50; i++)
        finish(submit(pool, echo, NULL));
    via_test_gate_open(&gate);
    for (int i = 0; i < 3; i++)
        finish(cf[i]);
    close_executor(pool);
}

TEST(idle_threads_end_and_new_ones_start)
{
    struct via_thread_pool_options options = defaults();
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    int before = via_test_threads();
    via_executor *pool;

    options.max_workers = 3;
    options.idle_timeout_ns = VIA_MS;
    pool = pool_with(&options);
    for (int round = 1; round <= 2; round++) {
        via_cfuture *one = submit(pool, via_test_gate_call, &gate);
        via_cfuture *two = submit(pool, via_test_gate_call, &gate);

        via_test_gate_await(&gate, 2 * round);
        via_test_gate_admit(&gate, 2);
        finish(one);
        finish(two);
        AWAIT(stats_of(pool).workers == 0);
        via_test_await_threads(before);
    }
    ck_assert_uint_eq(stats_of(pool).workers_peak, 2);
    close_executor(pool);
}

static int thread_name(void *arg, void **result)
{
    (void)result;
    return pthread_getname_np(pthread_self(), arg, 16) ? VIA_EPERM : 0;
}

TEST(threads_have_the_pools_name_and_a_number)
{
    struct via_thread_pool_options options = defaults();
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    char name[16], first[16];
    via_cfuture *cf;
    via_executor *pool;
    int number;

    options.name = "decoder";
    pool = pool_with(&options);
    finish(submit(pool, thread_name, first));
    ck_assert_int_eq(sscanf(first, "decoder-%d", &number), 1);
    cf = occupy(pool, &gate);
    finish(submit(pool, thread_name, name));
    ck_assert_int_eq(sscanf(name, "decoder-%d", &number), 1);
    via_test_gate_open(&gate);
    finish(cf);
    close_executor(pool);
}

TEST(without_a_name_threads_are_called_after_the_pools_number)
{
    int one, two, number;
    char name[16];
    via_executor *a = pool_of(1), *b = pool_of(1);

    finish(submit(a, thread_name, name));
    ck_assert_int_eq(sscanf(name, "via-%d", &one), 1);
    finish(submit(b, thread_name, name));
    ck_assert_int_eq(sscanf(name, "via-%d-%d", &two, &number), 2);
    ck_assert_int_ne(one, two);
    close_executor(a);
    close_executor(b);
}

TEST(a_long_name_is_cut)
{
    struct via_thread_pool_options options = defaults();
    char name[16];
    via_executor *pool;

    options.name = "a-name-much-longer-than-the-system-takes";
    pool = pool_with(&options);
    finish(submit(pool, thread_name, name));
    ck_assert_int_eq(strncmp(name, options.name, 8), 0);
    close_executor(pool);
}

static int stack_size(void *arg, void **result)
{
    pthread_attr_t attr;

    (void)result;
    if (pthread_getattr_np(pthread_self(), &attr))
        return VIA_EPERM;
    pthread_attr_getstacksize(&attr, arg);
    pthread_attr_destroy(&attr);
    return 0;
}

TEST(threads_have_the_wanted_stack)
{
    struct via_thread_pool_options options = defaults();
    size_t bytes = 0;
    via_executor *pool;

    /* More than any system's default, which a sanitizer may round a smaller one up to. */
    options.stack_bytes = (size_t)24 << 20;
    pool = pool_with(&options);
    finish(submit(pool, stack_size, &bytes));
    ck_assert_uint_ge(bytes, options.stack_bytes);
    ck_assert_uint_le(bytes, options.stack_bytes + ((size_t)1 << 20));
    close_executor(pool);
}

static int affinity(void *arg, void **result)
{
    (void)result;
    return sched_getaffinity(0, sizeof(cpu_set_t), arg) ? VIA_EPERM : 0;
}

TEST(threads_run_on_the_wanted_cpus)
{
    struct via_thread_pool_options options = defaults();
    cpu_set_t all, seen;
    int cpu;
    via_executor *pool;

    cpu = stay_on_one_cpu(&all);
    ck_assert_int_eq(sched_setaffinity(0, sizeof(all), &all), 0);
    options.cpus = &cpu;
    options.cpu_count = 1;
    pool = pool_with(&options);
    finish(submit(pool, affinity, &seen));
    ck_assert_int_eq(CPU_COUNT(&seen), 1);
    ck_assert(CPU_ISSET(cpu, &seen));
    close_executor(pool);
}

static int nice_value(void *arg, void **result)
{
    (void)result;
    *(int *)arg = getpriority(PRIO_PROCESS, (id_t)gettid());
    return 0;
}

TEST(nice_is_added_for_the_threads_alone)
{
    struct via_thread_pool_options options = defaults();
    int before = getpriority(PRIO_PROCESS, (id_t)gettid()), seen = 0;
    int wanted = before + 3 < 19 ? before + 3 : 19;
    via_executor *pool;

    options.nice = 3;
    pool = pool_with(&options);
    finish(submit(pool, nice_value, &seen));
    ck_assert_int_eq(seen, wanted);
    ck_assert_int_eq(getpriority(PRIO_PROCESS, (id_t)gettid()), before);
    close_executor(pool);
}

static int blocked_signals(void *arg, void **result)
{
    (void)result;
    return pthread_sigmask(SIG_BLOCK, NULL, arg) ? VIA_EPERM : 0;
}

TEST(threads_have_every_signal_blocked)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGCHLD, SIGUSR1, SIGALRM, SIGHUP, SIGPIPE};
    sigset_t before, seen, after;
    via_executor *pool = pool_of(1);

    pthread_sigmask(SIG_BLOCK, NULL, &before);
    finish(submit(pool, blocked_signals, &seen));
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        ck_assert_int_eq(sigismember(&seen, signals[i]), 1);
        ck_assert_int_eq(sigismember(&before, signals[i]), sigismember(&after, signals[i]));
    }
    close_executor(pool);
}

/* A thread with a scheduling of its own submits the pool's first calls. */
struct odd_submitter {
    struct via_test_thread thread;
    via_executor *pool;
    cpu_set_t seen;
    int nice;
    int may_go_back; /* whether a thread may have its process's nice value again */
};

static void *submit_with_odd_scheduling(void *arg)
{
    struct odd_submitter *odd = arg;
    cpu_set_t before;
    int nice = getpriority(PRIO_PROCESS, (id_t)getpid());

    stay_on_one_cpu(&before);
    ck_assert_int_eq(setpriority(PRIO_PROCESS, (id_t)gettid(), 19), 0);
    finish(submit(odd->pool, affinity, &odd->seen));
    finish(submit(odd->pool, nice_value, &odd->nice));
    odd->may_go_back = setpriority(PRIO_PROCESS, (id_t)gettid(), nice) == 0;
    return NULL;
}

TEST(threads_take_after_the_process_not_the_submitter)
{
    struct odd_submitter odd = {.pool = pool_of(1), .nice = 99};
    int nice = getpriority(PRIO_PROCESS, (id_t)getpid());
    cpu_set_t mine;

    ck_assert_int_eq(sched_getaffinity(0, sizeof(mine), &mine), 0);
    via_test_thread_start(&odd.thread, submit_with_odd_scheduling, &odd);
    via_test_thread_join(&odd.thread);
    ck_assert(CPU_EQUAL(&odd.seen, &mine));
    ck_assert_int_eq(odd.nice, odd.may_go_back ? nice : 19);
    close_executor(odd.pool);
}

/* Counts in the hooks and in the calls of one pool. */
struct hooks {
    atomic_int initialized;
    atomic_int finalized;
    atomic_int fail;
    atomic_int too_early;
};

static _Thread_local int thread_is_ready;

static int initialize(void *arg)
{
    struct hooks *hooks = arg;

    atomic_fetch_add(&hooks->initialized, 1);
    if (atomic_load(&hooks->fail))
        return VIA_EPERM;
    thread_is_ready = 1;
    return 0;
}

static void finalize(void *arg)
{
    struct hooks *hooks = arg;

    atomic_fetch_add(&hooks->finalized, 1);
    if (!thread_is_ready)
        atomic_fetch_add(&hooks->too_early, 1);
}

static int needs_ready_thread(void *arg, void **result)
{
    (void)result;
    via_test_gate_pass(arg);
    return thread_is_ready ? 0 : VIA_EPERM;
}

TEST(the_initializer_runs_first_and_the_finalizer_last_in_every_thread)
{
    struct via_thread_pool_options options = defaults();
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct hooks hooks = {0};
    via_cfuture *cf[3];
    via_executor *pool;

    options.max_workers = 3;
    options.initializer = initialize;
    options.finalizer = finalize;
    options.hook_arg = &hooks;
    pool = pool_with(&options);
    for (int i = 0; i < 3; i++)
        cf[i] = submit(pool, needs_ready_thread, &gate);
    via_test_gate_await(&gate, 3);
    ck_assert_int_eq(atomic_load(&hooks.initialized), 3);
    ck_assert_int_eq(atomic_load(&hooks.finalized), 0);
    via_test_gate_open(&gate);
    for (int i = 0; i < 3; i++)
        finish(cf[i]);
    close_executor(pool);
    ck_assert_int_eq(atomic_load(&hooks.finalized), 3);
    ck_assert_int_eq(atomic_load(&hooks.too_early), 0);
}

TEST(a_failing_initializer_breaks_the_pool)
{
    struct via_thread_pool_options options = defaults();
    struct via_test_counted payload = {0};
    struct via_call call = VIA_CALL(echo, &payload);
    struct hooks hooks = {.fail = 1};
    via_cfuture *cf;
    via_executor *pool;

    call.destroy = via_test_counted_destroy;
    options.max_workers = 1;
    options.initializer = initialize;
    options.finalizer = finalize;
    options.hook_arg = &hooks;
    pool = pool_with(&options);
    cf = submit_call(pool, &call);
    finish_with(cf, VIA_EBROKEN);
    AWAIT(via_test_destroyed(&payload) == 1);
    submit_refused(pool, VIA_CALL(echo, NULL), VIA_EBROKEN);
    close_executor(pool);
    ck_assert_int_eq(atomic_load(&hooks.initialized), 1);
    ck_assert_int_eq(atomic_load(&hooks.finalized), 0);
    ck_assert_int_eq(via_test_destroyed(&payload), 1);
}

/* Takes every thread key that is left, so that nobody can make another. */
static int take_all_keys(pthread_key_t keys[PTHREAD_KEYS_MAX])
{
    int count = 0;

    while (count < PTHREAD_KEYS_MAX && pthread_key_create(&keys[count], NULL) == 0)
        count++;
    return count;
}

TEST(a_thread_that_cannot_be_watched_is_finalized_and_the_next_one_works)
{
    struct via_thread_pool_options options = defaults();
    pthread_key_t keys[PTHREAD_KEYS_MAX];
    struct hooks hooks = {0};
    via_executor *pool;

    options.max_workers = 1;
    options.initializer = initialize;
    options.finalizer = finalize;
    options.hook_arg = &hooks;
    pool = pool_with(&options);
    int count = take_all_keys(keys);
    finish_with(submit(pool, echo, NULL), VIA_ENOMEM);
    ck_assert_int_eq(atomic_load(&hooks.initialized), 1);
    ck_assert_int_eq(atomic_load(&hooks.finalized), 1);
    via_test_await_threads(1);
    while (count > 0)
        ck_assert_int_eq(pthread_key_delete(keys[--count]), 0);
    finish(submit(pool, echo, NULL));
    close_executor(pool);
    ck_assert_int_eq(atomic_load(&hooks.finalized), 2);
    ck_assert_int_eq(atomic_load(&hooks.too_early), 0);
}

/* An initializer that waits, so that calls pile up behind it before it fails. */
static int wait_then_fail(void *gate)
{
    via_test_gate_pass(gate);
    return VIA_EPERM;
}

TEST(every_call_that_waits_for_a_broken_pool_fails)
{
    struct via_thread_pool_options options = defaults();
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_cfuture *cf[10];
    via_executor *pool;

    options.max_workers = 2;
    options.initializer = wait_then_fail;
    options.hook_arg = &gate;
    pool = pool_with(&options);
    for (int i = 0; i < 10; i++)
        cf[i] = submit(pool, echo, NULL);
    via_test_gate_open(&gate);
    for (int i = 0; i < 10; i++)
        finish_with(cf[i], VIA_EBROKEN);
    close_executor(pool);
}

static int end_thread(void *arg, void **result)
{
    (void)arg;
    (void)result;
    pthread_exit(NULL);
}

TEST(a_function_that_ends_its_thread_fails_alone)
{
    struct via_test_counted payload = {0};
    struct via_call call = VIA_CALL(end_thread, &payload);
    via_executor *pool = pool_of(1);
    via_cfuture *cf, *next;

    call.destroy = via_test_counted_destroy;
    cf = submit_call(pool, &call);
    next = submit(pool, echo, pool);
    finish_with(cf, VIA_EEXITED);
    ck_assert_ptr_eq(finish(next), pool);
    AWAIT(via_test_destroyed(&payload) == 1);
    finish_with(submit(pool, end_thread, NULL), VIA_EEXITED);
    ck_assert_ptr_eq(finish(submit(pool, echo, pool)), pool);
    close_executor(pool);
    ck_assert_int_eq(via_test_destroyed(&payload), 1);
}

TEST(a_thread_that_a_function_ended_is_finalized_too)
{
    struct via_thread_pool_options options = defaults();
    struct hooks hooks = {0};
    via_executor *pool;

    options.max_workers = 1;
    options.initializer = initialize;
    options.finalizer = finalize;
    options.hook_arg = &hooks;
    pool = pool_with(&options);
    finish_with(submit(pool, end_thread, NULL), VIA_EEXITED);
    finish(submit(pool, echo, NULL));
    close_executor(pool);
    ck_assert_int_eq(atomic_load(&hooks.initialized), 2);
    ck_assert_int_eq(atomic_load(&hooks.finalized), 2);
    ck_assert_int_eq(atomic_load(&hooks.too_early), 0);
}

TEST(a_thread_that_cannot_be_started_is_an_error_on_the_call)
{
    struct via_thread_pool_options options = defaults();
    via_executor *pool = NULL, *untouched = NULL;
    int rc;

    if (via_test_under_valgrind())
        return;
    options.stack_bytes = (size_t)1 << 47;
    rc = via_thread_pool_new(&options, &pool);
    if (rc == 0) {
        submit_refused(pool, VIA_CALL(echo, NULL), VIA_EAGAIN);
        ck_assert_uint_eq(stats_of(pool).rejected, 1);
        ck_assert_uint_eq(stats_of(pool).submitted, 0);
        close_executor(pool);
        options.min_workers = 1;
        ck_assert_int_eq(via_thread_pool_new(&options, &untouched), VIA_EAGAIN);
    } else {
        ck_assert_int_eq(rc, VIA_EINVAL);
    }
    ck_assert_ptr_null(untouched);
}

TEST(the_figures_tell_what_happened)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct via_executor_stats stats;
    via_executor *pool = pool_of(1);
    via_cfuture *running = occupy(pool, &gate), *cancelled = submit(pool, echo, NULL);
    via_cfuture *queued = submit(pool, echo, NULL);

    stats = stats_of(pool);
    ck_assert_uint_eq(stats.workers, 1);
    ck_assert_uint_eq(stats.workers_max, 1);
    ck_assert_uint_eq(stats.workers_idle, 0);
    ck_assert_uint_eq(stats.queued, 2);
    ck_assert_uint_eq(stats.running, 1);
    ck_assert_uint_eq(stats.submitted, 3);
    ck_assert_uint_eq(stats.completed, 0);
    AWAIT(stats_of(pool).oldest_running_ns > 0);
    ck_assert_int_eq(via_cfuture_cancel(cancelled), VIA_CANCEL_NEVER_RAN);
    via_test_gate_open(&gate);
    finish(running);
    finish(queued);
    via_cfuture_unref(cancelled);
    AWAIT(stats_of(pool).workers_idle == 1);
    stats = stats_of(pool);
    ck_assert_uint_eq(stats.queued, 0);
    ck_assert_uint_eq(stats.queued_peak, 2);
    ck_assert_uint_eq(stats.running, 0);
    ck_assert_uint_eq(stats.completed, 2);
    ck_assert_uint_eq(stats.cancelled, 1);
    ck_assert_uint_eq(stats.expired, 0);
    ck_assert_uint_eq(stats.rejected, 0);
    ck_assert_uint_eq(stats.helped, 0);
    ck_assert_int_eq(stats.oldest_running_ns, 0);
    close_executor(pool);
}

/* Four threads of the test submit at once. */
struct submitter {
    struct via_test_thread thread;
    struct via_test_gate *gate;
    via_executor *pool;
    atomic_int *calls;
};

static void *submit_100(void *arg)
{
    struct submitter *submitter = arg;

    via_test_gate_pass(submitter->gate);
    for (int i = 0; i < 100; i++)
        via_cfuture_unref(submit(submitter->pool, count_up, submitter->calls));
    return NULL;
}

TEST(calls_of_many_threads_all_run)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    atomic_int calls = 0;
    struct submitter submitter[4];
    via_executor *pool = pool_of(2);

    for (int i = 0; i < 4; i++) {
        submitter[i] = (struct submitter){.gate = &gate, .pool = pool, .calls = &calls};
        via_test_thread_start(&submitter[i].thread, submit_100, &submitter[i]);
    }
    via_test_gate_await(&gate, 4);
    via_test_gate_open(&gate);
    for (int i = 0; i < 4; i++)
        via_test_thread_join(&submitter[i].thread);
    close_executor(pool);
    ck_assert_int_eq(atomic_load(&calls), 400);
}

static int submit_another(void *arg, void **result)
{
    *result = submit(arg, echo, arg);
    return 0;
}

TEST(a_call_may_submit_to_its_own_pool)
{
    via_executor *pool = pool_of(1);
    via_cfuture *inner = finish(submit(pool, submit_another, pool));

    ck_assert_ptr_eq(finish(inner), pool);
    close_executor(pool);
}

TEST(a_hundred_calls_completing_at_once_never_lose_a_count)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_cfuture *cf[100];
    via_executor *pool = pool_of(4);

    for (int i = 0; i < 100; i++)
        cf[i] = submit(pool, via_test_gate_call, &gate);
    via_test_gate_await(&gate, 4);
    via_test_gate_open(&gate);
    ck_assert_int_eq(via_cfutures_wait(cf, 100, via_test_bound_ns(), VIA_ALL_COMPLETED), 100);
    for (int i = 0; i < 100; i++)
        via_cfuture_unref(cf[i]);
    close_executor(pool);
}

TEST(futures_of_different_executors_and_promises_can_be_mixed)
{
    via_executor *a = pool_of(1), *b = pool_of(1);
    via_cfuture *promise = NULL, *cf[3];

    ck_assert_int_eq(via_cfuture_new(&promise), 0);
    cf[0] = submit(a, echo, NULL);
    cf[1] = submit(b, echo, NULL);
    cf[2] = promise;
    ck_assert_int_eq(status_of(cf[0]), 0);
    ck_assert_int_eq(status_of(cf[1]), 0);
    ck_assert_int_eq(via_cfutures_wait(cf, 3, via_test_bound_ns(), VIA_FIRST_COMPLETED), 2);
    ck_assert_int_eq(via_cfuture_set_result(promise, NULL, NULL), 0);
    ck_assert_int_eq(via_cfutures_wait(cf, 3, via_test_bound_ns(), VIA_ALL_COMPLETED), 3);
    for (int i = 0; i < 3; i++)
        via_cfuture_unref(cf[i]);
    close_executor(a);
    close_executor(b);
}

TEST_MAIN("executor/thread_pool", the_defaults_are_as_documented,
          the_default_number_of_workers_is_four_more_than_cpus, sizes_and_times_out_of_range_are_refused,
          cpus_out_of_range_are_refused, the_largest_sizes_are_accepted, threads_start_when_there_is_work,
          min_workers_are_there_from_the_start_and_stay, an_idle_thread_is_reused,
          a_saturated_pool_never_has_more_than_max_threads,
          blocked_calls_never_keep_others_from_the_free_threads, idle_threads_end_and_new_ones_start,
          threads_have_the_pools_name_and_a_number, without_a_name_threads_are_called_after_the_pools_number,
          a_long_name_is_cut, threads_have_the_wanted_stack, threads_run_on_the_wanted_cpus,
          nice_is_added_for_the_threads_alone, threads_have_every_signal_blocked,
          threads_take_after_the_process_not_the_submitter,
          the_initializer_runs_first_and_the_finalizer_last_in_every_thread,
          a_failing_initializer_breaks_the_pool,
          a_thread_that_cannot_be_watched_is_finalized_and_the_next_one_works,
          every_call_that_waits_for_a_broken_pool_fails, a_function_that_ends_its_thread_fails_alone,
          a_thread_that_a_function_ended_is_finalized_too,
          a_thread_that_cannot_be_started_is_an_error_on_the_call, the_figures_tell_what_happened,
          calls_of_many_threads_all_run, a_call_may_submit_to_its_own_pool,
          a_hundred_calls_completing_at_once_never_lose_a_count,
          futures_of_different_executors_and_promises_can_be_mixed)
