/* SPDX-License-Identifier: BSD-3-Clause */
/* The model: what cuts waits short, how tasks wait, and task groups. */
#include "tasks/model.h"

#include <string.h>

static void cut_end(int which);
static void start_kept(int object);

static int shields(const struct task *task)
{
    int count = 0;
    for (int i = 0; i < task->scope_count; i++)
        count += task->scopes[i].kind == SCOPE_SHIELD;
    return count;
}

int64_t m_deadline(const struct task *task)
{
    int64_t when = NEVER;
    for (int i = task->scope_count - 1; i >= 0 && task->scopes[i].kind != SCOPE_SHIELD; i--)
        when = task->scopes[i].when < when ? task->scopes[i].when : when;
    return when;
}

bool m_interrupted(struct task *task)
{
    if (task->requests && !shields(task))
        return true;
    bool over = false;
    for (int i = task->scope_count - 1; i >= 0 && task->scopes[i].kind != SCOPE_SHIELD; i--) {
        if (task->scopes[i].when > m.now)
            continue;
        over = true;
        task->scopes[i].cut = true;
        if (task->scopes[i].kind == SCOPE_LIMIT && task->scopes[i].number >= 0)
            m.limits[task->scopes[i].number].expired = true;
    }
    return over;
}

void m_disarm(struct task *task)
{
    if (task->armed && !task->due) {
        m.timers[task->timer].set = false;
        task->armed = false;
    }
}

void m_arm(struct task *task, int64_t when)
{
    if (task->armed && task->armed_at == when)
        return;
    m_disarm(task);
    if (task->armed || when == NEVER || when == CUT)
        return;
    task->armed = true;
    task->armed_at = when;
    task->timer = m_set_timer(when, TIMER_TASK, task->object, 0);
}

void m_wake(struct task *task)
{
    if (task->woken)
        return;
    task->woken = true;
    m_enqueue(READY_TASK, task->object, 0);
}

void m_poke(struct task *task)
{
    if (task->wait == WAIT_NOTHING || task->woken || task->poked || !m_interrupted(task))
        return;
    task->was_cut = true;
    task->poked = true;
    switch (task->wait) {
    case WAIT_FUTURE:
        m_cancel(task->awaited);
        break;
    case WAIT_GROUP:
        cut_end(task->awaited);
        break;
    case WAIT_NEXT:
        m_look(task);
        if (task->woken)
            break;
        task->next = VIA_ECANCELED;
        m_wake(task);
        break;
    default:
        m_wake(task);
    }
    task->poked = false;
}

void m_limits_moved(struct task *task)
{
    if (task->wait == WAIT_NOTHING || task->woken)
        return;
    int64_t over = m_deadline(task);
    if (m_interrupted(task))
        m_disarm(task);
    else
        m_arm(task, task->until < over ? task->until : over);
    m_poke(task);
}

int m_cancel_task(int object)
{
    struct future *future = &m.objects[object];
    struct task *task = &m.tasks[object];
    if (future->done)
        return VIA_CANCEL_TOO_LATE;
    task->requests++;
    if (!task->begun) {
        start_kept(object); /* it begins, and finds that it must not run */
        return VIA_CANCEL_NEVER_RAN;
    }
    m_poke(task);
    return VIA_CANCEL_REQUESTED;
}

void m_begin(int object)
{
    struct task *task = &m.tasks[object];
    task->begun = true;
    if (task->requests) {
        m_finish(task, VIA_ECANCELED);
        return;
    }
    if (task->number == NO_FUTURE) {
        if (m.number_count == MAX_FUTURES) {
            m_finish(task, 0);
            return;
        }
        task->number = m.number_count++;
        m.objects_of[task->number] = object;
    }
    m_note(task->number, EVENT_BEGUN, 0, 0);
    task->frames[0] = (struct frame){-1, task->body};
    task->depth = 1;
    m_run_task(task);
}

int m_new_task(int number, int parent, int body)
{
    int object = m_new_object(SORT_TASK);
    m.tasks[object] = (struct task){.object = object, .number = number, .parent = parent, .body = body};
    return object;
}

void m_finish(struct task *task, int status)
{
    m_disarm(task);
    task->reason = false;
    m.objects[task->object].owns = task->gives && status == 0;
    bool cancelled = status == VIA_ECANCELED || status == VIA_EABORTED;
    m_settle(task->object, status > 0 ? VIA_EFAILED : status, cancelled);
}

static bool depends(int object, int on);

static bool any_depends(const int *list, int count, int on)
{
    for (int i = 0; i < count; i++) {
        if (depends(list[i], on))
            return true;
    }
    return false;
}

/* Whether the future can be done only after the task: it awaits it, or holds a group with it. */
static bool depends(int object, int on)
{
    const struct future *future = &m.objects[object];
    const struct task *task = &m.tasks[object];
    if (object == on || future->done)
        return object == on;
    if (future->sort != SORT_TASK)
        return any_depends(future->children, future->child_count, on);
    for (int i = 0; i < m.group_count; i++) {
        if (m.groups[i].holder == object && !m.groups[i].over &&
            any_depends(m.groups[i].members, m.groups[i].member_count, on))
            return true;
    }
    return task->wait == WAIT_FUTURE && !task->woken && depends(task->awaited, on);
}

void m_suspend(struct task *task, enum wait_kind kind, int statement, int64_t until, bool asked)
{
    task->wait = kind;
    task->statement = statement;
    task->until = until;
    task->was_cut = false;
    task->woken = false;
    if (kind == WAIT_TURN)
        return;
    int64_t limit = asked ? NEVER : m_deadline(task);
    if (until == NEVER && limit == NEVER)
        m_disarm(task);
    else
        m_arm(task, until < limit ? until : limit);
}

int m_awaited_status(struct task *task, int object)
{
    int status = m_outcome_of(object);
    struct future *future = &m.objects[object];
    task->took = task->takes && status == 0 && future->owns;
    future->taken |= task->took;
    return status == VIA_ECANCELED && !m_interrupted(task) ? VIA_EABORTED : status;
}

int m_await(struct task *task, int statement, int object, bool to_the_end)
{
    if (m.objects[object].done)
        return m_awaited_status(task, object);
    if (depends(object, task->object))
        return VIA_EDEADLK;
    bool asked = m_interrupted(task);
    if (asked) {
        m_cancel(object);
        if (m.objects[object].done)
            return m_awaited_status(task, object);
        if (!to_the_end)
            return VIA_ECANCELED;
    }
    task->awaited = object;
    m_tell(object, TELL_TASK, task->object);
    m_suspend(task, WAIT_FUTURE, statement, NEVER, asked);
    return WAITS;
}

int m_count_done(const struct task *task)
{
    int count = 0;
    for (int i = 0; i < task->list_count; i++)
        count += m.objects[task->list[i]].done;
    return count;
}

static bool has_failed(const struct future *future)
{
    return future->done && !future->cancelled && future->status;
}

bool m_enough(const struct task *task)
{
    int done = m_count_done(task);
    if (done == task->list_count || (task->when == VIA_FIRST_COMPLETED && done))
        return true;
    for (int i = 0; i < task->list_count && task->when == VIA_FIRST_EXCEPTION; i++) {
        if (has_failed(&m.objects[task->list[i]]))
            return true;
    }
    return false;
}

bool m_hears(struct task *task, const struct future *future)
{
    task->still--;
    return task->still == 0 || task->when == VIA_FIRST_COMPLETED ||
           (task->when == VIA_FIRST_EXCEPTION && has_failed(future));
}

int m_wait_some(struct task *task, int statement, const int *list, int count)
{
    const struct statement *what = &m.program->statements[statement];
    task->list_count = 0;
    for (int i = 0; i < count; i++) {
        if (!m_contains(task->list, task->list_count, list[i]))
            task->list[task->list_count++] = list[i];
    }
    task->when = what->when;
    if (m_enough(task) || what->n == 0)
        return m_count_done(task);
    if (m_contains(task->list, task->list_count, task->object) &&
        (what->when == VIA_ALL_COMPLETED || task->list_count == 1))
        return VIA_EDEADLK;
    if (m_interrupted(task))
        return VIA_ECANCELED;
    task->still = task->list_count - m_count_done(task);
    for (int i = 0; i < task->list_count; i++) {
        if (!m.objects[task->list[i]].done)
            m_tell(task->list[i], TELL_TASK, task->object);
    }
    m_suspend(task, WAIT_SOME, statement, what->n == FOREVER ? NEVER : m.now + what->n, false);
    return INT32_MAX;
}

/* Gives the one that came first to the step that waits for it. */
static bool give(struct task *task)
{
    if (task->given == task->come_count)
        return false;
    task->next = task->come[task->given++];
    return true;
}

void m_comes(struct task *task, int object)
{
    if (m_contains(task->come, task->come_count, object))
        return;
    task->come[task->come_count++] = object;
    if (task->wait == WAIT_NEXT && !task->woken && give(task))
        m_wake(task);
}

void m_look(struct task *task)
{
    for (int i = 0; i < task->list_count; i++) {
        if (m.objects[task->list[i]].done)
            m_comes(task, task->list[i]);
    }
}

int m_next(struct task *task, int statement)
{
    if (task->given == task->list_count)
        return 0;
    if (give(task))
        return 1;
    bool cut = m_interrupted(task);
    if (cut || task->walk_until <= m.now) {
        m_look(task);
        return give(task) ? 1 : cut ? VIA_ECANCELED : VIA_ETIMEDOUT;
    }
    m_suspend(task, WAIT_NEXT, statement, task->walk_until, false);
    return NEXT_WAITS;
}

/* A task that found no room in its group begins. */
static void start_kept(int object)
{
    if (!m.tasks[object].kept)
        return;
    m.tasks[object].kept = false;
    m.groups[m.objects[object].group].running++;
    m_enqueue(READY_BEGIN, object, 0);
}

static void start_in_group(int which)
{
    struct group *group = &m.groups[which];
    for (int i = 0; i < group->member_count && !group->stopping; i++) {
        int object = group->members[i];
        if (group->limit && group->running >= group->limit)
            return;
        start_kept(object);
    }
}

/* Asks the tasks of a group to stop.  One of them may be at the end of a group again: that comes next, before
 * the other tasks of this one, but not inside of whatever the task does. */
static void cancel_members(int which)
{
    int first = m.stopping_count;
    m.groups[which].told = 0;
    m.stopping[m.stopping_count++] = which;
    while (!first && m.stopping_count) {
        struct group *innermost = &m.groups[m.stopping[m.stopping_count - 1]];
        if (innermost->told < innermost->member_count)
            m_cancel(innermost->members[innermost->told++]);
        else
            m.stopping_count--;
    }
}

void m_stop_group(int which)
{
    struct group *group = &m.groups[which];
    if (group->stopping)
        return;
    group->stopping = true;
    struct task *holder = &m.tasks[group->holder];
    for (int i = 0; i < holder->scope_count; i++) {
        if (holder->scopes[i].kind == SCOPE_GROUP && holder->scopes[i].number == which) {
            holder->scopes[i].when = CUT;
            m_limits_moved(holder);
        }
    }
    cancel_members(which);
}

/* The end of a group is to be cut short: its tasks are cancelled, if any has not ended yet. */
static void cut_end(int which)
{
    struct group *group = &m.groups[which];
    for (int i = 0; i < group->member_count; i++)
        group->had_to_cancel |= !m.objects[group->members[i]].done;
    m_stop_group(which);
}

void m_group_member_done(int which, int object)
{
    struct group *group = &m.groups[which];
    struct future *future = &m.objects[object];
    int kept = 0;
    for (int i = 0; i < group->member_count; i++) {
        if (group->members[i] != object)
            group->members[kept++] = group->members[i];
    }
    group->member_count = kept;
    group->running--;
    if (!future->cancelled && future->status) {
        group->failed = true;
        group->errors[group->error_count++] = future->status;
        m_stop_group(which);
    }
    start_in_group(which);
    struct task *holder = &m.tasks[group->holder];
    if (group->ending && group->member_count == 0 && holder->wait == WAIT_GROUP && holder->awaited == which)
        m_resume(holder, true);
}

static bool is_failure(int status)
{
    return status && status != VIA_ECANCELED && status != VIA_EABORTED;
}

int m_group_result(struct task *task, int which, int *sum)
{
    struct group *group = &m.groups[which];
    int status = task->group_status;
    group->over = true;
    if (is_failure(status))
        group->errors[group->error_count++] = status > 0 ? VIA_EFAILED : status;
    *sum = group->error_count;
    for (int i = 0; i < group->error_count; i++)
        *sum = *sum * 31 + group->errors[i];
    if (group->failed)
        return VIA_EGROUP;
    if (is_failure(status))
        return status;
    if (group->had_to_cancel)
        return VIA_ECANCELED;
    return group->stopped_by_cancel && status < 0 && !m_interrupted(task) ? 0 : status;
}

/* Waits for the tasks of a group.  Tells whether it has to. */
static bool end_group_of(struct task *task, int statement, int which)
{
    struct group *group = &m.groups[which];
    group->ending = true;
    if (group->member_count == 0)
        return false;
    task->awaited = which;
    bool asked = m_interrupted(task);
    if (asked)
        cut_end(which);
    m_suspend(task, WAIT_GROUP, statement, NEVER, asked);
    return true;
}

int m_end_group(struct task *task, int statement, int which, int status)
{
    struct group *group = &m.groups[which];
    task->scope_count--;
    task->group_status = status;
    group->ending = true;
    if (status)
        m_stop_group(which);
    return end_group_of(task, statement, which) ? WAITS : 0;
}

void m_depart(struct task *task)
{
    task->departing = true;
    task->scope_count = 0;
    for (int i = m.group_count - 1; i >= 0; i--) {
        struct group *group = &m.groups[i];
        if (group->holder != task->object || group->over || group->left)
            continue;
        m_stop_group(i);
        for (int j = i - 1; j >= 0; j--) {
            if (m.groups[j].holder == task->object && !m.groups[j].over)
                m_stop_group(j);
        }
        group->left = true;
        if (end_group_of(task, -1, i))
            return;
    }
    m_finish(task, task->status);
}
