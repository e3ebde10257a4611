/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Scenarios of process pools.  What fails may be a call of the program's, of the helper process's or of a
 * worker's; a fault that comes once may cost the call that it strikes, but never the pool.
 */
#include "scenarios_process.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "process/pool.h"
#include "support/sanitizers.h"

enum {
    COPIED_BYTES = 20000, /* copied, but too long for a slot */
    LARGE_BYTES = 200000, /* seen where it lies */
    SMALL_CALLS = 4,
    MAP_ITEMS = 9,
    HANG_NS = 3 * VIA_MS,
    SLICE_NS = 5 * VIA_MS,
    PATIENCE = 4 /* slices */
};

/* ---- pools ---- */

static struct via_process_pool_options options_of(int transport, int workers)
{
    struct via_process_pool_options options;
    via_process_pool_options_init(&options);
    options.transport = transport;
    options.max_workers = workers;
    options.name = "fault";
    options.idle_timeout_ns = VIA_FOREVER; /* or its timer would have a stuck pool look at its calls */
    return options;
}

static int calls_failed;

/* NULL if a fault prevents it. */
static via_executor *pool_with(struct via_process_pool_options *options)
{
    calls_failed = 0;
    char why[256] = "";
    via_executor *pool = NULL;
    options->why = why;
    options->why_bytes = sizeof(why);
    int status = via_process_pool_new(options, &pool);
    if (FAULT_WORKED(status))
        return pool;
    FAULT_CHECK(!pool);
    FAULT_CHECK(why[0] != '\0');
    fault_note("no pool: %s", why);
    return NULL;
}

via_executor *pool_over(int transport, int workers)
{
    struct via_process_pool_options options = options_of(transport, workers);
    return pool_with(&options);
}

/* A fault that comes once may have cost one call. */
void check_and_shut(via_executor *pool)
{
    FAULT_CHECK(calls_failed <= 1 || fault_lasts());
    pool_shut(pool);
}

/* ---- functions for workers ---- */

int give_back(via_bytes_call *call, const void *in, size_t bytes)
{
    void *out = via_bytes_out(call, bytes);
    if (!out)
        return VIA_ENOMEM;
    memcpy(out, in, bytes);
    return 0;
}

/* Answers with as many bytes as the input says. */
static int give_many(via_bytes_call *call, const void *in, size_t bytes)
{
    size_t wanted;
    if (bytes < sizeof(wanted))
        return VIA_EINVAL;
    memcpy(&wanted, in, sizeof(wanted));
    char *out = via_bytes_out(call, wanted);
    if (!out)
        return VIA_ENOMEM;
    memset(out, 'y', wanted);
    return 0;
}

static int write_in_place(via_bytes_call *call, const void *in, size_t bytes)
{
    char *place = via_bytes_in_place(call);
    (void)in;
    if (!place)
        return VIA_EINVAL;
    memset(place, 'z', bytes);
    return 0;
}

static int crash(via_bytes_call *call, const void *in, size_t bytes)
{
    (void)call;
    (void)in;
    (void)bytes;
    raise(SIGKILL);
    return 0;
}

/* Crashes the first time in a scenario. */
static int crash_once(via_bytes_call *call, const void *in, size_t bytes)
{
    return atomic_fetch_add(fault_births(), 1) == 0 ? crash(call, in, bytes) : give_back(call, in, bytes);
}

/* Never returns, but when it is asked to stop and has leave for that. */
static int hang(via_bytes_call *call, const void *in, size_t bytes)
{
    (void)call;
    (void)in;
    (void)bytes;
    atomic_fetch_add(fault_births(), 1);
    for (;;)
        pause();
    return 0;
}

/* ---- calls ---- */

/* Whether an outcome tells that the call has worked; else it has to be what the fault explains. */
static bool call_worked(const struct via_outcome *outcome)
{
    if (FAULT_WORKED(outcome->status))
        return true;
    calls_failed++;
    fault_note("outcome: %s", outcome->message ? outcome->message : "without a text");
    return false;
}

static via_cfuture *submit(via_executor *pool, const struct via_call *call)
{
    via_cfuture *cf = NULL;
    if (FAULT_WORKED(via_executor_submit(pool, call, &cf)))
        return cf;
    FAULT_CHECK(!cf);
    calls_failed++;
    return NULL;
}

via_cfuture *submit_bytes(via_executor *pool, via_bytes_fn fn, const void *in, size_t bytes)
{
    struct via_call call = VIA_CALL_BYTES(fn, in, bytes);
    return submit(pool, &call);
}

/* Waits for a call.  While memory or descriptors are wanting a pool may wait for them, so after a while there
 * are some again. */
static void await_done(via_cfuture *cf)
{
    int rc = VIA_ETIMEDOUT;
    for (int slices = 0; rc == VIA_ETIMEDOUT && !(fault_injected() && slices >= PATIENCE); slices++)
        rc = via_cfuture_wait(cf, SLICE_NS);
    if (rc == VIA_ETIMEDOUT) {
        fault_disarm();
        rc = via_cfuture_wait(cf, VIA_FOREVER);
    }
    FAULT_CHECK(rc == 0);
}

/* Waits for a call and checks that its answer is so many times a byte; -1 for what the answer is not asked.
 * Returns whether it has worked. */
bool finish(via_cfuture *cf, size_t bytes, int byte)
{
    struct via_outcome outcome;
    if (!cf)
        return false;
    await_done(cf);
    bool worked = FAULT_CHECK(via_cfuture_outcome(cf, &outcome) == 0) && call_worked(&outcome);
    if (worked && byte >= 0) {
        const char *value = outcome.value;
        FAULT_CHECK(outcome.bytes == bytes && value && value[0] == byte && value[bytes - 1] == byte);
    }
    via_cfuture_unref(cf);
    return worked;
}

/* Waits for a call that ends in a certain way unless a fault has it end in another.  Returns whether it has.
 */
bool finish_with(via_cfuture *cf, int status)
{
    struct via_outcome outcome;
    if (!cf)
        return false;
    await_done(cf);
    FAULT_CHECK(via_cfuture_outcome(cf, &outcome) == 0);
    bool as_expected = outcome.status == status;
    if (!as_expected && FAULT_CHECK(outcome.status != 0))
        (void)call_worked(&outcome);
    via_cfuture_unref(cf);
    return as_expected;
}

/* The pool has to be of use after what has happened: a fault that came once may cost one more call. */
void check_alive(via_executor *pool)
{
    static const char in[SMALL_BYTES] = "aaaaaaaaaaaaaaaa";
    for (int i = 0; i < TRIES; i++)
        if (finish(submit_bytes(pool, give_back, in, sizeof(in)), sizeof(in), 'a'))
            return;
    FAULT_CHECK(fault_lasts());
}

/* ---- creation ---- */

static void open_and_close(int transport)
{
    struct via_process_pool_options options = options_of(transport, 2);
    options.min_workers = 1;
    via_executor *pool = pool_with(&options);
    if (!pool)
        return;
    struct via_process_pool_stats stats;
    if (FAULT_CHECK(via_process_pool_get_stats(pool, &stats) == 0))
        FAULT_CHECK(stats.transport == transport);
    check_and_shut(pool);
}

static void run_open_shared(void)
{
    open_and_close(VIA_TRANSPORT_SHARED);
}

static void run_open_socket(void)
{
    open_and_close(VIA_TRANSPORT_SOCKET);
}

/* ---- small calls ---- */

static void small_calls(via_executor *pool)
{
    static const char in[SMALL_BYTES] = "aaaaaaaaaaaaaaaa";
    via_cfuture *futures[SMALL_CALLS];
    for (int i = 0; i < SMALL_CALLS; i++)
        futures[i] = submit_bytes(pool, give_back, in, sizeof(in));
    for (int i = 0; i < SMALL_CALLS; i++)
        (void)finish(futures[i], sizeof(in), 'a');
    check_alive(pool);
}

static void run_small(int transport)
{
    via_executor *pool = pool_over(transport, 2);
    if (!pool)
        return;
    small_calls(pool);
    check_and_shut(pool);
}

static void run_small_shared(void)
{
    run_small(VIA_TRANSPORT_SHARED);
}

static void run_small_socket(void)
{
    run_small(VIA_TRANSPORT_SOCKET);
}

/* ---- served by a loop ---- */

static void finish_in_loop(via_loop *loop, via_future *future)
{
    struct via_outcome outcome;
    for (int slices = 0; !via_future_done(future) && !(fault_injected() && slices >= PATIENCE); slices++)
        if (!FAULT_WORKED(via_loop_step(loop, SLICE_NS)))
            break;
    if (!via_future_done(future)) {
        fault_disarm();
        loop_drive(loop, future);
    }
    if (FAULT_CHECK(via_future_outcome(future, &outcome) == 0) && call_worked(&outcome))
        FAULT_CHECK(outcome.bytes == SMALL_BYTES);
    via_future_unref(future);
}

static void calls_in_loop(via_loop *loop, via_executor *pool)
{
    static const char in[SMALL_BYTES] = "aaaaaaaaaaaaaaaa";
    via_future *futures[SMALL_CALLS];
    for (int i = 0; i < SMALL_CALLS; i++) {
        struct via_call call = VIA_CALL_BYTES(give_back, in, sizeof(in));
        futures[i] = via_run_in_executor(loop, pool, &call);
    }
    for (int i = 0; i < SMALL_CALLS; i++)
        finish_in_loop(loop, futures[i]);
}

/* A thread serves the pool now.  If none could be had the pool has ended. */
static void check_after_loop(via_executor *pool)
{
    struct via_call call = VIA_CALL_BYTES(give_back, "x", 1);
    via_cfuture *cf = NULL;
    int status = via_executor_submit(pool, &call, &cf);
    if (status == VIA_ESHUTDOWN)
        FAULT_CHECK(fault_injected() && !cf);
    else if (FAULT_WORKED(status))
        (void)finish(cf, 1, 'x');
}

/* The loop is closed first in every other scenario: a thread has to take over then. */
static void run_served(int transport, bool closes_first)
{
    struct via_process_pool_options options = options_of(transport, 2);
    options.loop = loop_open();
    if (!options.loop)
        return;
    via_executor *pool = pool_with(&options);
    if (pool)
        calls_in_loop(options.loop, pool);
    if (pool && !closes_first) {
        int rc = via_executor_shutdown(pool, 0, 0);
        FAULT_CHECK(rc == 0 || rc == VIA_ETIMEDOUT || rc == VIA_EDEADLK);
        via_executor_unref(pool);
    }
    loop_shut(options.loop);
    if (pool && closes_first) {
        check_after_loop(pool);
        check_and_shut(pool);
    }
}

static void run_served_shared(void)
{
    run_served(VIA_TRANSPORT_SHARED, true);
}

static void run_served_socket(void)
{
    run_served(VIA_TRANSPORT_SOCKET, false);
}

/* ---- large inputs and answers ---- */

static void large_answers(via_executor *pool)
{
    static const size_t lengths[] = {COPIED_BYTES, LARGE_BYTES, COPIED_BYTES, LARGE_BYTES};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++)
        (void)finish(submit_bytes(pool, give_many, &lengths[i], sizeof(lengths[i])), lengths[i], 'y');
}

static void large_inputs(via_executor *pool)
{
    static char in[LARGE_BYTES];
    memset(in, 'x', sizeof(in));
    for (int i = 0; i < 2; i++)
        (void)finish(submit_bytes(pool, give_back, in, sizeof(in)), sizeof(in), 'x');
}

static void run_large(int transport)
{
    via_executor *pool = pool_over(transport, 1);
    if (!pool)
        return;
    large_inputs(pool);
    large_answers(pool);
    check_alive(pool);
    check_and_shut(pool);
}

static void run_large_shared(void)
{
    run_large(VIA_TRANSPORT_SHARED);
}

static void run_large_socket(void)
{
    run_large(VIA_TRANSPORT_SOCKET);
}

static void use_buffer(via_executor *pool, unsigned flags, via_bytes_fn fn)
{
    via_buffer *buffer = NULL;
    if (!FAULT_WORKED(via_buffer_new(pool, LARGE_BYTES, flags, &buffer))) {
        FAULT_CHECK(!buffer);
        return;
    }
    char *data = via_buffer_data(buffer);
    memset(data, 'x', LARGE_BYTES);
    struct via_call call = VIA_CALL_BUFFER(fn, buffer);
    bool worked = finish(submit(pool, &call), LARGE_BYTES, fn == give_back ? 'x' : -1);
    if (worked && flags)
        FAULT_CHECK(data[0] == 'z' && data[LARGE_BYTES - 1] == 'z');
    via_buffer_unref(buffer);
}

/* Memory that was used before is used again, also if it was not received then. */
static void run_buffers(void)
{
    via_executor *pool = pool_over(VIA_TRANSPORT_SHARED, 1);
    if (!pool)
        return;
    for (int i = 0; i < TRIES; i++) {
        use_buffer(pool, 0, give_back);
        use_buffer(pool, VIA_BUFFER_WRITABLE, write_in_place);
    }
    check_alive(pool);
    check_and_shut(pool);
}

/* ---- a map ---- */

struct numbers {
    int taken, number;
};

static int next_number(void *arg, const void **in, size_t *in_bytes)
{
    struct numbers *source = arg;
    if (source->taken == MAP_ITEMS)
        return 0;
    source->number = source->taken++;
    *in = &source->number;
    *in_bytes = sizeof(source->number);
    return 1;
}

/* Who waits for want of something has to be given it. */
static void *end_want(void *arg)
{
    for (int slices = 0; slices < PATIENCE || !fault_injected(); slices++)
        if (via_cfuture_wait(arg, SLICE_NS) != VIA_ETIMEDOUT)
            return NULL;
    fault_disarm();
    return NULL;
}

static void drain_map(via_map *map)
{
    struct via_outcome outcome;
    int rc = 0;
    while ((rc = via_map_next(map, &outcome)) == 1) {
        if (FAULT_WORKED(outcome.status))
            FAULT_CHECK(outcome.bytes == sizeof(int));
        if (outcome.value && outcome.destroy)
            outcome.destroy(outcome.value);
    }
    FAULT_WORKED(rc);
    via_map_free(map);
}

struct patience {
    via_cfuture *end;
    pthread_t thread;
};

static void begin_patience(struct patience *patience)
{
    patience->end = NULL;
    fault_pause();
    FAULT_CHECK(via_cfuture_new(&patience->end) == 0);
    fault_resume();
    patience->thread = fault_own_thread(end_want, patience->end);
}

static void end_patience(struct patience *patience)
{
    FAULT_CHECK(via_cfuture_set_result(patience->end, NULL, NULL) == 0);
    pthread_join(patience->thread, NULL);
    via_cfuture_unref(patience->end);
}

static void drain_with_patience(via_map *map)
{
    struct patience patience;
    begin_patience(&patience);
    drain_map(map);
    end_patience(&patience);
}

/* Submits while there is no room, and waits for it. */
static void run_blocking(int transport)
{
    static const char in[SMALL_BYTES] = "aaaaaaaaaaaaaaaa";
    struct via_process_pool_options options = options_of(transport, 1);
    options.max_queued = 1;
    options.when_full = VIA_FULL_BLOCK;
    via_executor *pool = pool_with(&options);
    if (!pool)
        return;
    via_cfuture *futures[2 * SMALL_CALLS];
    struct patience patience;
    begin_patience(&patience);
    for (int i = 0; i < 2 * SMALL_CALLS; i++)
        futures[i] = submit_bytes(pool, give_back, in, sizeof(in));
    end_patience(&patience);
    for (int i = 0; i < 2 * SMALL_CALLS; i++)
        (void)finish(futures[i], sizeof(in), 'a');
    check_alive(pool);
    check_and_shut(pool);
}

static void run_blocking_shared(void)
{
    run_blocking(VIA_TRANSPORT_SHARED);
}

static void run_blocking_socket(void)
{
    run_blocking(VIA_TRANSPORT_SOCKET);
}

static void run_packed(void)
{
    struct numbers source = {0, 0};
    struct via_map_options options = {
        .next_bytes = next_number, .source = &source, .bytes_fn = give_back, .chunk = 4};
    via_map *map = NULL;
    via_executor *pool = pool_over(VIA_TRANSPORT_SHARED, 2);
    if (!pool)
        return;
    if (FAULT_WORKED(via_map_new(pool, &options, &map)))
        drain_with_patience(map);
    check_alive(pool);
    check_and_shut(pool);
}

/* ---- ends of workers ---- */

/* A call crashes, one that may be run again does and then succeeds, and the pool goes on. */
static void run_crash(int transport)
{
    static const char in[SMALL_BYTES] = "aaaaaaaaaaaaaaaa";
    struct via_call again = VIA_CALL_BYTES(crash_once, in, sizeof(in));
    via_executor *pool = pool_over(transport, 1);
    if (!pool)
        return;
    again.retries = 1;
    (void)finish_with(submit_bytes(pool, crash, NULL, 0), VIA_ECRASHED);
    (void)finish(submit(pool, &again), sizeof(in), 'a');
    check_alive(pool);
    check_and_shut(pool);
}

static void run_crash_shared(void)
{
    run_crash(VIA_TRANSPORT_SHARED);
}

static void run_crash_socket(void)
{
    run_crash(VIA_TRANSPORT_SOCKET);
}

static void run_hang(void)
{
    struct via_call call = VIA_CALL_BYTES(hang, NULL, 0);
    via_executor *pool = pool_over(VIA_TRANSPORT_SHARED, 1);
    if (!pool)
        return;
    call.timeout_ns = HANG_NS;
    (void)finish_with(submit(pool, &call), VIA_ETIMEDOUT);
    check_alive(pool);
    check_and_shut(pool);
}

/* Waits until the function was entered; false if a fault has kept it from that. */
static bool await_entry(via_cfuture *cf)
{
    for (int slices = 0; atomic_load(fault_births()) == 0; slices++) {
        if (!cf || via_cfuture_wait(cf, VIA_MS) != VIA_ETIMEDOUT)
            return false;
        if (slices == PATIENCE * SLICE_NS / VIA_MS && fault_injected())
            fault_disarm();
    }
    return true;
}

/* A call that was cancelled, and had nothing before it that would keep it. */
static void finish_somehow(via_cfuture *cf)
{
    struct via_outcome outcome;
    await_done(cf);
    if (FAULT_CHECK(via_cfuture_outcome(cf, &outcome) == 0) && outcome.status != VIA_ECANCELED)
        (void)call_worked(&outcome);
    via_cfuture_unref(cf);
}

static void run_cancel(int transport)
{
    via_executor *pool = pool_over(transport, 1);
    if (!pool)
        return;
    via_cfuture *running = submit_bytes(pool, hang, NULL, 0);
    via_cfuture *queued = submit_bytes(pool, give_back, "x", 1);
    bool waits = await_entry(running);
    if (queued)
        via_cfuture_cancel(queued);
    if (running)
        via_cfuture_cancel(running);
    if (waits)
        (void)finish_with(queued, VIA_ECANCELED);
    else if (queued)
        finish_somehow(queued);
    (void)finish_with(running, VIA_ECANCELED);
    check_alive(pool);
    check_and_shut(pool);
}

static void run_cancel_shared(void)
{
    run_cancel(VIA_TRANSPORT_SHARED);
}

static void run_cancel_socket(void)
{
    run_cancel(VIA_TRANSPORT_SOCKET);
}

/* One call hangs, another waits; all workers are killed. */
static void run_kill(void)
{
    static const char in[SMALL_BYTES] = "aaaaaaaaaaaaaaaa";
    via_executor *pool = pool_over(VIA_TRANSPORT_SHARED, 1);
    if (!pool)
        return;
    via_cfuture *running = submit_bytes(pool, hang, NULL, 0);
    via_cfuture *queued = submit_bytes(pool, give_back, in, sizeof(in));
    if (await_entry(running))
        FAULT_CHECK(via_process_pool_kill(pool) >= 0);
    (void)finish_with(running, VIA_ECRASHED);
    (void)finish(queued, sizeof(in), 'a');
    check_alive(pool);
    check_and_shut(pool);
}

static void kill_helper(via_executor *pool)
{
    struct via__process_pool *of = via__process_pool_check(pool);
    via__process_lock(of);
    if (of->zygote.pid > 0)
        kill(of->zygote.pid, SIGKILL);
    via__process_unlock(of);
}

static void run_helper_killed(void)
{
    static const char in[SMALL_BYTES] = "aaaaaaaaaaaaaaaa";
    via_executor *pool = pool_over(VIA_TRANSPORT_SHARED, 1);
    if (!pool)
        return;
    via_cfuture *running = submit_bytes(pool, hang, NULL, 0);
    (void)await_entry(running);
    via_cfuture *queued = submit_bytes(pool, give_back, in, sizeof(in));
    kill_helper(pool);
    (void)finish_with(running, VIA_ECRASHED);
    (void)finish(queued, sizeof(in), 'a');
    check_alive(pool);
    check_and_shut(pool);
}

static void run_recycling(void)
{
    struct via_process_pool_options options = options_of(VIA_TRANSPORT_SHARED, 1);
    options.max_calls = 1;
    via_executor *pool = pool_with(&options);
    if (!pool)
        return;
    small_calls(pool);
    check_and_shut(pool);
}

/* ---- beginnings and ends of workers ---- */

/* Fails the first time in a scenario. */
static int fail_once(via_bytes_call *call, const void *in, size_t bytes)
{
    (void)call;
    if (bytes != SMALL_BYTES || memcmp(in, "aaaaaaaa", 8) != 0)
        return VIA_EINVAL;
    return atomic_fetch_add(fault_births(), 1) == 0 ? via_fail(1, "not the first") : 0;
}

static int do_nothing(via_bytes_call *call, const void *in, size_t bytes)
{
    (void)call;
    (void)in;
    (void)bytes;
    return 0;
}

static void run_initializer(void)
{
    struct via_process_pool_options options = options_of(VIA_TRANSPORT_SHARED, 1);
    options.initializer = fail_once;
    options.initializer_in = "aaaaaaaaaaaaaaaa";
    options.initializer_in_bytes = SMALL_BYTES;
    options.finalizer = do_nothing;
    via_executor *pool = pool_with(&options);
    if (!pool)
        return;
    check_alive(pool);
    check_and_shut(pool);
}

static void confine(unsigned sandbox)
{
    struct via_process_pool_options options = options_of(VIA_TRANSPORT_SHARED, 1);
    static const char *const paths[] = {"/tmp", NULL};
    options.sandbox = sandbox;
    options.writable_paths = paths;
    options.limits.call_cpu_ns = VIA_S;
    via_executor *pool = pool_with(&options);
    if (!pool)
        return;
    check_alive(pool);
    check_and_shut(pool);
}

static void run_confined(void)
{
    confine(VIA_SANDBOX_STRICT & ~(unsigned)VIA_SANDBOX_NO_FILES);
}

static void run_without_files(void)
{
    confine(VIA_SANDBOX_STRICT);
}

static void run_fresh(int transport)
{
    struct via_process_pool_options options = options_of(transport, 1);
    options.fresh_exec = 1;
    via_executor *pool = pool_with(&options);
    if (!pool)
        return;
    check_alive(pool);
    check_and_shut(pool);
}

static void run_fresh_shared(void)
{
    run_fresh(VIA_TRANSPORT_SHARED);
}

static void run_fresh_socket(void)
{
    run_fresh(VIA_TRANSPORT_SOCKET);
}

const struct fault_scenario process_scenarios[] = {
    {"processes: begin and end, shared", run_open_shared, false, true},
    {"processes: begin and end, socket", run_open_socket, false, true},
    {"processes: small calls, shared", run_small_shared, false, true},
    {"processes: small calls, socket", run_small_socket, false, true},
    {"processes: served by a loop, shared", run_served_shared, false, true},
    {"processes: served by a loop, socket", run_served_socket, false, true},
    {"processes: large inputs and answers, shared", run_large_shared, false, true},
    {"processes: large inputs and answers, socket", run_large_socket, false, true},
    {"processes: buffers", run_buffers, false, true},
    {"processes: a packed map", run_packed, false, true},
    {"processes: a crash, shared", run_crash_shared, false, true},
    {"processes: a crash, socket", run_crash_socket, false, true},
    {"processes: a hang", run_hang, false, true},
    {"processes: cancelled calls, shared", run_cancel_shared, false, true},
    {"processes: cancelled calls, socket", run_cancel_socket, false, true},
    {"processes: workers killed", run_kill, false, true},
    {"processes: the helper killed", run_helper_killed, false, true},
    {"processes: recycled workers", run_recycling, false, true},
    {"processes: an initializer that fails once", run_initializer, false, true},
    {"processes: confined workers", run_confined, false, true},
    {"processes: confined workers without files", run_without_files, false, true},
    {"processes: workers started anew, shared", run_fresh_shared, false, true},
    {"processes: workers started anew, socket", run_fresh_socket, false, true},
    {"processes: submitters that wait, shared", run_blocking_shared, false, true},
    {"processes: submitters that wait, socket", run_blocking_socket, false, true},
    {"processes: a named function", run_named, false, true},
    {"processes: a plugin, shared", run_plugin_shared, false, true},
    {"processes: a deleted plugin, socket", run_plugin_socket, false, true},
    {NULL, NULL, false, false},
};
