/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What cuts a task's waits short: requests to stop, and the scopes that are open in it.
 *
 * A shield hides the requests and limits of the scopes around it.  `masked` says how many of the requests
 * counted in `cancelling` are hidden now.  A request always comes from outside of every scope, so while a
 * shield is up it is hidden at once; when the shield goes down again under another one, it stays hidden.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "task/section.h"

// The earliest of the open scopes up to the next shield.
static int64_t earliest(const struct via__task *task)
{
    int64_t when_ns = VIA_FOREVER;
    for (const struct via_scope *scope = task->scopes; scope && scope->kind != VIA__SCOPE_SHIELD;
         scope = scope->outer)
        when_ns = scope->when_ns < when_ns ? scope->when_ns : when_ns;
    return when_ns;
}

static void blame_scopes(struct via__task *task, int64_t now_ns)
{
    for (struct via_scope *scope = task->scopes; scope && scope->kind != VIA__SCOPE_SHIELD;
         scope = scope->outer)
        if (scope->when_ns <= now_ns)
            scope->cut = 1;
}

int via__task_interrupted_at(struct via__task *task)
{
    int64_t now_ns = via_loop_time_ns(task->tasks->loop);
    if (task->deadline_ns > now_ns)
        return 0;
    blame_scopes(task, now_ns);
    return VIA_ECANCELED;
}

void via__task_poke(struct via__task *task)
{
    struct via__wait *wait = task->waiting;
    // What it waits for may wait for this task, through others.
    if (!wait || task->poked || via__task_interrupted(task) == 0)
        return;
    // What is cancelled may run code of the program, which may drop its reference.
    via_future_ref(via__task_future(task));
    task->poked = 1;
    wait->cancel(task, wait);
    task->poked = 0;
    via_future_unref(via__task_future(task));
}

static void count_request(struct via__task *task)
{
    task->cancelling++;
    if (task->shields) {
        task->masked++;
        task->unmasked++;
    }
}

// The task to which a task that waits passes a request on, and nothing else; or NULL.
static struct via__task *next_asked(struct via__task *task)
{
    const struct via__wait *wait = task->waiting;
    if (!wait || wait->cancel != via__await_cut || wait->future->state != VIA_PENDING ||
        !via__is_task(wait->future) || via__task_interrupted(task) == 0)
        return NULL;
    return via__task_of(wait->future);
}

int via__task_request(struct via__task *task)
{
    int begun = task->begun;
    count_request(task);
    // Tasks that wait for each other may be a long chain, and the stack is a short one.
    for (struct via__task *next; (next = next_asked(task)); task = next)
        count_request(next);
    via__task_poke(task);
    return begun ? VIA_CANCEL_REQUESTED : VIA_CANCEL_NEVER_RAN;
}

static int64_t next_due(const struct via__task *task)
{
    int64_t until_ns = task->waiting ? task->waiting->until_ns : VIA_FOREVER;
    return until_ns < task->deadline_ns ? until_ns : task->deadline_ns;
}

// The timer: the wait is over, or a limit is; or both have moved while this was in the ready queue.
static void due(via_loop *loop, struct via__ready *node)
{
    struct via__task *task = VIA__CONTAINER_OF(node, struct via__task, timer.ready);
    task->armed = 0;
    if (task->waiting && task->waiting->until_ns <= via_loop_time_ns(loop)) {
        via__loop_note_function(loop, (void *)(uintptr_t)task->fn);
        via__task_resume(task);
    } else {
        via__task_poke(task);
        if (task->waiting && via__task_interrupted(task) == 0)
            (void)via__task_arm(task, next_due(task)); // there is room: it was taken out just now
    }
    via_future_unref(via__task_future(task));
}

static void drop(via_loop *loop, struct via__ready *node)
{
    struct via__task *task = VIA__CONTAINER_OF(node, struct via__task, timer.ready);
    (void)loop;
    via_future_unref(via__task_future(task));
}

static const struct via__ready_kind timer_kind = {.run = due, .drop = drop, .prompt = 1};

void via__task_disarm(struct via__task *task)
{
    if (task->armed && via__timer_unset(task->tasks->loop, &task->timer)) {
        task->armed = 0;
        via__task_future(task)->refs--;
    }
}

int via__task_arm(struct via__task *task, int64_t when_ns)
{
    via_loop *loop = task->tasks->loop;
    if (task->armed && task->timer.node.when_ns == when_ns)
        return 0;
    via__task_disarm(task);
    // In the ready queue: it looks when its turn comes.
    if (task->armed || when_ns == VIA_FOREVER || when_ns == VIA__WHEN_CUT)
        return 0;
    task->timer.ready.kind = &timer_kind;
    int status = via__timer_set(loop, &task->timer, when_ns);
    if (status < 0)
        return status;
    task->armed = 1;
    via__task_future(task)->refs++;
    return 0;
}

int via__scope_is_open(const struct via__task *task, const struct via_scope *scope)
{
    const struct via_scope *at = task->scopes;
    while (at && at != scope)
        at = at->outer;
    return at != NULL;
}

void via__scope_open(struct via__task *task, struct via_scope *scope, enum via__scope_kind kind,
                     int64_t when_ns)
{
    *scope = (struct via_scope){.outer = task->scopes,
                                .task = via__task_future(task),
                                .when_ns = when_ns,
                                .masked = task->masked - task->unmasked,
                                .kind = (unsigned char)kind};
    task->scopes = scope;
    task->deadline_ns = earliest(task);
    task->limits += kind == VIA__SCOPE_TIMEOUT;
    if (kind != VIA__SCOPE_SHIELD)
        return;
    task->shields++;
    task->masked = task->cancelling;
}

// A shield is gone; `masked` requests are not seen outside of it.
static void unmask(struct via__task *task, uint32_t masked)
{
    if (task->shields) {
        task->masked = masked + task->unmasked;
    } else {
        task->masked = 0;
        task->unmasked = 0;
    }
}

void via__scope_close(struct via__task *task, struct via_scope *scope)
{
    if (task->sections)
        via__section_drop(task, scope);
    task->scopes = scope->outer;
    task->deadline_ns = earliest(task);
    scope->task = NULL;
    task->limits -= scope->kind == VIA__SCOPE_TIMEOUT;
    if (scope->kind != VIA__SCOPE_SHIELD)
        return;
    task->shields--;
    unmask(task, scope->masked);
}

void via__scope_lost(struct via__task *task, int kind, uint32_t masked, struct via_scope *inner_shield)
{
    task->deadline_ns = earliest(task);
    task->limits -= kind == VIA__SCOPE_TIMEOUT;
    if (kind != VIA__SCOPE_SHIELD)
        return;
    task->shields--;
    if (inner_shield)
        inner_shield->masked = masked;
    else
        unmask(task, masked);
}

int via__scope_set_when(struct via_scope *scope, int64_t when_ns)
{
    struct via__task *task = via__task_of(scope->task);
    scope->when_ns = when_ns;
    task->deadline_ns = earliest(task);
    if (!task->waiting)
        return 0;
    if (via__task_interrupted(task) == 0)
        return via__task_arm(task, next_due(task));
    via__task_disarm(task);
    via__task_poke(task);
    return 0;
}

// ---- what the program says ----

// The task that is meant: NULL stands for the one that runs.
static int find(const via_future *future, struct via__task **task)
{
    if (!future) {
        *task = via__task_current();
        return *task ? 0 : VIA_ESTATE;
    }
    if (!via__is_task(future))
        return VIA_EINVAL;
    *task = via__task_of((via_future *)(uintptr_t)future);
    return via__loop_check_thread(future->loop);
}

int via_task_cancel(via_future *future, const char *reason)
{
    struct via__task *task;
    int status = future ? find(future, &task) : VIA_EINVAL;
    if (status == 0)
        status = via__loop_check(future->loop);
    if (status < 0)
        return status;
    if (future->state != VIA_PENDING) {
        future->looked = 1; // as via_future_cancel()
        return VIA_CANCEL_TOO_LATE;
    }
    if (reason && !task->reason)
        task->reason = strdup(reason); // without memory it goes without a reason
    return via__task_request(task);
}

int via_task_uncancel(via_future *future)
{
    struct via__task *task;
    int status = find(future, &task);
    if (status < 0)
        return status;
    // The state of the tasks is gone when the loop is closed, but none is pending then.
    int takes_back = task->cancelling && via__task_future(task)->state == VIA_PENDING;
    if (takes_back)
        task->cancelling--;
    if (task->masked > task->cancelling)
        task->masked = task->cancelling;
    if (task->unmasked > task->masked)
        task->unmasked = task->masked;
    if (!task->cancelling) {
        free(task->reason);
        task->reason = NULL;
        if (takes_back && task->tasks->ending)
            via__task_stays(task);
    }
    return (int)task->cancelling;
}

int via_task_cancelling(const via_future *future)
{
    struct via__task *task;
    int status = find(future, &task);
    return status < 0 ? status : (int)task->cancelling;
}

const char *via_task_cancel_reason(const via_future *future)
{
    struct via__task *task;
    return find(future, &task) < 0 ? NULL : task->reason;
}

int via_shield_begin(struct via_scope *scope)
{
    struct via__task *task;
    int status = scope ? via__task_check_here(&task) : VIA_EINVAL;
    if (status < 0)
        return status;
    if (via__scope_is_open(task, scope))
        return VIA_ESTATE;
    via__scope_open(task, scope, VIA__SCOPE_SHIELD, VIA_FOREVER);
    return via__section_keep(task, scope);
}

int via_shield_end(struct via_scope *scope)
{
    struct via__task *task;
    int status = scope ? via__task_check_here(&task) : VIA_EINVAL;
    if (status < 0)
        return status;
    if (task->scopes != scope || scope->kind != VIA__SCOPE_SHIELD)
        return VIA_ESTATE;
    via__scope_close(task, scope);
    return 0;
}
