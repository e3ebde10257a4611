/* SPDX-License-Identifier: BSD-3-Clause */
/* The model: what runs when. */
#include "tasks/model.h"

struct model m;

/* The function returns out of its open sections. */
static void leave_open(struct task *task, int status)
{
    for (int i = 0; i < task->scope_count; i++) {
        const struct scope *scope = &task->scopes[i];
        if (scope->kind == SCOPE_LIMIT)
            m.limits[scope->number].gone = true;
        if (scope->kind == SCOPE_GROUP)
            m.groups[scope->number].gone = true;
    }
    task->status = status;
    m_depart(task);
}

/* Runs a statement.  Tells whether the task waits, or is over. */
static bool run_statement(struct task *task, int at)
{
    switch (m.program->statements[at].operation) {
    case OP_SLEEP:
    case OP_YIELD:
    case OP_AWAIT:
    case OP_WAIT_FOR:
    case OP_AWAIT_ALL:
    case OP_WAIT:
    case OP_COMPLETED:
        return m_begin_wait(task, at);
    case OP_SHIELDED:
    case OP_TIMEOUT:
    case OP_GROUP:
        if (!m_enter(task, at))
            m_ended(task, at, 0);
        return false;
    case OP_RETURN:
        task->left = true;
        if (m.program->statements[at].when == LEAVES_OPEN) {
            leave_open(task, m.program->statements[at].n);
            return true;
        }
        m_ended(task, at, m.program->statements[at].n);
        return false;
    case OP_TASK:
    case OP_GROUP_TASK:
    case OP_PROMISE:
    case OP_SLEEP_FUTURE:
    case OP_GATHER:
    case OP_SHIELD:
    case OP_MAP:
        m_make(task, at);
        return false;
    default:
        m_act(task, at);
        return false;
    }
}

void m_run_task(struct task *task)
{
    for (;;) {
        struct frame *frame = &task->frames[task->depth - 1];
        if (frame->at < 0 || task->leaving) {
            int status = task->leaving ? task->status : 0;
            task->leaving = false;
            task->depth--;
            if (frame->section < 0) {
                m_finish(task, status);
                return;
            }
            if (m_leave(task, frame->section, status))
                return;
        } else {
            int at = frame->at;
            frame->at = m.program->statements[at].next;
            if (m.program->statements[at].live && run_statement(task, at))
                return;
        }
    }
}

static void run_link(const struct link *link)
{
    struct task *task = &m.tasks[link->which];
    switch (link->who) {
    case TELL_TASK:
        if (task->walking)
            m_comes(task, link->future);
        if (task->woken)
            return;
        if (task->wait == WAIT_FUTURE)
            m_resume(task, true);
        else if (task->wait == WAIT_SOME && m_hears(task, &m.objects[link->future]))
            m_resume(task, true);
        break;
    case TELL_GATHER:
        m_gather_child_done(link->which, link->future);
        break;
    case TELL_SHIELD:
        m_settle_shield(link->which, link->future);
        break;
    case TELL_GROUP:
        m_group_member_done(link->which, link->future);
        break;
    case TELL_TRACE:
        m_note(-1, link->which, m_state_of(link->future), 0);
        break;
    case TELL_LOOP:
        m.stopped = true;
        break;
    default:
        break;
    }
}

/* Those who are there now; who is added meanwhile has to wait for another turn. */
static void run_links(int object)
{
    struct future *future = &m.objects[object];
    int at = future->first_link;
    future->queued = false;
    future->first_link = future->last_link = -1;
    for (; at >= 0; at = m.links[at].next)
        run_link(&m.links[at]);
}

static void task_due(struct task *task)
{
    task->armed = task->due = false;
    if (m.objects[task->object].done)
        return;
    if (task->wait != WAIT_NOTHING && !task->woken && task->until <= m.now) {
        m_resume(task, true);
        return;
    }
    m_poke(task);
    if (task->wait != WAIT_NOTHING && !task->woken && !m_interrupted(task)) {
        int64_t over = m_deadline(task);
        m_arm(task, task->until < over ? task->until : over);
    }
}

static void cancel_later(int object, int statement)
{
    int rc = m_cancel(object);
    m_note(-1, statement, rc, 0);
}

static void run_timer(int at)
{
    struct timer timer = m.timers[at];
    m.timers[at].queued = false;
    switch (timer.kind) {
    case TIMER_TASK:
        task_due(&m.tasks[timer.which]);
        break;
    case TIMER_FUTURE:
        if (!m.objects[timer.which].done)
            m_settle(timer.which, 0, false);
        break;
    default:
        cancel_later(timer.which, timer.statement);
    }
}

static int next_timer(void)
{
    int next = -1;
    for (int i = 0; i < m.timer_count; i++) {
        const struct timer *timer = &m.timers[i];
        if (timer->set && (next < 0 || timer->when < m.timers[next].when ||
                           (timer->when == m.timers[next].when && timer->sequence < m.timers[next].sequence)))
            next = i;
    }
    return next;
}

/* Time jumps to the next timer, and all that are due with it are ready.  False if there is none. */
static bool jump(void)
{
    int next = next_timer();
    if (next < 0)
        return false;
    if (m.timers[next].when > m.now)
        m.now = m.timers[next].when;
    while (next >= 0 && m.timers[next].when <= m.now) {
        m.timers[next].set = false;
        m.timers[next].queued = true;
        if (m.timers[next].kind == TIMER_TASK)
            m.tasks[m.timers[next].which].due = true;
        m_enqueue(READY_TIMER, next, 0);
        next = next_timer();
    }
    return true;
}

static void run_ready(void)
{
    struct ready ready = m.queue[m.queue_first++];
    switch (ready.kind) {
    case READY_BEGIN:
        m_begin(ready.which);
        break;
    case READY_TASK:
        m_resume(&m.tasks[ready.which], false);
        break;
    case READY_AWAITER:
        m_resume(&m.tasks[ready.which], true);
        break;
    case READY_FUTURE:
        run_links(ready.which);
        break;
    case READY_TIMER:
        run_timer(ready.which);
        break;
    default:
        cancel_later(ready.which, ready.statement);
    }
}

/* Runs until the future is done, and then what is ready at that moment. */
static int run_until_done(int object)
{
    m.stopped = false;
    m_tell(object, TELL_LOOP, 0);
    while (!m.stopped) {
        if (m.queue_first == m.queue_last && !jump()) {
            m_forget(object, TELL_LOOP, 0);
            return VIA_EDEADLK;
        }
        run_ready();
    }
    return 0;
}

static void run_what_is_ready(void)
{
    while (m.queue_first < m.queue_last)
        run_ready();
}

static int tasks_left(int *list)
{
    int count = 0;
    for (int i = 0; i < m.object_count; i++) {
        if (m.objects[i].sort == SORT_TASK && !m.objects[i].done)
            list[count++] = i;
    }
    return count;
}

static int clean_up(void)
{
    int list[MAX_OBJECTS];
    int count = tasks_left(list);
    for (int i = 0; i < count; i++)
        m_cancel(list[i]);
    if (count == 0)
        return 0;
    int rc = run_until_done(m_make_gather(list, count, VIA_GATHER_RETURN_ERRORS));
    run_what_is_ready();
    m_note(-1, EVENT_CLEANED, rc, count);
    return count;
}

void model_program(const struct program *program, struct trace *trace)
{
    m = (struct model){.program = program, .trace = trace};
    trace->count = 0;
    trace->full = false;
    int object = m_new_object(SORT_TASK);
    m.tasks[object] = (struct task){.object = object, .parent = NO_FUTURE, .body = program->main};
    m.objects_of[0] = object;
    m.number_count = 1;
    m_enqueue(READY_BEGIN, object, 0);
    int rc = run_until_done(object);
    run_what_is_ready();
    m_note(-1, EVENT_RAN, rc, m_state_of(object));
    for (int round = 0; round < ROUNDS && clean_up(); round++)
        continue;
    int list[MAX_OBJECTS];
    m_note(-1, EVENT_LEFT, tasks_left(list), 0);
    trace_add(trace, 0, -1, EVENT_VALUES, 0, 0);
}
