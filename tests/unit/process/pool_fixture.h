/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What the tests of process pools share: pools of both transports, functions for their workers, and a gate
 * that reaches across processes.
 *
 * A test program with pools has a main() of its own, because workers leave it at via_process_enter():
 *
 *     PROCESS_TEST_MAIN("process/...", ...)
 *
 * The gate is a buffer that workers may write to: the function writes there that it has come, and waits until
 * the test opens it.
 */
#ifndef VIA_TEST_POOL_FIXTURE_H
#define VIA_TEST_POOL_FIXTURE_H

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/support.h"
#include <viaduct.h>

#define PROCESS_TEST_MAIN(suite, ...)                                                                        \
    int main(void)                                                                                           \
    {                                                                                                        \
        via_process_enter();                                                                                 \
        const TTest *const tests[] = {__VA_ARGS__, NULL};                                                    \
        return process_test_main(suite, tests);                                                              \
    }

/* A pool would say so as well: valgrind cannot be started as a copy of the program. */
static inline int process_test_main(const char *suite, const TTest *const *tests)
{
    if (!via_test_under_valgrind())
        return via_test_main(suite, tests);
    printf("1..0 # SKIP pools cannot be made under valgrind\n");
    return 0;
}

static inline struct via_process_pool_options pool_options(int workers)
{
    struct via_process_pool_options options;
    via_process_pool_options_init(&options);
    options.max_workers = workers;
    options.start_timeout_ns = via_test_bound_ns();
    return options;
}

static inline via_executor *open_with(const struct via_process_pool_options *options)
{
    char why[256] = "";
    struct via_process_pool_options copy = *options;
    via_executor *pool = NULL;
    copy.why = why;
    copy.why_bytes = sizeof why;
    int status = via_process_pool_new(&copy, &pool);
    ck_assert_msg(status == 0, "%s: %s", via_status_name(status), why);
    return pool;
}

static inline via_executor *open_pool(int workers)
{
    struct via_process_pool_options options = pool_options(workers);
    return open_with(&options);
}

/* The same over one of the transports. */
static inline via_executor *open_over(int transport, int workers)
{
    struct via_process_pool_options options = pool_options(workers);
    options.transport = transport;
    return open_with(&options);
}

/* For `for (int transport = ...)` over both. */
#define EACH_TRANSPORT(transport)                                                                            \
    for (int transport = VIA_TRANSPORT_SHARED; transport <= VIA_TRANSPORT_SOCKET; transport++)

static inline void close_pool(via_executor *pool)
{
    ck_assert_int_eq(via_executor_shutdown(pool, 0, via_test_bound_ns()), 0);
    ck_assert_ptr_null(via_executor_unref(pool));
}

static inline struct via_process_pool_stats process_stats(via_executor *pool)
{
    struct via_process_pool_stats stats;
    ck_assert_int_eq(via_process_pool_get_stats(pool, &stats), 0);
    return stats;
}

static inline struct via_executor_stats executor_stats(via_executor *pool)
{
    struct via_executor_stats stats;
    ck_assert_int_eq(via_executor_stats(pool, &stats), 0);
    return stats;
}

/* Whether a process runs no more: it is gone, or only waits for its parent to ask. */
static inline int is_dead(long pid)
{
    char path[64], text[512] = "";
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return 1;
    size_t got = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[got] = 0;
    const char *state = strrchr(text, ')');
    return !state || state[2] == 'Z' || state[2] == 'X';
}

static inline via_cfuture *submit_call(via_executor *pool, const struct via_call *call)
{
    via_cfuture *cf = NULL;
    int status = via_executor_submit(pool, call, &cf);
    ck_assert_msg(status == 0, "%s", via_status_name(status));
    return cf;
}

static inline via_cfuture *submit(via_executor *pool, via_bytes_fn fn, const void *in, size_t bytes)
{
    struct via_call call = VIA_CALL_BYTES(fn, in, bytes);
    return submit_call(pool, &call);
}

/* Waits until it is done and gives the outcome, good until the future goes. */
static inline struct via_outcome wait_outcome(via_cfuture *cf)
{
    struct via_outcome outcome = {.status = 1};
    ck_assert_int_eq(via_cfuture_wait(cf, via_test_bound_ns()), 0);
    ck_assert_int_eq(via_cfuture_outcome(cf, &outcome), 0);
    return outcome;
}

/* Waits for a call whose status is all that matters. */
static inline int finish(via_cfuture *cf)
{
    int status = wait_outcome(cf).status;
    via_cfuture_unref(cf);
    return status;
}

/* ---- functions for workers ---- */

static inline int give_back(via_bytes_call *call, const void *in, size_t bytes)
{
    void *out = via_bytes_out(call, bytes);
    if (!out)
        return VIA_ENOMEM;
    if (bytes)
        memcpy(out, in, bytes);
    return 0;
}

static inline int tell_pid(via_bytes_call *call, const void *in, size_t bytes)
{
    long pid = (long)getpid();
    (void)in;
    (void)bytes;
    void *out = via_bytes_out(call, sizeof pid);
    if (!out)
        return VIA_ENOMEM;
    memcpy(out, &pid, sizeof pid);
    return 0;
}

static inline int do_nothing(via_bytes_call *call, const void *in, size_t bytes)
{
    (void)call;
    (void)in;
    (void)bytes;
    return 0;
}

/* Dies of the signal that is its input. */
static inline int die_of(via_bytes_call *call, const void *in, size_t bytes)
{
    int signo;
    (void)call;
    (void)bytes;
    memcpy(&signo, in, sizeof signo);
    signal(signo, SIG_DFL);
    raise(signo);
    return 0;
}

/* Leaves with the status that is its input. */
static inline int exit_with(via_bytes_call *call, const void *in, size_t bytes)
{
    int status;
    (void)call;
    (void)bytes;
    memcpy(&status, in, sizeof status);
    exit(status);
}

/* Blocks every signal and never returns. */
static inline int hang(via_bytes_call *call, const void *in, size_t bytes)
{
    sigset_t every;
    (void)call;
    (void)in;
    (void)bytes;
    sigfillset(&every);
    sigprocmask(SIG_BLOCK, &every, NULL);
    for (;;)
        pause();
    return 0;
}

/* Gives its pid, in the worker. */
static inline long pid_of_worker(via_executor *pool)
{
    via_cfuture *cf = submit(pool, tell_pid, NULL, 0);
    struct via_outcome outcome = wait_outcome(cf);
    long pid = 0;
    ck_assert_int_eq(outcome.status, 0);
    ck_assert_uint_eq(outcome.bytes, sizeof pid);
    memcpy(&pid, outcome.value, sizeof pid);
    via_cfuture_unref(cf);
    return pid;
}

/* ---- the gate ---- */

struct process_gate {
    _Atomic int arrived, passes, open, asked;
    _Atomic long pid; /* of who came last */
};

static inline via_buffer *new_gate(void)
{
    via_buffer *buffer = NULL;
    ck_assert_int_eq(via_buffer_new(NULL, sizeof(struct process_gate), VIA_BUFFER_WRITABLE, &buffer), 0);
    memset(via_buffer_data(buffer), 0, sizeof(struct process_gate));
    return buffer;
}

static inline struct process_gate *gate_of(via_buffer *buffer)
{
    return via_buffer_data(buffer);
}

/* In the worker: comes to the gate and waits for a pass; ends early when the call is asked to stop. */
static inline int pass_gate(via_bytes_call *call, const void *in, size_t bytes)
{
    struct process_gate *gate = via_bytes_in_place(call);
    (void)in;
    (void)bytes;
    if (!gate)
        return VIA_EINVAL;
    atomic_store(&gate->pid, (long)getpid());
    atomic_fetch_add(&gate->arrived, 1);
    while (!atomic_load(&gate->open)) {
        int passes = atomic_load(&gate->passes);
        if (passes > 0 && atomic_compare_exchange_strong(&gate->passes, &passes, passes - 1))
            return 0;
        if (via_call_cancelled()) {
            atomic_store(&gate->asked, 1);
            return VIA_ECANCELED;
        }
        sched_yield();
    }
    return 0;
}

static inline void await_arrivals(via_buffer *gate, int count)
{
    AWAIT(atomic_load(&gate_of(gate)->arrived) >= count);
}

static inline void open_gate(via_buffer *gate)
{
    atomic_store(&gate_of(gate)->open, 1);
}

static inline via_cfuture *submit_gate(via_executor *pool, via_buffer *gate)
{
    struct via_call call = VIA_CALL_BUFFER(pass_gate, gate);
    return submit_call(pool, &call);
}

/* Fills a worker: the call waits at the gate, and has come to it. */
static inline via_cfuture *occupy(via_executor *pool, via_buffer *gate)
{
    int before = atomic_load(&gate_of(gate)->arrived);
    via_cfuture *cf = submit_gate(pool, gate);
    await_arrivals(gate, before + 1);
    return cf;
}

#endif
