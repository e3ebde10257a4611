/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Awaiting one future.
 *
 * The callback that resumes the task lies on the task's stack.  It is called once, because the wait has no
 * other end than the future's: being interrupted only cancels the future.  That is so for a task that begins
 * to wait as well, with one difference: what has been asked to end is not waited for, unless it is a call
 * that borrows its argument, which may be a variable of this very task, or one that was started here.
 *
 * Tasks that wait for each other in a circle would wait for ever, and pass requests round and round: so the
 * one that would close it is refused.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include <viaduct/bridge.h>

#include "task/task.h"

struct await {
    struct via__wait wait;
    struct via__future_callback callback;
};

void via__await_cut(struct via__task *task, struct via__wait *wait)
{
    // The closing asks every task itself; a chain of them would be asked from each of its links.
    if (!task->tasks->closing || !via__is_task(wait->future))
        (void)via__future_cancel(wait->future);
}

static void give_up(struct via__task *task, struct via__wait *wait)
{
    (void)wait;
    via__task_wake(task);
}

// A worker may still use what the task has on its stack: a call does, or one behind a gather.
static int is_borrowing_call(const via_future *future)
{
    return future->arg_borrowed && (future->in_flight || future->sort == VIA__SORT_DRIVEN);
}

// This and what leads here is in line: see via__task_wait_inline().
__attribute__((always_inline)) static inline int suspend_until_done(struct via__task *task,
                                                                    via_future *future, int must, int asked)
{
    struct await await = {.wait = {.what = "a future",
                                   .future = future,
                                   .until_ns = VIA_FOREVER,
                                   .must = must,
                                   .asked = asked,
                                   .cancel = via__await_cut,
                                   .give_up = give_up},
                          .callback = {.fn = via__task_on_done, .arg = task, .stead = &task->ready}};
    task->ready.kind = &via__task_woken_kind;
    via__future_watch(future, &await.callback);
    int status = via__task_wait_inline(task, &await.wait);
    if (status == 0 && future->state == VIA_PENDING)
        status = VIA_ECANCELED; // it was given up
    if (status < 0)
        via__future_unwatch(future, &await.callback);
    return status;
}

// It was interrupted before, which is rare.
__attribute__((noinline)) static int suspend_though_asked(struct via__task *task, via_future *future,
                                                          int must)
{
    return suspend_until_done(task, future, must, 1);
}

// So many futures behind gathers, groups and the like are looked at here, so that awaiting stays cheap.
#define LOOKS 32

static int waits_for(via_future *future, const struct via__task *task, int *looks);

// The same for one of several futures that are waited for.
static int one_waits_for(via_future *future, const struct via__task *task, int *looks)
{
    return --*looks >= 0 && waits_for(future, task, looks);
}

// Tells whether a task has to wait for another one because of its groups, open as they are.
static int holds(struct via__task *holder, const struct via__task *task, int *looks)
{
    for (const struct via__task *inner = task->holder; inner; inner = inner->holder)
        if (inner == holder)
            return 1;
    for (struct via__list *at = holder->groups.next; at != &holder->groups; at = at->next) {
        struct via__open_group *group = VIA__CONTAINER_OF(at, struct via__open_group, link);
        size_t child = 0;
        for (via_future *next; *looks > 0 && (next = group->next_child(group, &child));)
            if (one_waits_for(next, task, looks))
                return 1;
    }
    return 0;
}

// Tells whether the future is this task, or another one that waits for it, directly or through others.
static int waits_for(via_future *future, const struct via__task *task, int *looks)
{
    while (future && via__is_task(future)) {
        struct via__task *other = via__task_of(future);
        if (other == task || holds(other, task, looks))
            return 1;
        future = other->waiting ? other->waiting->future : NULL;
    }
    if (!future || future->sort != VIA__SORT_DRIVEN || !via__driven_of(future)->kind->depends)
        return 0;
    size_t at = 0;
    for (via_future *next; *looks > 0 && (next = via__driven_of(future)->kind->depends(future, &at));)
        if (one_waits_for(next, task, looks))
            return 1;
    return 0;
}

// Tells whether that is worth a closer look: most awaited futures wait for nobody, be it promises, calls, or
// tasks that are new.
static inline int may_wait(via_future *future, const struct via__task *task)
{
    if (future->sort != VIA__SORT_DRIVEN)
        return 0;
    if (via__driven_of(future)->kind != &via__task_kind)
        return 1;
    struct via__task *other = via__task_of(future);
    return other == task || other->waiting || task->holder || !via__list_empty(&other->groups);
}

static int is_circle(via_future *future, struct via__task *task)
{
    int looks = LOOKS;
    return waits_for(future, task, &looks) || (looks <= 0 && via__task_closes_circle(task, future));
}

__attribute__((always_inline)) static inline int wait_until_done(struct via__task *task, via_future *future,
                                                                 int must)
{
    if (may_wait(future, task) && is_circle(future, task))
        return VIA_EDEADLK;
    int status = via__task_check_interrupted(task);
    if (status == 0)
        return suspend_until_done(task, future, must, 0);
    (void)via__future_cancel(future);
    if (future->state != VIA_PENDING)
        return 0; // it may have a value all the same
    // While the loop is being closed each task comes to its end here, so one can wait for another, which may
    // use its variables, even though it was awaited in a shielded section.
    must |= task->tasks->closing && via__is_task(future);
    return must ? suspend_though_asked(task, future, must) : status;
}

void via__task_keep(struct via__task *task, via_future *future)
{
    via_future *before = task->kept;
    task->kept = future;
    via_future_unref(before);
}

static const via_cfuture *cf_of(const via_future *future)
{
    return future->loop ? future->cf : &VIA__CONTAINER_OF(future, const struct via__pair, future)->cf;
}

// Reads the outcome of a done future, and takes the value out if it has to be destroyed.
static int read_outcome(via_future *future, int take, struct via_outcome *outcome)
{
    const via_cfuture *cf = cf_of(future);
    if (future->state == VIA_CANCELLED || cf->extra || via__cf_state(cf) & VIA__TAKEN) {
        int status = via_future_outcome(future, outcome);
        return status == 0 && take && outcome->destroy ? via_future_take(future, outcome) : status;
    }
    future->looked |= future->loop != NULL;
    *outcome = (struct via_outcome){.status = cf->status, .code = cf->code, .value = cf->value};
    return 0;
}

// The status of the future as its awaiter is told: one of them is the word for a task that was asked to stop
// itself.
static int translate(struct via__task *task, int status)
{
    return status == VIA_ECANCELED && via__task_interrupted(task) == 0 ? VIA_EABORTED : status;
}

// A function that returns the status of what it awaited fails with the same code and text, unless it says
// something else with via_fail().
__attribute__((noinline)) static void inherit_failure(int code, const char *message)
{
    struct via__failure *failure = via__role.failure;
    if (failure->given == VIA__FAILURE_SAID)
        return;
    free(failure->message);
    *failure = (struct via__failure){
        .message = message ? strdup(message) : NULL, .code = code, .given = VIA__FAILURE_AWAITED};
}

static int consume(struct via__task *task, via_future *future, int take, struct via_outcome *outcome)
{
    int status = read_outcome(future, take, outcome), has_text = 0;
    if (status == 0) {
        outcome->status = translate(task, outcome->status);
        status = outcome->status;
        if (status == VIA_EFAILED)
            inherit_failure(outcome->code, outcome->message);
        has_text = take && ((status < 0 && outcome->message) || outcome->process);
    }
    if (has_text)
        via__task_keep(task, future); // the text of an outcome lives in its future
    else
        via_future_unref(future);
    return status;
}

// Most outcomes are a status and a value, of which nothing has to be taken or kept.
static int is_plain(const via_future *future)
{
    return future->loop && future->state == VIA_FINISHED && !future->cf->extra &&
           !(via__cf_state(future->cf) & VIA__TAKEN);
}

__attribute__((always_inline)) static inline int consume_plain(struct via__task *task, via_future *future,
                                                               void **result)
{
    int status = translate(task, future->cf->status);
    if (status == 0 && result)
        *result = future->cf->value;
    if (status == VIA_EFAILED)
        inherit_failure(future->cf->code, NULL);
    future->looked = 1;
    via__future_drop_done(future);
    return status;
}

// Waits until it is done.  If not 0, its reference is gone, or may not be touched here.  `drain`: what was
// cancelled is waited for, even if this task was interrupted before.
__attribute__((always_inline)) static inline int wait_for(via_future *future, int drain,
                                                          struct via__task **task)
{
    int status = future ? via__task_check_here(task) : VIA_EINVAL;
    if (status == 0 && future->loop != (*task)->tasks->loop && future->loop)
        return VIA_EFOREIGN;
    if (status == 0 && future->state == VIA_PENDING)
        status = wait_until_done(*task, future, drain || is_borrowing_call(future));
    if (status < 0)
        via_future_unref(future);
    return status;
}

__attribute__((noinline)) static int consume_value(struct via__task *task, via_future *future, void **result)
{
    struct via_outcome outcome;
    int status = consume(task, future, result != NULL, &outcome);
    if (status == 0 && result)
        *result = outcome.value;
    return status;
}

__attribute__((always_inline)) static inline int await_value_inline(via_future *future, int drain,
                                                                    void **result)
{
    struct via__task *task;
    int status = wait_for(future, drain, &task);
    if (status < 0)
        return status;
    return is_plain(future) ? consume_plain(task, future, result) : consume_value(task, future, result);
}

static int await_value(via_future *future, int drain, void **result)
{
    return await_value_inline(future, drain, result);
}

static int await_outcome(via_future *future, int drain, struct via_outcome *outcome)
{
    struct via__task *task;
    struct via_outcome taken;
    int status = wait_for(future, drain, &task);
    if (status < 0)
        return status;
    taken.status = 1; // nothing was read
    status = consume(task, future, 1, &taken);
    if (taken.status <= 0)
        *outcome = taken;
    return status;
}

int via_await(via_future *future, void **result)
{
    return await_value_inline(future, 0, result);
}

int via__task_await_end(via_future *future, void **result)
{
    return await_value(future, 1, result);
}

int via_await_outcome(via_future *future, struct via_outcome *outcome)
{
    if (outcome)
        return await_outcome(future, 0, outcome);
    via_future_unref(future);
    return VIA_EINVAL;
}

int via_await_to_thread(via_call_fn fn, void *arg, void **result)
{
    struct via__task *task;
    int status = fn ? via__task_check_wait(&task) : VIA_EINVAL;
    return status < 0 ? status : await_value(via_to_thread(fn, arg), 1, result);
}

static int refuse(const struct via_call *call, int status)
{
    if (call && call->destroy)
        call->destroy(call->arg);
    return status;
}

int via_await_in_executor(via_executor *executor, const struct via_call *call, struct via_outcome *outcome)
{
    struct via__task *task;
    int status = call ? via__task_check_wait(&task) : VIA_EINVAL;
    if (status < 0)
        return refuse(call, status);
    via_future *future = via_run_in_executor(task->tasks->loop, executor, call);
    return outcome ? await_outcome(future, 1, outcome) : await_value(future, 1, NULL);
}
