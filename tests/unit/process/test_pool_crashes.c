/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a pool makes of each way in which worker processes end, or do not.  The linker's --wrap lets a test
 * keep signals from workers, as the kernel does with a process that cannot be killed at the moment, say that
 * memory has run out, and see which thread waits for the end of the helper process.
 */
#include "pool_inside.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/syscall.h>

#include "process/pantry.h"
#include "process/zygote_parts.h"

/* ---- what is wrapped ---- */

static _Atomic int keeps_signals;
static _Atomic uint64_t more_oom_kills;

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...)
{
    long values[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++)
        values[i] = va_arg(list, long);
    va_end(list);
    if (number == SYS_pidfd_send_signal && keeps_signals)
        return 0;
    return __real_syscall(number, values[0], values[1], values[2], values[3], values[4], values[5]);
}

int __real_via__zygote_kill(struct via__zygote *zygote, uint64_t serial);
int __wrap_via__zygote_kill(struct via__zygote *zygote, uint64_t serial);
int __wrap_via__zygote_kill(struct via__zygote *zygote, uint64_t serial)
{
    return keeps_signals ? 0 : __real_via__zygote_kill(zygote, serial);
}

static _Atomic int stops;
static _Atomic(pthread_t) stopped_by;

void __real_via__zygote_stop(const struct via__zygote *zygote);
void __wrap_via__zygote_stop(const struct via__zygote *zygote);
void __wrap_via__zygote_stop(const struct via__zygote *zygote)
{
    stopped_by = pthread_self();
    stops++;
    __real_via__zygote_stop(zygote);
}

uint64_t __real_via__process_oom_kills(void);
uint64_t __wrap_via__process_oom_kills(void);
uint64_t __wrap_via__process_oom_kills(void)
{
    return __real_via__process_oom_kills() + more_oom_kills;
}

/* In a worker: what it needs first is refused if the environment says so. */
int __real_via__pantry_new(int control, struct via__pantry **pantry);
int __wrap_via__pantry_new(int control, struct via__pantry **pantry);
int __wrap_via__pantry_new(int control, struct via__pantry **pantry)
{
    return getenv("VIADUCT_TEST_NO_PANTRY") ? VIA_ENOMEM : __real_via__pantry_new(control, pantry);
}

/* ---- functions for workers ---- */

/* Crashes if its input is not 0. */
static int crash_if(via_bytes_call *call, const void *in, size_t bytes)
{
    int number;
    (void)bytes;
    memcpy(&number, in, sizeof number);
    if (number) {
        signal(SIGABRT, SIG_DFL);
        raise(SIGABRT);
    }
    return give_back(call, in, bytes);
}

/* Says that it has come, and heeds nothing but the gate. */
static int stay(via_bytes_call *call, const void *in, size_t bytes)
{
    struct process_gate *gate = via_bytes_in_place(call);
    (void)in;
    (void)bytes;
    atomic_store(&gate->pid, (long)getpid());
    atomic_fetch_add(&gate->arrived, 1);
    while (!atomic_load(&gate->open))
        sched_yield();
    return 0;
}

enum { WILD_RETURNS, WILD_ABORTS, WILD_HANGS, WILD_WAYS, NOT_WILD };

/* Overwrites every memory file that this process may write to. */
static void run_wild(void)
{
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps && fgets(line, sizeof line, maps)) {
        unsigned long from, to;
        char mode[8];
        if (sscanf(line, "%lx-%lx %7s", &from, &to, mode) == 3 && mode[1] == 'w' && mode[3] == 's' &&
            strstr(line, "/memfd:"))
            memset((void *)(uintptr_t)from, 0xa5, to - from); // NOLINT(performance-no-int-to-ptr)
    }
    if (maps)
        fclose(maps);
}

static int wild(via_bytes_call *call, const void *in, size_t bytes)
{
    int way;
    memcpy(&way, in, sizeof way);
    if (way == NOT_WILD)
        return 0;
    run_wild();
    if (way == WILD_HANGS)
        return hang(call, in, bytes);
    if (way == WILD_ABORTS) {
        signal(SIGABRT, SIG_DFL);
        raise(SIGABRT);
    }
    return 0;
}

/* ---- a worker dies while it runs a call ---- */

TEST(a_crash_tells_the_function_and_what_the_worker_has_used)
{
    via_executor *pool = open_pool(1);
    int number = 1;
    struct via_call call = VIA_CALL_BYTES(crash_if, &number, sizeof number);
    char name[] = "a name";
    call.name = name;
    via_cfuture *cf = submit_call(pool, &call);
    struct via_outcome outcome = wait_outcome(cf);
    memset(name, 'x', sizeof name - 1);
    ck_assert_int_eq(outcome.status, VIA_ECRASHED);
    ck_assert_ptr_nonnull(strstr(outcome.message, "a name"));
    ck_assert_ptr_nonnull(strstr(outcome.message, "signal 6"));
    ck_assert_str_eq(outcome.process->name, "a name");
    ck_assert_ptr_eq(outcome.process->function, (void *)(uintptr_t)crash_if);
    ck_assert_int_gt(outcome.process->max_rss_bytes, 0);
    ck_assert_int_gt(outcome.process->wall_ns, 0);
    ck_assert_int_eq(outcome.process->core_dumped, 0);
    ck_assert_int_eq(outcome.process->probably_oom, 0);
    ck_assert_int_eq(outcome.process->unkillable, 0);
    via_cfuture_unref(cf);
    close_pool(pool);
}

TEST(a_crash_after_retries_tells_the_tries)
{
    via_executor *pool = open_pool(1);
    int number = 1;
    struct via_call call = VIA_CALL_BYTES(crash_if, &number, sizeof number);
    call.retries = 2;
    via_cfuture *cf = submit_call(pool, &call);
    struct via_outcome outcome = wait_outcome(cf);
    ck_assert_int_eq(outcome.status, VIA_ECRASHED);
    ck_assert_ptr_nonnull(strstr(outcome.message, ", the last of 3 tries"));
    via_cfuture_unref(cf);
    close_pool(pool);
}

/* Returns the status that is its input. */
static int return_status(via_bytes_call *call, const void *in, size_t bytes)
{
    int status;
    (void)call;
    (void)bytes;
    memcpy(&status, in, sizeof status);
    return status;
}

TEST(a_function_that_returns_the_status_of_a_crash_is_told_apart_from_one)
{
    static const int statuses[] = {VIA_ECRASHED, VIA_ECORRUPT, VIA_ETIMEDOUT, VIA_EBROKEN};
    via_executor *pool = open_pool(1);
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        char expected[80];
        via_cfuture *cf = submit(pool, return_status, &statuses[i], sizeof statuses[i]);
        struct via_outcome outcome = wait_outcome(cf);
        snprintf(expected, sizeof expected, "the function itself has returned %s",
                 via_status_name(statuses[i]));
        ck_assert_int_eq(outcome.status, statuses[i]);
        ck_assert_str_eq(outcome.message, expected);
        ck_assert_ptr_null(outcome.process);
        via_cfuture_unref(cf);
    }
    ck_assert_uint_eq(process_stats(pool).crashed, 0);
    close_pool(pool);
}

/* Nine calls are with one worker, which answers five and dies in the sixth before anything is read. */
TEST(answers_of_a_dead_worker_count_and_what_it_had_not_started_goes_on)
{
    enum { CALLS = 9, CRASHES = 5 };
    via_loop *loop = new_loop();
    EACH_TRANSPORT(transport)
    {
        via_executor *pool = open_served(loop, transport, 1);
        via_cfuture *cf[CALLS];
        int zero = 0;
        ck_assert_int_eq(run_to_end(loop, submit(pool, crash_if, &zero, sizeof zero)), 0);
        make_known(pool, crash_if);
        for (int i = 0; i < CALLS; i++) {
            int number = i == CRASHES;
            cf[i] = submit(pool, crash_if, &number, sizeof number);
        }
        ck_assert_uint_eq(count_given(pool), CALLS);
        HEAR_UNTIL(pool, process_stats(pool).crashed == 1);
        for (int i = 0; i < CRASHES; i++)
            ck_assert_int_eq(finish(cf[i]), 0);
        ck_assert_int_eq(finish(cf[CRASHES]), VIA_ECRASHED);
        ck_assert_uint_eq(process_stats(pool).requeued, CALLS - CRASHES - 1);
        for (int i = CRASHES + 1; i < CALLS; i++)
            ck_assert_int_eq(run_to_end(loop, cf[i]), 0);
        ck_assert_uint_eq(process_stats(pool).started, 2);
        close_pool(pool);
    }
    via_loop_unref(loop);
}

/* Four that crash, each a function of its own, since one that has crashed is not given ahead again. */
static int crash_1(via_bytes_call *call, const void *in, size_t bytes)
{
    return crash_if(call, in, bytes);
}

static int crash_2(via_bytes_call *call, const void *in, size_t bytes)
{
    int status = crash_if(call, in, bytes);
    return status ? status : 1;
}

static int crash_3(via_bytes_call *call, const void *in, size_t bytes)
{
    int status = crash_if(call, in, bytes);
    return status ? status : 2;
}

static int crash_4(via_bytes_call *call, const void *in, size_t bytes)
{
    int status = crash_if(call, in, bytes);
    return status ? status : 3;
}

TEST(a_call_whose_workers_died_three_times_before_it_started_is_run_alone)
{
    static const via_bytes_fn crashers[] = {crash_1, crash_2, crash_3, crash_4};
    via_loop *loop = new_loop();
    via_executor *pool = open_served(loop, VIA_TRANSPORT_AUTO, 1);
    via_cfuture *cf[4];
    int one = 1;
    ck_assert_int_eq(run_to_end(loop, submit(pool, do_nothing, NULL, 0)), 0);
    make_known(pool, give_back);
    for (int i = 0; i < 4; i++)
        make_known(pool, crashers[i]);
    for (int i = 0; i < 4; i++)
        cf[i] = submit(pool, crashers[i], &one, sizeof one);
    via_cfuture *last = submit(pool, give_back, "x", 1);
    ck_assert_uint_eq(count_given(pool), 5);
    HEAR_UNTIL(pool, process_stats(pool).crashed == 3);
    HEAR_UNTIL(pool, count_given(pool) > 0);
    ck_assert_uint_eq(count_given(pool), 1); // the fourth, and nothing behind it
    HEAR_UNTIL(pool, process_stats(pool).crashed == 4);
    ck_assert_uint_eq(process_stats(pool).requeued, 4 + 3 + 2);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(finish(cf[i]), VIA_ECRASHED);
    ck_assert_int_eq(run_to_end(loop, last), 0);
    close_pool(pool);
    via_loop_unref(loop);
}

/* ---- a worker overwrites what it shares ---- */

TEST(what_a_wild_writer_leaves_is_found_out)
{
    for (int way = 0; way < WILD_WAYS; way++) {
        via_executor *pool = open_over(VIA_TRANSPORT_SHARED, 1);
        struct via_call call = VIA_CALL_BYTES(wild, &way, sizeof way);
        call.retries = 3;
        via_cfuture *cf = submit_call(pool, &call);
        struct via_outcome outcome = wait_outcome(cf);
        // An answer that was written after all that is as good as any.
        if (way != WILD_RETURNS || outcome.status != 0) {
            ck_assert_int_eq(outcome.status, VIA_ECORRUPT);
            ck_assert_ptr_nonnull(strstr(outcome.message, "overwrote"));
            ck_assert_int_eq(outcome.process->tries, 1);
        }
        via_cfuture_unref(cf);
        ck_assert_int_eq(finish(submit(pool, do_nothing, NULL, 0)), 0);
        ck_assert_uint_eq(process_stats(pool).corrupt, 1);
        ck_assert_uint_eq(process_stats(pool).retried, 0);
        ck_assert_uint_eq(process_stats(pool).crashed, 0);
        close_pool(pool);
    }
}

/* Overwrites the head of its answer, where that is built, with lengths that cannot be. */
static int scribble(via_bytes_call *call, const void *in, size_t bytes)
{
    (void)in;
    (void)bytes;
    char *out = via_bytes_out(call, 8);
    if (!out)
        return VIA_ENOMEM;
    memset(out - offsetof(struct via__answer, out), 0xff, offsetof(struct via__answer, out));
    return 0;
}

TEST(an_answer_with_lengths_that_cannot_be_aborts_nothing)
{
    EACH_TRANSPORT(transport)
    {
        via_executor *pool = open_over(transport, 1);
        via_cfuture *cf = submit(pool, scribble, NULL, 0);
        struct via_outcome outcome = wait_outcome(cf);
        ck_assert_int_eq(outcome.status, VIA_ECORRUPT);
        ck_assert_ptr_nonnull(strstr(outcome.message, "because it overwrote what it shares"));
        ck_assert_int_ne(outcome.process->signal, SIGABRT);
        via_cfuture_unref(cf);
        close_pool(pool);
    }
}

TEST(a_wild_writer_fails_all_that_it_was_given_and_nothing_runs_again)
{
    enum { CALLS = 4 };
    via_loop *loop = new_loop();
    via_executor *pool = open_served(loop, VIA_TRANSPORT_SHARED, 1);
    via_cfuture *cf[CALLS];
    ck_assert_int_eq(run_to_end(loop, submit(pool, do_nothing, NULL, 0)), 0);
    make_known(pool, wild);
    for (int i = 0; i < CALLS; i++) {
        int way = i ? NOT_WILD : WILD_HANGS;
        struct via_call call = VIA_CALL_BYTES(wild, &way, sizeof way);
        call.retries = 2;
        cf[i] = submit_call(pool, &call);
    }
    ck_assert_uint_eq(count_given(pool), CALLS);
    AWAIT(via__channel_started(inside(pool)->table[0]->channel) < 0);
    for (int i = 0; i < CALLS; i++)
        ck_assert_int_eq(run_to_end(loop, cf[i]), VIA_ECORRUPT);
    ck_assert_uint_eq(process_stats(pool).requeued, 0);
    ck_assert_uint_eq(process_stats(pool).retried, 0);
    ck_assert_uint_eq(process_stats(pool).started, 1);
    close_pool(pool);
    via_loop_unref(loop);
}

/* ---- a worker is killed ---- */

TEST(a_timeout_is_not_tried_again)
{
    via_executor *pool = open_pool(1);
    struct via_call call = VIA_CALL_BYTES(hang, NULL, 0);
    call.timeout_ns = 10 * VIA_MS;
    call.retries = 3;
    via_cfuture *cf = submit_call(pool, &call);
    struct via_outcome outcome = wait_outcome(cf);
    ck_assert_int_eq(outcome.status, VIA_ETIMEDOUT);
    ck_assert_int_eq(outcome.process->tries, 1);
    ck_assert_int_ge(outcome.process->wall_ns, call.timeout_ns);
    via_cfuture_unref(cf);
    ck_assert_uint_eq(process_stats(pool).retried, 0);
    ck_assert_uint_eq(process_stats(pool).killed, 1);
    ck_assert_uint_eq(process_stats(pool).crashed, 0);
    close_pool(pool);
}

TEST(calls_without_a_timeout_have_the_pools)
{
    struct via_process_pool_options options = pool_options(1);
    options.call_timeout_ns = 10 * VIA_MS;
    via_executor *pool = open_with(&options);
    ck_assert_int_eq(finish(submit(pool, hang, NULL, 0)), VIA_ETIMEDOUT);
    ck_assert_int_eq(finish(submit(pool, do_nothing, NULL, 0)), 0);
    close_pool(pool);
}

static void kill_one(int oom)
{
    via_executor *pool = open_pool(1);
    via_buffer *gate = new_gate();
    via_cfuture *cf = occupy(pool, gate);
    more_oom_kills = (uint64_t)oom;
    ck_assert_int_eq(kill((pid_t)atomic_load(&gate_of(gate)->pid), SIGKILL), 0);
    struct via_outcome outcome = wait_outcome(cf);
    ck_assert_int_eq(outcome.status, VIA_ECRASHED);
    ck_assert_int_eq(outcome.process->signal, SIGKILL);
    ck_assert_int_eq(outcome.process->probably_oom, oom);
    ck_assert_int_eq(strstr(outcome.message, "memory ran out") != NULL, oom);
    via_cfuture_unref(cf);
    more_oom_kills = 0;
    close_pool(pool);
    via_buffer_unref(gate);
}

TEST(a_sigkill_from_nowhere_is_laid_to_want_of_memory_only_if_the_kernel_counted_one)
{
    kill_one(0);
    kill_one(1);
}

TEST(a_worker_that_cannot_be_killed_is_replaced_and_its_call_says_so)
{
    via_executor *pool = open_pool(2);
    via_buffer *gate = new_gate();
    struct via_call call = VIA_CALL_BUFFER(stay, gate);
    call.timeout_ns = 10 * VIA_MS;
    call.retries = 5;
    keeps_signals = 1;
    via_cfuture *cf = submit_call(pool, &call);
    struct via_outcome outcome = wait_outcome(cf);
    ck_assert_int_eq(outcome.status, VIA_ETIMEDOUT);
    ck_assert_int_eq(outcome.process->unkillable, 1);
    ck_assert_ptr_nonnull(strstr(outcome.message, "has not died"));
    long zombie = outcome.process->pid;
    via_cfuture_unref(cf);
    ck_assert_uint_eq(process_stats(pool).unkillable, 1);
    ck_assert_int_eq(is_dead(zombie), 0);
    via_cfuture *both[2] = {occupy(pool, gate), occupy(pool, gate)}; // a whole pool beside it
    open_gate(gate);
    ck_assert_int_eq(finish(both[0]), 0);
    ck_assert_int_eq(finish(both[1]), 0);
    keeps_signals = 0;
    ck_assert_int_eq(kill((pid_t)zombie, SIGKILL), 0);
    AWAIT(process_stats(pool).unkillable == 0);
    ck_assert_int_eq(finish(submit(pool, do_nothing, NULL, 0)), 0);
    close_pool(pool);
    via_buffer_unref(gate);
}

TEST(a_pool_of_which_no_worker_can_be_killed_is_broken)
{
    via_executor *pool = open_pool(1);
    via_buffer *gate = new_gate();
    struct via_call call = VIA_CALL_BUFFER(stay, gate);
    call.timeout_ns = 10 * VIA_MS;
    keeps_signals = 1;
    via_cfuture *cf = submit_call(pool, &call), *behind = submit(pool, do_nothing, NULL, 0);
    ck_assert_int_eq(finish(behind), 0); // by another worker, for it is not known yet
    struct via_outcome late = wait_outcome(cf);
    long zombie = late.process->pid;
    ck_assert_int_eq(late.status, VIA_ETIMEDOUT);
    via_cfuture_unref(cf);
    via_cfuture *after = submit(pool, do_nothing, NULL, 0);
    struct via_outcome outcome = wait_outcome(after);
    ck_assert_int_eq(outcome.status, VIA_EBROKEN);
    ck_assert_ptr_nonnull(strstr(outcome.message, "do not die"));
    via_cfuture_unref(after);
    close_pool(pool); // the end of the zygote is the end of all that it has started
    AWAIT(is_dead(zombie));
    keeps_signals = 0;
    via_buffer_unref(gate);
}

TEST(a_stopped_worker_is_killed_and_the_call_it_had_not_begun_goes_on)
{
    via_executor *pool = open_pool(1);
    long pid = pid_of_worker(pool);
    ck_assert_int_eq(kill((pid_t)pid, SIGSTOP), 0);
    via_cfuture *cf = submit(pool, give_back, "x", 1);
    ck_assert_int_eq(finish(cf), 0);
    ck_assert_uint_eq(process_stats(pool).requeued, 1);
    ck_assert_int_eq(is_dead(pid), 1);
    close_pool(pool);
}

/* ---- workers that cannot begin ---- */

static int begin_badly(via_bytes_call *call, const void *in, size_t bytes)
{
    int how;
    (void)call;
    (void)bytes;
    memcpy(&how, in, sizeof how);
    if (how == 0)
        exit(2);
    if (how < 0)
        return hang(call, in, bytes);
    signal(how, SIG_DFL);
    raise(how);
    return 0;
}

static void expect_broken(int how, int64_t start_timeout_ns, const char *says)
{
    struct via_process_pool_options options = pool_options(2);
    options.initializer = begin_badly;
    options.initializer_in = &how;
    options.initializer_in_bytes = sizeof how;
    via_executor *pool = open_hasty(&options, start_timeout_ns);
    via_cfuture *cf[3];
    for (int i = 0; i < 3; i++)
        cf[i] = submit(pool, do_nothing, NULL, 0);
    for (int i = 0; i < 3; i++) {
        struct via_outcome outcome = wait_outcome(cf[i]);
        ck_assert_int_eq(outcome.status, VIA_EBROKEN);
        ck_assert_msg(strstr(outcome.message, says) != NULL, "%s", outcome.message);
        via_cfuture_unref(cf[i]);
    }
    ck_assert_uint_le(process_stats(pool).started, 6); // five, and perhaps one beside the fifth
    close_pool(pool);
}

TEST(an_initializer_that_crashes_breaks_the_pool_with_the_signal)
{
    expect_broken(SIGSEGV, via_test_bound_ns(), "signal 11");
}

TEST(an_initializer_that_exits_breaks_the_pool_with_the_status)
{
    expect_broken(0, via_test_bound_ns(), "status 2");
}

TEST(an_initializer_that_hangs_breaks_the_pool)
{
    expect_broken(-1, 100 * VIA_MS, "within 100 ms");
}

TEST(workers_that_end_before_they_can_take_a_call_break_the_pool)
{
    ck_assert_int_eq(setenv("VIADUCT_TEST_NO_PANTRY", "1", 1), 0);
    via_executor *pool = open_pool(2);
    unsetenv("VIADUCT_TEST_NO_PANTRY");
    via_cfuture *cf = submit(pool, do_nothing, NULL, 0);
    struct via_outcome outcome = wait_outcome(cf);
    ck_assert_int_eq(outcome.status, VIA_EBROKEN);
    ck_assert_msg(strstr(outcome.message, "could not be mapped") != NULL, "%s", outcome.message);
    via_cfuture_unref(cf);
    ck_assert_uint_le(process_stats(pool).started, 6);
    close_pool(pool);
}

/* Counts its runs in a file, and succeeds the fifth and the seventh time. */
static int begin_at_last(via_bytes_call *call, const void *in, size_t bytes)
{
    char path[64] = "";
    (void)call;
    memcpy(path, in, bytes);
    FILE *file = fopen(path, "ae");
    if (!file)
        return -errno;
    fwrite("x", 1, 1, file);
    long tries = ftell(file);
    fclose(file);
    if (tries != 5 && tries != 7)
        exit(1);
    return 0;
}

TEST(workers_that_begin_at_last_serve_and_nobody_hears_of_the_failures)
{
    char path[64] = "/tmp/viaduct-tries-XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    struct via_process_pool_options options = pool_options(2);
    options.initializer = begin_at_last;
    options.initializer_in = path;
    options.initializer_in_bytes = strlen(path);
    via_executor *pool = open_with(&options);
    via_buffer *gate = new_gate();
    ck_assert_int_eq(finish(submit(pool, do_nothing, NULL, 0)), 0);
    ck_assert_uint_eq(process_stats(pool).started, 5);
    via_cfuture *cf = occupy(pool, gate);
    ck_assert_int_eq(finish(submit(pool, do_nothing, NULL, 0)), 0); // the failure before it was no fifth
    ck_assert_uint_eq(process_stats(pool).started, 7);
    open_gate(gate);
    ck_assert_int_eq(finish(cf), 0);
    close_pool(pool);
    via_buffer_unref(gate);
    close(fd);
    unlink(path);
}

/* ---- the helper process ---- */

static void kill_zygote(via_executor *pool)
{
    struct via__process_pool *of = inside(pool);
    via__process_lock(of);
    ck_assert_int_gt(of->zygote.pid, 0);
    ck_assert_int_eq(kill(of->zygote.pid, SIGKILL), 0);
    via__process_unlock(of);
}

TEST(the_end_of_the_helper_process_fails_what_runs_and_the_rest_goes_on)
{
    EACH_TRANSPORT(transport)
    {
        via_executor *pool = open_over(transport, 1);
        via_buffer *gate = new_gate();
        via_cfuture *running = occupy(pool, gate);
        via_cfuture *queued = submit(pool, give_back, "x", 1);
        long pid = atomic_load(&gate_of(gate)->pid);
        kill_zygote(pool);
        struct via_outcome outcome = wait_outcome(running);
        ck_assert_int_eq(outcome.status, VIA_ECRASHED);
        ck_assert_ptr_nonnull(strstr(outcome.message, "helper process"));
        via_cfuture_unref(running);
        ck_assert_int_eq(is_dead(pid), 1);
        ck_assert_int_eq(finish(queued), 0);
        ck_assert_uint_eq(process_stats(pool).helper_restarts, 1);
        close_pool(pool);
        via_buffer_unref(gate);
    }
}

TEST(a_loop_does_not_wait_for_the_end_of_the_helper_process)
{
    via_loop *loop = new_loop();
    via_executor *pool = open_served(loop, VIA_TRANSPORT_AUTO, 1);
    ck_assert_int_eq(run_to_end(loop, submit(pool, do_nothing, NULL, 0)), 0);
    stops = 0;
    kill_zygote(pool);
    RUN_UNTIL(loop, process_stats(pool).helper_restarts == 1);
    ck_assert_int_eq(stops, 1);
    ck_assert(!pthread_equal(stopped_by, pthread_self()));
    ck_assert_int_eq(run_to_end(loop, submit(pool, do_nothing, NULL, 0)), 0);
    RUN_UNTIL(loop, via_executor_shutdown(pool, 0, 0) == 0);
    ck_assert_int_eq(stops, 2);
    ck_assert(!pthread_equal(stopped_by, pthread_self()));
    via_executor_unref(pool);
    via_loop_unref(loop);
}

/* Leaves a process behind that heeds no signal, and tells its number. */
static int breed(via_bytes_call *call, const void *in, size_t bytes)
{
    sigset_t every;
    (void)in;
    (void)bytes;
    sigfillset(&every);
    sigprocmask(SIG_BLOCK, &every, NULL);
    long pid = (long)fork();
    if (pid == 0)
        (void)close_range(0, 2, 0); /* should it stay, then not with the test's output */
    while (pid == 0)
        pause();
    void *out = via_bytes_out(call, sizeof pid);
    if (!out)
        return VIA_ENOMEM;
    memcpy(out, &pid, sizeof pid);
    return 0;
}

/* Whether the kernel takes a pidfd for that of a group. */
static int can_signal_groups(void)
{
    int fd = via__pidfd_open(getpid());
    long rc = fd < 0 ? -1 : syscall(SYS_pidfd_send_signal, fd, 0, NULL, 1u << 2);
    int can = fd >= 0 && (rc == 0 || errno != EINVAL);
    if (fd >= 0)
        close(fd);
    return can;
}

TEST(what_workers_have_started_ends_with_the_helper_process)
{
    EACH_TRANSPORT(transport)
    {
        via_executor *pool = open_over(transport, 1);
        via_cfuture *cf = submit(pool, breed, NULL, 0);
        struct via_outcome outcome = wait_outcome(cf);
        long child = 0;
        ck_assert_int_eq(outcome.status, 0);
        memcpy(&child, outcome.value, sizeof child);
        via_cfuture_unref(cf);
        ck_assert_int_eq(is_dead(child), 0);
        kill_zygote(pool);
        if (can_signal_groups())
            AWAIT(is_dead(child));
        else
            kill((pid_t)child, SIGKILL);
        close_pool(pool);
    }
}

TEST(an_idle_pool_whose_helper_process_ended_serves_again)
{
    via_executor *pool = open_pool(2);
    for (unsigned i = 1; i <= 3; i++) {
        ck_assert_int_eq(finish(submit(pool, do_nothing, NULL, 0)), 0);
        kill_zygote(pool);
        AWAIT(process_stats(pool).helper_restarts == i);
    }
    ck_assert_int_eq(finish(submit(pool, do_nothing, NULL, 0)), 0);
    close_pool(pool);
}

PROCESS_TEST_MAIN("process/pool_crashes", a_crash_tells_the_function_and_what_the_worker_has_used,
                  a_crash_after_retries_tells_the_tries,
                  a_function_that_returns_the_status_of_a_crash_is_told_apart_from_one,
                  answers_of_a_dead_worker_count_and_what_it_had_not_started_goes_on,
                  a_call_whose_workers_died_three_times_before_it_started_is_run_alone,
                  what_a_wild_writer_leaves_is_found_out,
                  an_answer_with_lengths_that_cannot_be_aborts_nothing,
                  a_wild_writer_fails_all_that_it_was_given_and_nothing_runs_again,
                  a_timeout_is_not_tried_again, calls_without_a_timeout_have_the_pools,
                  a_sigkill_from_nowhere_is_laid_to_want_of_memory_only_if_the_kernel_counted_one,
                  a_worker_that_cannot_be_killed_is_replaced_and_its_call_says_so,
                  a_pool_of_which_no_worker_can_be_killed_is_broken,
                  a_stopped_worker_is_killed_and_the_call_it_had_not_begun_goes_on,
                  an_initializer_that_crashes_breaks_the_pool_with_the_signal,
                  an_initializer_that_exits_breaks_the_pool_with_the_status,
                  an_initializer_that_hangs_breaks_the_pool,
                  workers_that_end_before_they_can_take_a_call_break_the_pool,
                  workers_that_begin_at_last_serve_and_nobody_hears_of_the_failures,
                  the_end_of_the_helper_process_fails_what_runs_and_the_rest_goes_on,
                  a_loop_does_not_wait_for_the_end_of_the_helper_process,
                  what_workers_have_started_ends_with_the_helper_process,
                  an_idle_pool_whose_helper_process_ended_serves_again)
