/* SPDX-License-Identifier: BSD-3-Clause */
/* Viaduct's tasks and coroutines: PROGRAM WORKLOAD 1 PARAM.  The workloads are those of bench/README.md; the
 * programs of the peers do the same in their own words. */
#include "measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <viaduct.h>

enum {
    JOINS = 1000000,
    AWAITS = 5000000,
    FRESH_AWAITS = 2000000,
    TURNS = 1000000,
    YIELDS = 3000000,
    STEPS = 10000000,
    COROUTINES = 2000000,
    TRIPS = 500,
    TRIP_BLOCKS = 20
};

static struct cell cell = {.peer = "viaduct"};

static void check(int status, const char *what)
{
    if (status >= 0)
        return;
    fprintf(stderr, "viaduct: %s: %s\n", what, via_status_text(status));
    exit(1);
}

/* Runs it once for a tenth of `count` and once timed, and prints what each of the `parts` of a round took. */
static void time_rounds(void (*fn)(long count), long count, int parts, const char *metric)
{
    fn(count / 10);
    int64_t from_ns = now_ns();
    fn(count);
    print_value(&cell, metric, (double)(now_ns() - from_ns) / (double)count / parts);
}

/* ---- t1: create, run, join ---- */

static int return_at_once(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return 0;
}

static void join_tasks(long count)
{
    for (long i = 0; i < count; i++)
        check(via_await(via_create_task(return_at_once, NULL), NULL), "join");
}

/* ---- t2: a future that is done ---- */

static via_future *done_future;

static void await_same(long count)
{
    for (long i = 0; i < count; i++)
        check(via_await(via_future_ref(done_future), NULL), "await");
}

static void await_fresh(long count)
{
    via_loop *loop = via_loop_current();
    for (long i = 0; i < count; i++) {
        via_future *future = via_future_new(loop);
        check(via_future_set_result(future, NULL, NULL), "set_result");
        check(via_await(future, NULL), "await");
    }
}

static void await_ready(void)
{
    if (!strcmp(cell.param, "fresh")) {
        time_rounds(await_fresh, FRESH_AWAITS, 1, "ns_per_await");
        return;
    }
    done_future = via_future_new(via_loop_current());
    check(via_future_set_result(done_future, NULL, NULL), "set_result");
    time_rounds(await_same, AWAITS, 1, "ns_per_await");
    done_future = via_future_unref(done_future);
}

/* ---- t3: ping-pong ---- */

static via_future *awaited_by[2];
static long turns;

static void complete_other(int player)
{
    via_future *other = awaited_by[!player];
    awaited_by[!player] = NULL;
    if (other)
        check(via_future_set_result(other, NULL, NULL), "set_result");
    via_future_unref(other);
}

/* Each awaits a future of its own, which the other completes before it does the same. */
static int play(void *arg, void **result)
{
    int player = arg != NULL;
    (void)result;
    for (long i = 0; i < turns; i++) {
        via_future *mine = via_future_new(via_loop_current());
        awaited_by[player] = via_future_ref(mine);
        complete_other(player);
        int status = via_await(mine, NULL);
        if (status < 0)
            return status;
    }
    complete_other(player);
    return 0;
}

static void ping_pong(long count)
{
    turns = count;
    via_future *first = via_create_task(play, NULL), *second = via_create_task(play, &turns);
    check(via_await(first, NULL), "the first player");
    check(via_await(second, NULL), "the second player");
}

/* ---- t4: yield ---- */

static int give_turns(void *arg, void **result)
{
    (void)arg;
    (void)result;
    for (long i = 0; i < turns; i++)
        check(via_yield(), "yield");
    return 0;
}

static void yield_in_turn(long count)
{
    turns = count;
    via_future *first = via_create_task(give_turns, NULL), *second = via_create_task(give_turns, NULL);
    check(via_await(first, NULL), "the first one");
    check(via_await(second, NULL), "the second one");
}

/* ---- t5: sleepers ---- */

static long asleep, awake;
static int64_t sleep_ns;

static int sleep_once(void *arg, void **result)
{
    (void)arg;
    (void)result;
    asleep++;
    int status = via_sleep(sleep_ns);
    awake++;
    return status;
}

static void sleepers(void)
{
    long count = atol(cell.param);
    via_future **tasks = malloc((size_t)count * sizeof *tasks);
    if (!tasks)
        check(VIA_ENOMEM, "the list of tasks");
    memset(tasks, 1, (size_t)count * sizeof *tasks); /* its pages are not the library's */
    sleep_ns = count > 200000 ? 10 * VIA_S : 2 * VIA_S;
    double before = resident_bytes();
    int64_t cpu_from_ns = cpu_ns();
    for (long i = 0; i < count; i++)
        tasks[i] = via_create_task(sleep_once, NULL);
    while (asleep < count)
        check(via_yield(), "yield");
    double bytes = resident_bytes() - before;
    if (awake)
        check(VIA_ETIMEDOUT, "the first sleepers woke before the last one slept");
    for (long i = 0; i < count; i++)
        check(via_await(tasks[i], NULL), "a sleeper");
    print_value(&cell, "cpu_ns_per_sleeper", (double)(cpu_ns() - cpu_from_ns) / (double)count);
    print_value(&cell, "bytes_per_sleeper", bytes / (double)count);
    free(tasks);
}

/* ---- t6: calls on a thread ---- */

static int64_t called_at_ns, awaited[TRIPS * TRIP_BLOCKS], called_back[TRIPS * TRIP_BLOCKS];
static size_t calls, callbacks;
static via_future *trips_over;

static void call_and_record(void);

static int on_returned(via_future *future, void *arg)
{
    (void)arg;
    check(via_future_result(future, NULL), "the call");
    called_back[callbacks++] = now_ns() - called_at_ns;
    if (callbacks % TRIPS)
        call_and_record();
    else
        check(via_future_set_result(trips_over, NULL, NULL), "set_result");
    return 0;
}

static void call_and_record(void)
{
    called_at_ns = now_ns();
    via_future *future = via_to_thread(return_at_once, NULL);
    check(via_future_add_done_callback(future, on_returned, NULL), "a callback");
    via_future_unref(future);
}

static void await_block(void)
{
    for (int i = 0; i < TRIPS; i++) {
        int64_t from_ns = now_ns();
        check(via_await_to_thread(return_at_once, NULL, NULL), "the call");
        awaited[calls++] = now_ns() - from_ns;
    }
}

static void call_back_block(void)
{
    trips_over = via_future_new(via_loop_current());
    call_and_record();
    check(via_await(trips_over, NULL), "the trips");
}

static double p50_of(int64_t *samples, size_t count)
{
    double *values = malloc(count * sizeof *values);
    if (!values)
        check(VIA_ENOMEM, "the samples");
    for (size_t i = 0; i < count; i++)
        values[i] = (double)samples[i];
    double middle = median(values, count);
    free(values);
    return middle;
}

static void use_one_thread(void)
{
    struct via_thread_pool_options options;
    via_executor *pool;
    via_thread_pool_options_init(&options);
    options.max_workers = options.min_workers = 1;
    check(via_thread_pool_new(&options, &pool), "a pool");
    check(via_loop_set_default_executor(via_loop_current(), pool), "the default executor");
    via_executor_unref(pool);
}

/* Both ways by turns in blocks, so that both meet the same moments of the machine. */
static void thread_trips(void)
{
    use_one_thread();
    await_block();
    call_back_block();
    calls = callbacks = 0;
    for (int i = 0; i < TRIP_BLOCKS; i++) {
        await_block();
        call_back_block();
    }
    double await_ns = p50_of(awaited, calls), callback_ns = p50_of(called_back, callbacks);
    print_value(&cell, "p50_ns", await_ns);
    print_value(&cell, "callback_p50_ns", callback_ns);
    print_value(&cell, "added_ns", await_ns - callback_ns);
}

/* ---- t7, t8: coroutines without a loop ---- */

static void make_coroutines(long count)
{
    for (long i = 0; i < count; i++) {
        via_coro *coro;
        check(via_coro_new(return_at_once, NULL, NULL, &coro), "a coroutine");
        check(via_coro_next(coro, NULL), "next");
        via_coro_free(coro);
    }
}

static int generate(void *arg, void **result)
{
    (void)result;
    for (;;) {
        int status = via_coro_yield(arg, NULL);
        if (status < 0)
            return status;
    }
}

static via_coro *generator;

static void step_generator(long count)
{
    for (long i = 0; i < count; i++) {
        void *value;
        check(via_coro_next(generator, &value), "next");
    }
}

static void step_coroutine(void)
{
    check(via_coro_new(generate, &cell, NULL, &generator), "a generator");
    time_rounds(step_generator, STEPS, 1, "ns_per_step");
    generator = via_coro_free(generator);
}

/* ---- */

static int bench_main(void *arg, void **result)
{
    const char *name = cell.workload;
    (void)arg;
    (void)result;
    if (!strcmp(name, "t1"))
        time_rounds(join_tasks, JOINS, 1, "ns_per_task");
    else if (!strcmp(name, "t2"))
        await_ready();
    else if (!strcmp(name, "t3"))
        time_rounds(ping_pong, TURNS, 2, "ns_per_await");
    else if (!strcmp(name, "t4"))
        time_rounds(yield_in_turn, YIELDS, 2, "ns_per_yield");
    else if (!strcmp(name, "t5"))
        sleepers();
    else
        thread_trips();
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 4 || strlen(argv[1]) != 2 || argv[1][0] != 't' || argv[1][1] < '1' || argv[1][1] > '8') {
        fprintf(stderr, "usage: %s t1..t8 1 PARAM\n", argv[0]);
        return 2;
    }
    cell = (struct cell){argv[1], "viaduct", argv[2], argv[3]};
    if (argv[1][1] == '7')
        time_rounds(make_coroutines, COROUTINES, 1, "ns_per_coroutine");
    else if (argv[1][1] == '8')
        step_coroutine();
    else
        check(via_run(bench_main, NULL, NULL), "the run");
    return 0;
}
