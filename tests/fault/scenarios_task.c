/* SPDX-License-Identifier: BSD-3-Clause */
/* Scenarios of tasks: their stacks and timers, calls on threads, time limits, and loops that are closed while
 * they wait. */
#include <sched.h>

#include "scenario.h"

enum { TASKS = 40, SLEEPERS = 1000, CALLS = 20, LIMITS = 20 };

static via_future *create_for(struct item *item, via_task_fn fn)
{
    struct via_call call = item_call(item);
    struct via_task_options options = {
        .name = "fault", .destroy = call.destroy, .destroy_result = call.destroy_result};
    return via_create_task_with(NULL, fn, item, &options);
}

/* Runs a main task on a loop of its own, which is then closed. */
static void run_task_on(via_loop *loop, via_task_fn fn, void *arg)
{
    via_future *task = via_create_task_with(loop, fn, arg, NULL);
    loop_drive(loop, task);
    if (FAULT_CHECK(via_future_done(task) == 1))
        FAULT_WORKED(via_future_result(task, NULL));
    via_future_unref(task);
    loop_settle(loop);
}

static void run_main_task(via_task_fn fn, void *arg)
{
    via_loop *loop = loop_open();
    if (!loop)
        return;
    run_task_on(loop, fn, arg);
    loop_shut(loop);
}

/* Tasks that await tasks. */

static int give_item(void *arg, void **result)
{
    struct item *item = arg;
    atomic_fetch_add(&item->ran, 1);
    *result = item;
    return via_yield();
}

/* Every other value is taken, the rest go with their tasks. */
static int await_items(void *arg, void **result)
{
    struct item *items = arg;
    via_future *tasks[TASKS];
    (void)result;
    for (int i = 0; i < TASKS; i++)
        tasks[i] = create_for(&items[i], give_item);
    for (int i = 0; i < TASKS; i++) {
        struct via_outcome outcome = {.value = NULL};
        int status = i % 2 ? via_await(tasks[i], NULL) : via_await_outcome(tasks[i], &outcome);
        FAULT_WORKED(status);
        FAULT_CHECK(i % 2 || (outcome.value != NULL) == (status == 0));
        if (outcome.value)
            outcome.destroy(outcome.value);
    }
    return 0;
}

static void run_tasks(void)
{
    static struct item items[TASKS];
    items_reset(items, TASKS);
    run_main_task(await_items, items);
    items_check(items, TASKS);
}

/* A thousand that sleep. */

static int sleep_a_moment(void *arg, void **result)
{
    (void)result;
    return via_sleep(*(int64_t *)arg);
}

static int await_sleepers(void *arg, void **result)
{
    static via_future *tasks[SLEEPERS];
    static int64_t durations_ns[SLEEPERS];
    (void)arg;
    (void)result;
    for (int i = 0; i < SLEEPERS; i++) {
        durations_ns[i] = (int64_t)(i % 10) * VIA_US;
        tasks[i] = via_create_task(sleep_a_moment, &durations_ns[i]);
    }
    via_future *delay = via_sleep_future(VIA_US, NULL);
    for (int i = 0; i < SLEEPERS; i++)
        FAULT_WORKED(via_await(tasks[i], NULL));
    FAULT_WORKED(via_await(delay, NULL));
    return 0;
}

static void run_sleepers(void)
{
    run_main_task(await_sleepers, NULL);
}

/* Calls on threads, with arguments of their own and of their task. */

struct calls {
    struct item *items;
    via_executor *pool;
};

static int set_flag(void *flag, void **result)
{
    *(int *)flag = 1;
    *result = flag;
    return 0;
}

static int await_one_call(struct item *item, via_executor *pool)
{
    struct via_call call = item_call(item);
    struct via_outcome outcome = {.status = 1};
    int flag = 0, status = via_await_in_executor(pool, &call, &outcome);
    FAULT_WORKED(status);
    if (outcome.status <= 0)
        item_check_outcome(item, &outcome);
    if (status == 0)
        outcome.destroy(outcome.value);
    void *value = NULL;
    status = via_await_to_thread(set_flag, &flag, &value);
    FAULT_CHECK(!FAULT_WORKED(status) || (flag && value == &flag));
    return 0;
}

static int await_calls(void *arg, void **result)
{
    struct calls *calls = arg;
    (void)result;
    for (int i = 0; i < CALLS; i++)
        await_one_call(&calls->items[i], calls->pool);
    return 0;
}

static void run_calls(void)
{
    static struct item items[CALLS];
    via_loop *loop = loop_open();
    if (!loop)
        return;
    via_executor *pool = pool_open(2);
    if (pool) {
        struct calls calls = {.items = items, .pool = pool};
        items_reset(items, CALLS);
        if (FAULT_WORKED(via_loop_set_default_executor(loop, pool)))
            run_task_on(loop, await_calls, &calls);
    }
    loop_shut(loop);
    if (pool) {
        pool_shut(pool);
        items_check(items, CALLS);
    }
}

/* Time limits. */

static int sleep_for_ever(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return via_sleep(VIA_FOREVER);
}

static int limit_waits(void *arg, void **result)
{
    struct via_scope outer, inner;
    (void)arg;
    (void)result;
    for (int i = 0; i < LIMITS; i++) {
        if (!FAULT_WORKED(via_timeout_begin(3600 * VIA_S, &outer)))
            continue;
        int status = via_timeout_begin(VIA_US, &inner);
        if (FAULT_WORKED(status)) {
            status = via_timeout_end(&inner, via_sleep(3600 * VIA_S));
            FAULT_CHECK(status == VIA_ETIMEDOUT || !FAULT_WORKED(status));
        }
        status = via_wait_for(via_create_task(sleep_for_ever, NULL), VIA_US, NULL);
        FAULT_CHECK(status == VIA_ETIMEDOUT || !FAULT_WORKED(status));
        FAULT_CHECK(via_timeout_end(&outer, 0) == 0);
    }
    return 0;
}

static void run_limits(void)
{
    run_main_task(limit_waits, NULL);
}

/* A loop that is closed while tasks sleep, await each other, and wait for a function that uses a variable of
 * theirs. */

struct work {
    atomic_int *started;
    int written;
};

static int write_when_asked(void *arg, void **result)
{
    struct work *work = arg;
    atomic_fetch_add(work->started, 1);
    while (!via_call_cancelled())
        sched_yield();
    work->written = 1;
    *result = NULL;
    return VIA_ECANCELED;
}

static int await_writer(void *arg, void **result)
{
    struct work work = {.started = arg};
    int status = via_await_to_thread(write_when_asked, &work, result);
    FAULT_CHECK(status < 0 && (work.written || status != 0));
    FAULT_CHECK(status == VIA_ECANCELED || !FAULT_WORKED(status));
    return status;
}

static int await_forever(void *arg, void **result)
{
    struct item *item = arg;
    atomic_fetch_add(&item->ran, 1);
    *result = item;
    int status = via_await(via_create_task(sleep_for_ever, NULL), NULL);
    FAULT_CHECK(status == VIA_ECANCELED || !FAULT_WORKED(status));
    FAULT_CHECK(via_sleep(VIA_S) == VIA_ECANCELED || fault_injected());
    return status;
}

static int start_all(void *arg, void **result)
{
    struct item *items = arg;
    static atomic_int started;
    (void)result;
    atomic_store(&started, 0);
    via_future *writer = via_create_task(await_writer, &started);
    for (int i = 0; i < TASKS; i++)
        via_future_unref(create_for(&items[i], await_forever));
    for (int turn = 0; turn < 3; turn++)
        FAULT_WORKED(via_yield());
    while (!atomic_load(&started) && via_future_done(writer) == 0)
        if (!FAULT_WORKED(via_yield()))
            break;
    via_future_unref(writer);
    return 0;
}

static void run_close(void)
{
    static struct item items[TASKS];
    via_loop *loop = loop_open();
    if (!loop)
        return;
    via_executor *pool = pool_open(1);
    items_reset(items, TASKS);
    if (pool && FAULT_WORKED(via_loop_set_default_executor(loop, pool)))
        run_task_on(loop, start_all, items);
    loop_shut(loop);
    if (pool)
        pool_shut(pool);
    items_check(items, TASKS);
}

const struct fault_scenario task_scenarios[] = {
    {"tasks that await tasks", run_tasks, false, false},
    {"a thousand sleepers", run_sleepers, false, false},
    {"tasks that await calls", run_calls, false, false},
    {"tasks with time limits", run_limits, false, false},
    {"loop closed while tasks wait", run_close, false, false},
    {NULL, NULL, false, false},
};
