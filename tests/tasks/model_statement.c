/* SPDX-License-Identifier: BSD-3-Clause */
/* The model: what the statements do. */
#include "tasks/model.h"

#include <string.h>

static int find(const struct task *task, const struct target *target)
{
    int number = target->kind == TARGET_SELF ? task->number : task->parent;
    if (target->kind >= TARGET_OWN)
        number = target_number(target, &task->futures, m.number_count);
    return number == NO_FUTURE ? NO_FUTURE : m.objects_of[number];
}

static int find_all(const struct task *task, int at, int *list)
{
    const struct statement *statement = &m.program->statements[at];
    int count = 0;
    for (int i = 0; i < statement->target_count; i++) {
        int object = find(task, &statement->targets[i]);
        if (object != NO_FUTURE)
            list[count++] = object;
    }
    return count;
}

static int make_task(struct task *task, int at, int number, int which)
{
    const struct statement *statement = &m.program->statements[at];
    struct group *group = which == NO_FUTURE ? NULL : &m.groups[which];
    if (group && (group->over || group->stopping)) {
        int failed = m_new_object(SORT_FAILED);
        m_settle(failed, VIA_ESTATE, false);
        return m.objects_of[number] = failed;
    }
    int object = m_new_task(number, task->number, statement->body);
    m.objects_of[number] = object;
    m.tasks[object].gives = statement->n & TASK_GIVES;
    m.objects[object].group = which;
    if (group) {
        m_tell(object, TELL_GROUP, which);
        group->members[group->member_count++] = object;
        if (group->limit && group->running >= group->limit) {
            m.tasks[object].kept = true;
            return object;
        }
        group->running++;
    }
    if (statement->n & TASK_EAGER)
        m_begin(object);
    else
        m_enqueue(READY_BEGIN, object, 0);
    return object;
}

void m_make(struct task *task, int at)
{
    const struct statement *statement = &m.program->statements[at];
    const struct target *target = &statement->targets[0];
    int group = target_number(target, &task->groups, m.group_count);
    int inner = find(task, target);
    int list[MAX_TARGETS];
    if (group != NO_FUTURE && m.groups[group].gone)
        group = NO_FUTURE;
    if (m.number_count == MAX_FUTURES ||
        (statement->operation == OP_MAP && m.mapped_count + MAX_TARGETS > MAX_MAPPED) ||
        (statement->operation == OP_GROUP_TASK && group == NO_FUTURE) ||
        (statement->operation == OP_SHIELD && inner == NO_FUTURE))
        return;
    int number = m.number_count++;
    m.objects_of[number] = NO_FUTURE;
    int count = find_all(task, at, list);
    int object = NO_FUTURE;
    switch (statement->operation) {
    case OP_TASK:
        object = make_task(task, at, number, NO_FUTURE);
        break;
    case OP_GROUP_TASK:
        object = make_task(task, at, number, group);
        break;
    case OP_PROMISE:
        object = m_new_object(SORT_PROMISE);
        break;
    case OP_SLEEP_FUTURE:
        object = m_new_object(SORT_TIMED);
        m.objects[object].timer = m_set_timer(m.now + statement->n, TIMER_FUTURE, object, 0);
        break;
    case OP_MAP:
        object = m_make_map(at, task->number);
        break;
    case OP_SHIELD:
        object = m_make_shield(inner);
        break;
    default:
        object = m_make_gather(list, count, statement->n);
    }
    m.objects_of[number] = object;
    numbers_add(&task->futures, number);
    m_note(task->number, at, number, m_state_of(object));
}

static int settle_promise(int object, int status)
{
    if (m.objects[object].sort != SORT_PROMISE || m.objects[object].done)
        return VIA_ESTATE;
    m_settle(object, status > 0 ? VIA_EFAILED : status, false);
    return 0;
}

static int act_on_task(int object, enum operation operation)
{
    struct task *task = &m.tasks[object];
    if (m.objects[object].sort != SORT_TASK)
        return VIA_EINVAL;
    switch (operation) {
    case OP_CANCEL:
        task->reason |= !m.objects[object].done;
        return m_cancel_task(object);
    case OP_UNCANCEL:
        if (task->requests && !m.objects[object].done)
            task->requests--;
        task->reason &= task->requests > 0;
        return task->requests;
    default:
        return task->requests;
    }
}

static int act_on_future(int at, int object)
{
    const struct statement *statement = &m.program->statements[at];
    switch (statement->operation) {
    case OP_SETTLE:
        return settle_promise(object, statement->n);
    case OP_CANCEL_ANY:
        return m_cancel(object);
    case OP_STATE:
        return m_state_of(object);
    case OP_WATCH:
        m_tell(object, TELL_TRACE, at);
        return 0;
    case OP_LATER:
        if (statement->n <= 0)
            m_enqueue(READY_LATER, object, at);
        else
            m_set_timer(m.now + statement->n, TIMER_LATER, object, at);
        return 0;
    default:
        return act_on_task(object, statement->operation);
    }
}

static int reschedule(int which, int n)
{
    struct limit *limit = &m.limits[which];
    if (!limit->open || limit->expired)
        return VIA_ESTATE;
    struct task *task = &m.tasks[limit->task];
    for (int i = 0; i < task->scope_count; i++) {
        if (task->scopes[i].kind == SCOPE_LIMIT && task->scopes[i].number == which)
            task->scopes[i].when = n == FOREVER ? NEVER : m.now + n;
    }
    m_limits_moved(task);
    return 0;
}

static int cancel_group(int which)
{
    struct group *group = &m.groups[which];
    if (!group->over && !group->stopping) {
        group->stopped_by_cancel = true;
        m_stop_group(which);
    }
    return 0;
}

void m_act(struct task *task, int at)
{
    const struct statement *statement = &m.program->statements[at];
    const struct target *target = &statement->targets[0];
    int group = target_number(target, &task->groups, m.group_count);
    int limit = target_number(target, &task->limits, m.limit_count);
    int object = find(task, target);
    int value = 0, detail = 0;
    if (group != NO_FUTURE && m.groups[group].gone)
        group = NO_FUTURE;
    if (limit != NO_FUTURE && m.limits[limit].gone)
        limit = NO_FUTURE;
    switch (statement->operation) {
    case OP_RESCHEDULE:
        value = limit == NO_FUTURE ? 0 : reschedule(limit, statement->n);
        break;
    case OP_EXPIRED:
        value = limit == NO_FUTURE ? 0 : m.limits[limit].expired;
        break;
    case OP_GROUP_CANCEL:
        value = group == NO_FUTURE ? 0 : cancel_group(group);
        break;
    default:
        if (object != NO_FUTURE)
            value = act_on_future(at, object);
        if (object != NO_FUTURE && statement->operation == OP_STATE)
            detail = m.objects[object].done ? m_outcome_of(object) : VIA_EPENDING;
        if (object != NO_FUTURE && statement->operation == OP_CANCELLING)
            detail = m.objects[object].sort == SORT_TASK && m.tasks[object].reason;
    }
    m_note(task->number, at, value, detail);
}

static void open_scope(struct task *task, enum scope_kind kind, int64_t when, int number)
{
    task->scopes[task->scope_count++] = (struct scope){kind, when, false, number};
}

static void open_limit(struct task *task, int n, int number)
{
    open_scope(task, SCOPE_LIMIT, n == FOREVER ? NEVER : m.now + n, number);
    if (m_deadline(task) > m.now)
        m_arm(task, m_deadline(task));
}

/* What the end of a limit makes of a status. */
static int close_limit(struct task *task, int status)
{
    struct scope scope = task->scopes[--task->scope_count];
    if (task->armed && m_deadline(task) != task->armed_at)
        m_disarm(task);
    return status == VIA_ECANCELED && scope.cut && !m_interrupted(task) ? VIA_ETIMEDOUT : status;
}

bool m_enter(struct task *task, int at)
{
    const struct statement *statement = &m.program->statements[at];
    if (statement->operation == OP_SHIELDED) {
        open_scope(task, SCOPE_SHIELD, NEVER, 0);
    } else if (statement->operation == OP_TIMEOUT) {
        if (m.limit_count == MAX_LIMITS)
            return false;
        int number = m.limit_count++;
        m.limits[number] = (struct limit){.open = true, .task = task->object};
        numbers_add(&task->limits, number);
        open_limit(task, statement->n, number);
    } else {
        if (m.group_count == MAX_GROUPS)
            return false;
        int number = m.group_count++;
        m.groups[number] = (struct group){.holder = task->object, .limit = statement->n};
        numbers_add(&task->groups, number);
        open_scope(task, SCOPE_GROUP, NEVER, number);
    }
    task->frames[task->depth++] = (struct frame){at, statement->body};
    return true;
}

void m_ended(struct task *task, int at, int status)
{
    task->leaving = task->left || (status < 0 && m.program->statements[at].leaves);
    task->status = task->leaving ? status : 0;
}

static void group_over(struct task *task, int at, int which)
{
    int sum = 0;
    int status = m_group_result(task, which, &sum);
    m_note(task->number, at, status, sum);
    m_ended(task, at, status);
}

bool m_leave(struct task *task, int at, int status)
{
    struct scope scope = task->scopes[task->scope_count - 1];
    switch (scope.kind) {
    case SCOPE_SHIELD:
        task->scope_count--;
        m_note(task->number, at, status, 0);
        break;
    case SCOPE_LIMIT:
        m.limits[scope.number].open = false;
        status = close_limit(task, status);
        m_note(task->number, at, status, m.limits[scope.number].expired);
        break;
    default:
        if (m_end_group(task, at, scope.number, status) == WAITS)
            return true;
        group_over(task, at, scope.number);
        return false;
    }
    m_ended(task, at, status);
    return false;
}

/* What the value of a gather says of the futures that were listed. */
static int sum_of(const struct task *task, const struct future *gather)
{
    int sum = 0;
    for (int i = 0; i < task->list_count; i++) {
        int at = 0;
        while (gather->children[at] != task->list[i])
            at++;
        sum = sum * 31 + gather->parts[at];
    }
    return sum;
}

/* A wait is over, with this status: what the statement makes of it. */
static void waited(struct task *task, int at, int status)
{
    enum operation operation = m.program->statements[at].operation;
    int detail = 0;
    if (operation == OP_WAIT_FOR)
        status = close_limit(task, status);
    if (operation == OP_AWAIT_ALL && status == 0)
        detail = sum_of(task, &m.objects[task->awaited]);
    if (operation == OP_AWAIT)
        detail = task->took;
    m_note(task->number, at, status, detail);
    m_ended(task, at, operation == OP_WAIT && status > 0 ? 0 : status);
}

/* Goes on with a walk, whose step has given this.  Tells whether the task waits. */
static bool walk(struct task *task, int at, int status)
{
    for (;;) {
        int place = -1;
        if (status == NEXT_WAITS)
            return true;
        for (int i = task->whole_count; status == 1 && i-- > 0;)
            place = task->whole_list[i] == task->next ? i : place;
        m_note(task->number, at, status, place);
        if (status <= 0 || ++task->steps > m.program->statements[at].when)
            break;
        status = m_next(task, at);
    }
    for (int i = 0; i < task->list_count; i++)
        m_forget(task->list[i], TELL_TASK, task->object);
    task->walking = false;
    m_ended(task, at, status < 0 ? status : 0);
    return false;
}

static bool begin_walk(struct task *task, int at, const int *list, int count)
{
    int n = m.program->statements[at].n;
    task->walking = true;
    task->list_count = task->come_count = task->given = task->steps = 0;
    task->walk_until = n == FOREVER ? NEVER : m.now + n;
    task->whole_count = count;
    memcpy(task->whole_list, list, (size_t)count * sizeof *list);
    for (int i = 0; i < count; i++) {
        if (m_contains(task->list, task->list_count, list[i]))
            continue;
        task->list[task->list_count++] = list[i];
        if (m.objects[list[i]].done)
            m_comes(task, list[i]);
        else
            m_tell(list[i], TELL_TASK, task->object);
    }
    return walk(task, at, m_next(task, at));
}

bool m_begin_wait(struct task *task, int at)
{
    const struct statement *statement = &m.program->statements[at];
    int list[MAX_TARGETS];
    int count = find_all(task, at, list);
    int object = find(task, &statement->targets[0]);
    int status = 0;
    switch (statement->operation) {
    case OP_SLEEP:
    case OP_YIELD:
        status = WAITS;
        if (m_interrupted(task)) {
            status = VIA_ECANCELED;
        } else if (statement->operation == OP_YIELD || statement->n == 0) {
            m_suspend(task, WAIT_TURN, at, NEVER, false);
            m_wake(task);
        } else {
            m_suspend(task, WAIT_SLEEP, at, statement->n == FOREVER ? NEVER : m.now + statement->n, false);
        }
        break;
    case OP_WAIT_FOR:
        if (object != NO_FUTURE) {
            open_limit(task, statement->n, -1);
            task->takes = false;
            status = m_await(task, at, object, true);
            break;
        }
        m_note(task->number, at, 0, 0);
        return false;
    case OP_AWAIT:
        if (object == NO_FUTURE)
            return false;
        task->takes = statement->when == TAKES;
        task->took = false;
        status = m_await(task, at, object, false);
        break;
    case OP_COMPLETED:
        return begin_walk(task, at, list, count);
    case OP_AWAIT_ALL:
        memcpy(task->list, list, sizeof list);
        task->list_count = count;
        task->takes = false;
        task->awaited = m_make_gather(list, count, statement->n);
        status = m_await(task, at, task->awaited, false);
        break;
    default:
        status = m_wait_some(task, at, list, count);
        if (status == INT32_MAX)
            return true;
        waited(task, at, status);
        return false;
    }
    if (status == WAITS)
        return true;
    waited(task, at, status);
    return false;
}

void m_resume(struct task *task, bool in_time)
{
    enum wait_kind kind = task->wait;
    int at = task->statement, awaited = task->awaited;
    bool was_cut = task->was_cut;
    task->wait = WAIT_NOTHING;
    task->woken = false;
    if (kind != WAIT_TURN && task->armed && task->armed_at != m_deadline(task))
        m_disarm(task);
    switch (kind) {
    case WAIT_SLEEP:
        waited(task, at, was_cut && !in_time ? VIA_ECANCELED : 0);
        break;
    case WAIT_TURN:
        waited(task, at, 0);
        break;
    case WAIT_FUTURE:
        m_forget(awaited, TELL_TASK, task->object);
        waited(task, at, m_awaited_status(task, awaited));
        break;
    case WAIT_SOME:
        for (int i = 0; i < task->list_count; i++)
            m_forget(task->list[i], TELL_TASK, task->object);
        waited(task, at, was_cut && !m_enough(task) ? VIA_ECANCELED : m_count_done(task));
        break;
    case WAIT_NEXT:
        if (in_time) {
            m_look(task);
            task->next = task->given < task->come_count ? task->come[task->given++] : VIA_ETIMEDOUT;
        }
        if (walk(task, at, task->next < 0 ? task->next : 1))
            return;
        break;
    default:
        if (task->departing) {
            m_depart(task);
            return;
        }
        group_over(task, at, awaited);
    }
    m_run_task(task);
}
