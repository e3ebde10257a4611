/* SPDX-License-Identifier: BSD-3-Clause */
/* Process pools where things go wrong: workers that cannot begin, callbacks that wait for their own server.
 */
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "pool_inside.h"

static struct via_process_pool_stats stats_of(via_executor *pool)
{
    struct via_process_pool_stats stats;
    ck_assert_int_eq(via_process_pool_get_stats(pool, &stats), 0);
    return stats;
}

static void end_pool(via_executor *pool)
{
    (void)via_executor_shutdown(pool, VIA_SHUTDOWN_CANCEL_QUEUED | VIA_SHUTDOWN_CANCEL_RUNNING,
                                via_test_bound_ns());
    via_executor_unref(pool);
}

/* ---- callbacks in the thread that serves ---- */

struct visit {
    via_executor *pool;
    via_cfuture *other;
    _Atomic int status, done;
};

static int wait_in_callback(via_cfuture *cf, void *arg)
{
    struct visit *visit = arg;
    (void)cf;
    atomic_store(&visit->status, via_cfuture_wait(visit->other, via_test_bound_ns()));
    atomic_store(&visit->done, 1);
    return 0;
}

TEST(a_callback_that_waits_for_another_call_is_told_that_it_cannot)
{
    struct visit visit = {.pool = open_pool(1)};
    via_buffer *gate = new_gate();
    via_cfuture *first = occupy(visit.pool, gate);
    visit.other = submit(visit.pool, do_nothing, NULL, 0);
    ck_assert_int_eq(via_cfuture_add_done_callback(first, wait_in_callback, &visit), 0);
    open_gate(gate);
    AWAIT(atomic_load(&visit.done));
    ck_assert_int_eq(atomic_load(&visit.status), VIA_EDEADLK);
    ck_assert_int_eq(finish(visit.other), 0);
    via_cfuture_unref(first);
    close_pool(visit.pool);
    via_buffer_unref(gate);
}

static int shut_down_in_callback(via_cfuture *cf, void *arg)
{
    struct visit *visit = arg;
    (void)cf;
    atomic_store(&visit->status, via_executor_shutdown(visit->pool, 0, via_test_bound_ns()));
    atomic_store(&visit->done, 1);
    return 0;
}

TEST(a_callback_that_shuts_its_pool_down_is_told_that_it_cannot_wait)
{
    struct visit visit = {.pool = open_pool(1)};
    via_buffer *gate = new_gate();
    via_cfuture *first = occupy(visit.pool, gate);
    ck_assert_int_eq(via_cfuture_add_done_callback(first, shut_down_in_callback, &visit), 0);
    open_gate(gate);
    AWAIT(atomic_load(&visit.done));
    ck_assert_int_eq(atomic_load(&visit.status), VIA_EDEADLK);
    via_cfuture_unref(first);
    close_pool(visit.pool);
    via_buffer_unref(gate);
}

static int submit_in_callback(via_cfuture *cf, void *arg)
{
    struct visit *visit = arg;
    struct via_call call = VIA_CALL_BYTES(do_nothing, NULL, 0);
    int status = 0;
    (void)cf;
    for (int i = 0; i < 3 && status == 0; i++)
        status = via_executor_submit(visit->pool, &call, NULL);
    atomic_store(&visit->status, status);
    atomic_store(&visit->done, 1);
    return 0;
}

TEST(a_callback_that_would_wait_for_room_is_told_that_it_cannot)
{
    struct via_process_pool_options options = pool_options(1);
    options.max_queued = 1;
    options.when_full = VIA_FULL_BLOCK;
    struct visit visit = {.pool = open_with(&options)};
    via_buffer *gate = new_gate(), *second_gate = new_gate();
    via_cfuture *first = occupy(visit.pool, gate);
    via_cfuture *second = submit_gate(visit.pool, second_gate);
    ck_assert_int_eq(via_cfuture_add_done_callback(first, submit_in_callback, &visit), 0);
    open_gate(gate);
    AWAIT(atomic_load(&visit.done));
    ck_assert_int_eq(atomic_load(&visit.status), VIA_EDEADLK);
    open_gate(second_gate);
    ck_assert_int_eq(finish(second), 0);
    via_cfuture_unref(first);
    close_pool(visit.pool);
    via_buffer_unref(gate);
    via_buffer_unref(second_gate);
}

/* ---- workers that cannot begin ---- */

TEST(initializers_that_hang_break_the_pool)
{
    struct via_process_pool_options options = pool_options(1);
    options.initializer = hang;
    via_executor *pool = open_hasty(&options, 20 * VIA_MS);
    via_cfuture *cf = submit(pool, do_nothing, NULL, 0);
    struct via_outcome outcome = wait_outcome(cf);
    ck_assert_int_eq(outcome.status, VIA_EBROKEN);
    ck_assert_ptr_nonnull(outcome.message);
    via_cfuture_unref(cf);
    end_pool(pool);
}

static int fail_to_begin(via_bytes_call *call, const void *in, size_t bytes)
{
    (void)call;
    (void)in;
    (void)bytes;
    return 3;
}

TEST(a_call_that_comes_while_the_pool_waits_to_try_again_is_not_forgotten)
{
    struct via_process_pool_options options = pool_options(1);
    options.initializer = fail_to_begin;
    options.min_workers = 1;
    via_executor *pool = open_with(&options);
    AWAIT(stats_of(pool).started >= 1 && via_process_pool_workers(pool, NULL, 0) == 0);
    via_cfuture *cf = submit(pool, do_nothing, NULL, 0);
    ck_assert_int_eq(wait_outcome(cf).status, VIA_EBROKEN);
    via_cfuture_unref(cf);
    end_pool(pool);
}

#define STILLBORN "VIA_TEST_STILLBORN"

/* In a worker: the program's own handler ends it before it can do anything. */
static void die_in_child(void)
{
    if (getenv(STILLBORN))
        _exit(9);
}

TEST(workers_that_die_before_they_take_their_first_call_break_the_pool)
{
    setenv(STILLBORN, "1", 1);
    via_executor *pool = open_pool(1);
    unsetenv(STILLBORN);
    via_cfuture *cf = submit(pool, do_nothing, NULL, 0);
    ck_assert_int_eq(wait_outcome(cf).status, VIA_EBROKEN);
    via_cfuture_unref(cf);
    end_pool(pool);
}

TEST(an_initializer_that_workers_cannot_find_is_refused)
{
    struct via_process_pool_options options = pool_options(1);
    char why[256] = "";
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(page, MAP_FAILED);
    options.initializer = (via_bytes_fn)(uintptr_t)page;
    options.why = why;
    options.why_bytes = sizeof why;
    via_executor *pool = NULL;
    ck_assert_int_eq(via_process_pool_new(&options, &pool), VIA_EINVAL);
    ck_assert_ptr_null(pool);
    ck_assert_str_ne(why, "");
    options.initializer = NULL;
    options.finalizer = (via_bytes_fn)(uintptr_t)page;
    ck_assert_int_eq(via_process_pool_new(&options, &pool), VIA_EINVAL);
    munmap(page, 4096);
}

/* ---- the minimum ---- */

TEST(the_minimum_of_workers_is_kept_when_one_dies)
{
    struct via_process_pool_options options = pool_options(1);
    options.min_workers = 1;
    via_executor *pool = open_with(&options);
    int signo = SIGKILL;
    ck_assert_int_eq(finish(submit(pool, die_of, &signo, sizeof signo)), VIA_ECRASHED);
    AWAIT(stats_of(pool).started == 2);
    close_pool(pool);
}

/* ---- functions that do what they should not ---- */

static int fork_and_return_twice(via_bytes_call *call, const void *in, size_t bytes)
{
    pid_t pid = fork();
    if (pid > 0) {
        int status = 0;
        waitpid(pid, &status, 0);
        int *out = via_bytes_out(call, sizeof status);
        *out = status;
        return 0;
    }
    (void)in;
    (void)bytes;
    return 0; /* in the child */
}

TEST(a_child_of_a_function_that_returns_is_no_second_worker)
{
    via_executor *pool = open_pool(1);
    via_cfuture *cf = submit(pool, fork_and_return_twice, NULL, 0);
    struct via_outcome outcome = wait_outcome(cf);
    ck_assert_int_eq(outcome.status, 0);
    ck_assert_uint_eq(outcome.bytes, sizeof(int));
    ck_assert(WIFEXITED(*(int *)outcome.value));
    via_cfuture_unref(cf);
    ck_assert_int_eq(finish(submit(pool, do_nothing, NULL, 0)), 0);
    ck_assert_uint_eq(stats_of(pool).corrupt, 0);
    close_pool(pool);
}

/* The same by a fork of which the C library knows nothing. */
static int copy_and_return_twice(via_bytes_call *call, const void *in, size_t bytes)
{
    pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
    if (pid > 0)
        waitpid(pid, NULL, 0);
    return pid < 0 ? VIA_EAGAIN : tell_pid(call, in, bytes);
}

TEST(a_copy_that_is_made_behind_the_c_librarys_back_is_none_either)
{
    EACH_TRANSPORT(transport)
    {
        via_executor *pool = open_over(transport, 1);
        long pid = pid_of_worker(pool);
        for (int i = 0; i < 3; i++) {
            via_cfuture *cf = submit(pool, copy_and_return_twice, NULL, 0);
            struct via_outcome outcome = wait_outcome(cf);
            ck_assert_int_eq(outcome.status, 0);
            ck_assert_mem_eq(outcome.value, &pid, sizeof pid);
            via_cfuture_unref(cf);
        }
        close_pool(pool);
    }
}

static void *stay_for_ever(void *arg)
{
    (void)arg;
    for (;;)
        pause();
    return NULL;
}

/* Ends its thread; the process has another, so it does not end with it. */
static int end_thread(via_bytes_call *call, const void *in, size_t bytes)
{
    pthread_t thread;
    void *out = via_bytes_out(call, 300000);
    (void)in;
    (void)bytes;
    if (!out || pthread_create(&thread, NULL, stay_for_ever, NULL) != 0)
        return VIA_ENOMEM;
    pthread_exit(NULL);
}

static int end_only_thread(via_bytes_call *call, const void *in, size_t bytes)
{
    (void)call;
    (void)in;
    (void)bytes;
    pthread_exit(NULL);
}

TEST(a_function_that_ends_its_thread_fails_at_once)
{
    EACH_TRANSPORT(transport)
    {
        via_executor *pool = open_over(transport, 1);
        const via_bytes_fn functions[] = {end_thread, end_only_thread};
        for (int i = 0; i < 4; i++) {
            via_cfuture *cf = submit(pool, functions[i % 2], NULL, 0);
            struct via_outcome outcome = wait_outcome(cf);
            ck_assert_int_eq(outcome.status, VIA_EEXITED);
            ck_assert_ptr_nonnull(strstr(outcome.message, "ended its thread"));
            ck_assert_ptr_null(outcome.value);
            via_cfuture_unref(cf);
            ck_assert_int_eq(finish(submit(pool, do_nothing, NULL, 0)), 0);
        }
        ck_assert_uint_eq(stats_of(pool).corrupt, 0);
        ck_assert_uint_eq(stats_of(pool).crashed, 0);
        close_pool(pool);
    }
}

TEST(an_initializer_that_ends_its_thread_breaks_the_pool)
{
    struct via_process_pool_options options = pool_options(1);
    options.initializer = end_only_thread;
    via_executor *pool = open_with(&options);
    via_cfuture *cf = submit(pool, do_nothing, NULL, 0);
    struct via_outcome outcome = wait_outcome(cf);
    ck_assert_int_eq(outcome.status, VIA_EBROKEN);
    ck_assert_ptr_nonnull(strstr(outcome.message, "ended its thread"));
    via_cfuture_unref(cf);
    end_pool(pool);
}

static int close_everything(via_bytes_call *call, const void *in, size_t bytes)
{
    (void)call;
    (void)in;
    (void)bytes;
    for (int fd = 0; fd < 64; fd++)
        close(fd);
    return 0;
}

static int count_bytes(via_bytes_call *call, const void *in, size_t bytes)
{
    (void)in;
    memcpy(via_bytes_out(call, sizeof bytes), &bytes, sizeof bytes);
    return 0;
}

TEST(a_function_that_closes_every_descriptor_costs_no_other_call)
{
    via_executor *pool = open_pool(1);
    char *large = calloc(1, 100000);
    (void)finish(submit(pool, close_everything, NULL, 0));
    ck_assert_int_eq(finish(submit(pool, count_bytes, large, 100000)), 0);
    ck_assert_int_eq(finish(submit(pool, count_bytes, large, 100000)), 0);
    free(large);
    close_pool(pool);
}

static int close_sockets(via_bytes_call *call, const void *in, size_t bytes)
{
    (void)call;
    (void)in;
    (void)bytes;
    for (int fd = 3; fd < 64; fd++) {
        int type;
        socklen_t length = sizeof type;
        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_SEQPACKET)
            close(fd);
    }
    return 0;
}

TEST(a_worker_that_cannot_be_told_anything_costs_no_call)
{
    via_executor *pool = open_pool(1);
    char *large = calloc(1, 100000);
    ck_assert_int_eq(finish(submit(pool, close_sockets, NULL, 0)), 0);
    ck_assert_int_eq(finish(submit(pool, count_bytes, large, 100000)), 0);
    free(large);
    close_pool(pool);
}

/* ---- stopped workers ---- */

TEST(a_stopped_worker_does_not_keep_the_pool_though_its_call_was_cancelled)
{
    via_executor *pool = open_pool(1);
    pid_t pid = (pid_t)pid_of_worker(pool);
    ck_assert_int_eq(kill(pid, SIGSTOP), 0);
    via_cfuture *first = submit(pool, do_nothing, NULL, 0);
    ck_assert_int_eq(via_cfuture_cancel(first), VIA_CANCEL_NEVER_RAN);
    via_cfuture_unref(first);
    ck_assert_int_eq(finish(submit(pool, do_nothing, NULL, 0)), 0);
    close_pool(pool);
}

TEST(a_call_that_comes_back_after_its_deadline_is_not_started)
{
    via_executor *pool = open_pool(1);
    pid_t pid = (pid_t)pid_of_worker(pool);
    ck_assert_int_eq(kill(pid, SIGSTOP), 0);
    struct via_call call = VIA_CALL_BYTES(do_nothing, NULL, 0);
    call.deadline_ns = via_now_ns() + 20 * VIA_MS;
    ck_assert_int_eq(finish(submit_call(pool, &call)), VIA_ETIMEDOUT);
    close_pool(pool);
}

static int submit_and_cancel(via_executor *pool)
{
    via_cfuture *cf = submit(pool, do_nothing, NULL, 0);
    int cancelled = via_cfuture_cancel(cf);
    via_cfuture_unref(cf);
    return cancelled;
}

/* The one worker that there is, once it is there. */
static long idle_worker(via_executor *pool, long not_this)
{
    long pid = 0;
    struct via_executor_stats stats;
    AWAIT(via_process_pool_workers(pool, &pid, 1) == 1 && pid != not_this &&
          via_executor_stats(pool, &stats) == 0 && stats.workers_idle == 1);
    return pid;
}

TEST(workers_that_others_kill_while_they_wait_do_not_break_the_pool)
{
    struct via_process_pool_options options = pool_options(1);
    options.min_workers = 1;
    via_executor *pool = open_with(&options);
    long pid = 0;
    for (int i = 0; i < 7; i++) {
        pid = idle_worker(pool, pid);
        ck_assert_int_eq(kill((pid_t)pid, SIGKILL), 0);
    }
    ck_assert_int_eq(finish(submit(pool, do_nothing, NULL, 0)), 0);
    close_pool(pool);
}

TEST(want_of_descriptors_delays_calls_and_breaks_nothing)
{
    struct rlimit before, low;
    via_executor *pool = open_pool(1);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    low = before;
    low.rlim_cur = 0;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    via_cfuture *cf = submit(pool, do_nothing, NULL, 0);
    for (int i = 0; i < 8; i++) // more than what breaks a pool, each an attempt to start a worker
        (void)submit_and_cancel(pool);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    ck_assert_int_eq(finish(cf), 0);
    close_pool(pool);
}

#define FORGETS "VIADUCT_TEST_FORGETS"

TEST(a_worker_started_anew_that_forgets_its_line_says_so)
{
    struct via_process_pool_options options = pool_options(1);
    options.fresh_exec = 1;
    ck_assert_int_eq(setenv(FORGETS, "1", 1), 0);
    via_executor *pool = open_with(&options);
    unsetenv(FORGETS);
    via_cfuture *cf = submit(pool, do_nothing, NULL, 0);
    struct via_outcome outcome = wait_outcome(cf);
    ck_assert_int_eq(outcome.status, VIA_EBROKEN);
    ck_assert_msg(strstr(outcome.message, "without passing via_process_enter()") != NULL, "%s",
                  outcome.message);
    via_cfuture_unref(cf);
    end_pool(pool);
}

int main(int argc, char **argv)
{
    via_executor *none;
    pthread_atfork(NULL, NULL, die_in_child);
    if (argc > 0 && strcmp(argv[0], "viaduct-worker") == 0 && getenv(FORGETS))
        return via_process_pool_new(NULL, &none) < 0; /* which it does not reach */
    via_process_enter();
    const TTest *const tests[] = {a_callback_that_waits_for_another_call_is_told_that_it_cannot,
                                  a_callback_that_shuts_its_pool_down_is_told_that_it_cannot_wait,
                                  a_callback_that_would_wait_for_room_is_told_that_it_cannot,
                                  initializers_that_hang_break_the_pool,
                                  a_call_that_comes_while_the_pool_waits_to_try_again_is_not_forgotten,
                                  workers_that_die_before_they_take_their_first_call_break_the_pool,
                                  an_initializer_that_workers_cannot_find_is_refused,
                                  the_minimum_of_workers_is_kept_when_one_dies,
                                  a_worker_started_anew_that_forgets_its_line_says_so,
                                  a_child_of_a_function_that_returns_is_no_second_worker,
                                  a_copy_that_is_made_behind_the_c_librarys_back_is_none_either,
                                  a_function_that_ends_its_thread_fails_at_once,
                                  an_initializer_that_ends_its_thread_breaks_the_pool,
                                  a_function_that_closes_every_descriptor_costs_no_other_call,
                                  a_worker_that_cannot_be_told_anything_costs_no_call,
                                  a_stopped_worker_does_not_keep_the_pool_though_its_call_was_cancelled,
                                  a_call_that_comes_back_after_its_deadline_is_not_started,
                                  workers_that_others_kill_while_they_wait_do_not_break_the_pool,
                                  want_of_descriptors_delays_calls_and_breaks_nothing,
                                  NULL};
    return via_test_main("process/pool-edges", tests);
}
