/* SPDX-License-Identifier: BSD-3-Clause */
/* Waiting for time to pass, and for a turn. */
#include <config.h>

#include <stdlib.h>

#include "base/clock.h"
#include "task/task.h"

struct sleep {
    struct via__wait wait;
    int cut;
};

static void cut_sleep(struct via__task *task, struct via__wait *wait)
{
    struct sleep *sleep = (struct sleep *)wait;
    sleep->cut = 1;
    via__task_wake(task);
}

static int sleep_until(struct via__task *task, int64_t when_ns)
{
    struct sleep sleep = {.wait = {.what = "a time", .until_ns = when_ns, .cancel = cut_sleep}};
    int status = via__task_wait(task, &sleep.wait);
    if (status == 0 && sleep.cut)
        status = VIA_ECANCELED;
    return status;
}

__attribute__((always_inline)) static inline void yield(struct via__task *task)
{
    via__task_wake(task);
    via__task_suspend(task);
}

int via_yield(void)
{
    struct via__task *task;
    int status = via__task_check_wait(&task);
    if (status == 0)
        yield(task);
    return status;
}

int via_sleep_until(int64_t when_ns)
{
    struct via__task *task;
    int status = via__task_check_wait(&task);
    if (status < 0)
        return status;
    if (when_ns > via_loop_time_ns(task->tasks->loop))
        return sleep_until(task, when_ns);
    yield(task);
    return 0;
}

int via_sleep(int64_t duration_ns)
{
    struct via__task *task;
    int status = via__task_check_wait(&task);
    if (status < 0)
        return status;
    if (duration_ns > 0) {
        int64_t now_ns = via_loop_time_ns(task->tasks->loop);
        return sleep_until(task, via__deadline_after(now_ns, duration_ns));
    }
    yield(task);
    return 0;
}

// ---- a future that is done after a while ----

// It has a reference to itself while its timer is set.
struct delay {
    struct via__driven driven;
    struct via__timer timer;
    void *value;
};

static struct delay *delay_of(via_future *future)
{
    return VIA__CONTAINER_OF(future, struct delay, driven.pair.future);
}

static void delay_over(via_loop *loop, struct via__ready *node)
{
    struct delay *delay = VIA__CONTAINER_OF(node, struct delay, timer.ready);
    via_future *future = &delay->driven.pair.future;
    (void)loop;
    if (future->state == VIA_PENDING)
        via__promise_finish(future, 0, 0, delay->value, NULL);
    via_future_unref(future);
}

// The loop closes.  The bridge, which closes first, has told whoever waits.
static void delay_dropped(via_loop *loop, struct via__ready *node)
{
    struct delay *delay = VIA__CONTAINER_OF(node, struct delay, timer.ready);
    (void)loop;
    via_future_unref(&delay->driven.pair.future);
}

static int cancel_delay(via_future *future)
{
    int was_set = via__timer_unset(future->loop, &delay_of(future)->timer);
    future->looked = 1;
    via__promise_cancel(future);
    if (was_set)
        via_future_unref(future);
    return VIA_CANCEL_NEVER_RAN;
}

static void delay_closed(via_future *future)
{
    (void)future;
}

via_future *via_sleep_future(int64_t duration_ns, void *value)
{
    static const struct via__driven_kind kind = {
        .what = "a time", .cancel = cancel_delay, .closed = delay_closed};
    static const struct via__ready_kind over = {.run = delay_over, .drop = delay_dropped};
    via_loop *loop = via__role.loop;
    int status = loop ? via__loop_check(loop) : VIA_ESTATE;
    if (status < 0)
        return via__future_failed(status);
    struct via__bridge *bridge = via__bridge_of(loop);
    struct delay *delay = bridge ? malloc(sizeof *delay) : NULL;
    if (!delay)
        return via__future_failed(VIA_ENOMEM);
    via_future *future = &delay->driven.pair.future;
    via__driven_init(&delay->driven, bridge, &kind, 0);
    delay->value = value;
    delay->timer = (struct via__timer){.ready.kind = &over};
    status = via__timer_set(loop, &delay->timer, via__deadline_after(via_loop_time_ns(loop), duration_ns));
    if (status < 0)
        via__promise_fail(future, status);
    else
        via_future_ref(future);
    return future;
}
