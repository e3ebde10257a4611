/* SPDX-License-Identifier: BSD-3-Clause */
/* The model: futures, and those that stand for others. */
#include "tasks/model.h"

#include <assert.h>

void m_note(int task, int statement, int value, int detail)
{
    trace_add(m.trace, m.now, task, statement, value, detail);
}

void m_enqueue(int kind, int which, int statement)
{
    assert(m.queue_last < MAX_QUEUE);
    m.queue[m.queue_last++] = (struct ready){kind, which, statement};
}

int m_set_timer(int64_t when, int kind, int which, int statement)
{
    int at = 0;
    while (at < m.timer_count && (m.timers[at].set || m.timers[at].queued))
        at++;
    assert(at < MAX_TIMERS);
    if (at == m.timer_count)
        m.timer_count++;
    m.timers[at] = (struct timer){when, ++m.sequence, true, false, kind, which, statement};
    return at;
}

int m_new_object(enum sort sort)
{
    int object = m.object_count++;
    assert(object < MAX_OBJECTS);
    m.objects[object] =
        (struct future){.sort = sort, .first_link = -1, .last_link = -1, .group = -1, .map = -1};
    return object;
}

/* Whether a task that awaits the future is all that is to be told. */
static bool is_awaiter(const struct link *link)
{
    const struct task *task = &m.tasks[link->which];
    return link->who == TELL_TASK && task->wait == WAIT_FUTURE && task->awaited == link->future;
}

/* Whoever is to be told is told in the turn of a future that is done; a task that is the only one gets the
 * turn itself. */
static void announce(int object)
{
    struct future *future = &m.objects[object];
    const struct link *last = NULL;
    int count = 0;
    for (int at = future->first_link; at >= 0; at = m.links[at].next) {
        if (m.links[at].who == TELL_NOBODY)
            continue;
        last = &m.links[at];
        count++;
    }
    if (!future->done || future->queued || !count)
        return;
    if (count == 1 && is_awaiter(last)) {
        m_enqueue(READY_AWAITER, last->which, 0);
        future->first_link = future->last_link = -1;
        return;
    }
    future->queued = true;
    m_enqueue(READY_FUTURE, object, 0);
}

void m_tell(int object, int who, int which)
{
    struct future *future = &m.objects[object];
    int at = m.link_count++;
    assert(at < MAX_LINKS);
    m.links[at] = (struct link){who, which, object, -1};
    if (future->last_link < 0)
        future->first_link = at;
    else
        m.links[future->last_link].next = at;
    future->last_link = at;
    announce(object);
}

void m_forget(int object, int who, int which)
{
    for (int i = 0; i < m.link_count; i++) {
        if (m.links[i].future == object && (int)m.links[i].who == who && m.links[i].which == which)
            m.links[i].who = TELL_NOBODY;
    }
}

void m_settle(int object, int status, bool cancelled)
{
    struct future *future = &m.objects[object];
    assert(!future->done);
    future->done = true;
    future->cancelled = cancelled;
    future->status = cancelled ? VIA_ECANCELED : status;
    announce(object);
}

/* What its status is for those who look at it from outside. */
static int status_seen(const struct future *future)
{
    return future->status == VIA_ECANCELED ? VIA_EABORTED
           : future->owns && future->taken ? VIA_ETAKEN
                                           : future->status;
}

/* Takes its value, if there is one to be taken; gives the status with which that ends. */
static int take(int object)
{
    int status = status_seen(&m.objects[object]);
    m.objects[object].taken = true;
    return status;
}

int m_outcome_of(int object)
{
    const struct future *future = &m.objects[object];
    return future->owns && future->taken ? VIA_ETAKEN : future->status;
}

int m_state_of(int object)
{
    const struct future *future = &m.objects[object];
    return !future->done ? VIA_PENDING : future->cancelled ? VIA_CANCELLED : VIA_FINISHED;
}

bool m_contains(const int *list, int count, int what)
{
    for (int i = 0; i < count; i++) {
        if (list[i] == what)
            return true;
    }
    return false;
}

/* All children of a gather are cancelled.  What a child waits for may be a gather again: that comes next,
 * before the other children of this one, but not inside of whatever the child does; and each gather comes
 * once. */
static void cancel_children(int object)
{
    struct future *gather = &m.objects[object];
    int first = m.telling_count;
    if (gather->telling)
        return;
    gather->telling = true;
    gather->told = 0;
    m.telling[m.telling_count++] = object;
    if (first)
        return;
    int asked[MAX_OBJECTS], asked_count = 0;
    while (m.telling_count) {
        int innermost = m.telling[m.telling_count - 1];
        gather = &m.objects[innermost];
        if (gather->told < gather->child_count) {
            m_cancel(gather->children[gather->told++]);
        } else {
            m.telling_count--;
            asked[asked_count++] = innermost;
        }
    }
    for (int i = 0; i < asked_count; i++)
        m.objects[asked[i]].telling = false;
}

/* It is too late when all children are done. */
static int cancel_gather(int object)
{
    struct future *gather = &m.objects[object];
    bool pending = false;
    for (int i = 0; i < gather->child_count; i++)
        pending |= !m.objects[gather->children[i]].done;
    bool has_more = gather->child_count < gather->to_begin;
    if (!pending && !has_more)
        return VIA_CANCEL_TOO_LATE;
    gather->to_begin = gather->child_count;
    gather->failed |= has_more;
    gather->asked = true;
    cancel_children(object);
    return VIA_CANCEL_REQUESTED;
}

int m_cancel(int object)
{
    struct future *future = &m.objects[object];
    if (future->done)
        return VIA_CANCEL_TOO_LATE;
    switch (future->sort) {
    case SORT_TASK:
        return m_cancel_task(object);
    case SORT_GATHER:
        return cancel_gather(object);
    case SORT_TIMED:
        m.timers[future->timer].set = false;
        break;
    case SORT_SHIELD:
        if (m.objects[future->children[0]].done) {
            /* It is only that nobody has said so yet. */
            m_forget(future->children[0], TELL_SHIELD, object);
            m_settle_shield(object, future->children[0]);
            return VIA_CANCEL_TOO_LATE;
        }
        m_forget(future->children[0], TELL_SHIELD, object);
        m_settle(object, 0, true);
        return VIA_CANCEL_ABANDONED;
    default:
        break;
    }
    m_settle(object, 0, true);
    return VIA_CANCEL_NEVER_RAN;
}

/* All children are done. */
static void settle_gather(int object)
{
    struct future *gather = &m.objects[object];
    bool errors_wanted = gather->flags & VIA_GATHER_RETURN_ERRORS;
    int error = errors_wanted ? 0 : gather->asked ? gather->own_error : gather->error;
    if (gather->asked && gather->failed && !error) {
        m_settle(object, 0, true);
        return;
    }
    for (int i = 0; i < gather->child_count && !error; i++)
        gather->parts[i] = take(gather->children[i]);
    for (int i = 0; i < gather->child_count && !error && !errors_wanted; i++)
        error = gather->parts[i]; /* somebody else has its value */
    gather->owns = error == 0;
    m_settle(object, error, false);
}

static void leave_gather(int object)
{
    for (int i = 0; i < m.objects[object].child_count; i++)
        m_forget(m.objects[object].children[i], TELL_GATHER, object);
}

/* A child has failed: tells whether that ends the gather. */
static bool gather_error(int object, int status)
{
    struct future *gather = &m.objects[object];
    bool first = status && !gather->error;
    gather->failed |= status != 0;
    if (first)
        gather->error = status;
    if (status && status != VIA_EABORTED && !gather->own_error)
        gather->own_error = status;
    if (!status || gather->flags & VIA_GATHER_RETURN_ERRORS || gather->asked)
        return false;
    if (!(gather->flags & VIA_GATHER_DRAIN))
        return true;
    gather->to_begin = gather->child_count;
    if (first)
        cancel_children(object);
    return false;
}

/* A map makes tasks as long as there is room, and no error that counts. */
static void begin_children(int object)
{
    struct future *gather = &m.objects[object];
    bool stopped = gather->error && !(gather->flags & VIA_GATHER_RETURN_ERRORS);
    while (gather->map >= 0 && !stopped && gather->child_count < gather->to_begin &&
           (!gather->limit || gather->pending < gather->limit)) {
        int child = m_new_task(NO_FUTURE, gather->map_parent, m.program->statements[gather->map].body);
        gather->children[gather->child_count++] = child;
        gather->pending++;
        m_enqueue(READY_BEGIN, child, 0);
        m_tell(child, TELL_GATHER, object);
    }
}

void m_gather_child_done(int object, int child)
{
    struct future *gather = &m.objects[object];
    if (gather->done)
        return;
    gather->pending--;
    bool over = gather_error(object, status_seen(&m.objects[child]));
    begin_children(object);
    if (over) {
        leave_gather(object);
        m_settle(object, gather->error, false);
    } else if (gather->pending == 0) {
        settle_gather(object);
    }
}

int m_make_gather(const int *list, int count, int flags)
{
    int object = m_new_object(SORT_GATHER);
    struct future *gather = &m.objects[object];
    bool was_done[MAX_FUTURES];
    gather->flags = flags;
    for (int i = 0; i < count; i++) {
        if (!m_contains(gather->children, gather->child_count, list[i]))
            gather->children[gather->child_count++] = list[i];
    }
    for (int i = 0; i < gather->child_count; i++) {
        was_done[i] = m.objects[gather->children[i]].done;
        if (!was_done[i]) {
            gather->pending++;
            m_tell(gather->children[i], TELL_GATHER, object);
        }
    }
    for (int i = 0; i < gather->child_count && !gather->done; i++) {
        struct future *child = &m.objects[gather->children[i]];
        if (was_done[i] && gather_error(object, status_seen(child))) {
            leave_gather(object);
            m_settle(object, gather->error, false);
        }
    }
    if (!gather->done && gather->pending == 0)
        settle_gather(object);
    return object;
}

int m_make_map(int at, int parent)
{
    const struct statement *statement = &m.program->statements[at];
    int object = m_new_object(SORT_GATHER);
    struct future *gather = &m.objects[object];
    gather->flags = statement->n;
    gather->map = at;
    gather->map_parent = parent;
    gather->to_begin = statement->when + 1;
    gather->limit = statement->targets[0].n % 3;
    m.mapped_count += gather->to_begin;
    begin_children(object);
    return object;
}

int m_make_shield(int inner)
{
    if (m.objects[inner].done)
        return inner;
    int object = m_new_object(SORT_SHIELD);
    m.objects[object].children[0] = inner;
    m.objects[object].child_count = 1;
    m_tell(inner, TELL_SHIELD, object);
    return object;
}

void m_settle_shield(int object, int inner)
{
    int status = m_outcome_of(inner);
    m.objects[object].owns = m.objects[inner].owns;
    m.objects[inner].taken = true;
    m_settle(object, status, m.objects[inner].cancelled);
}
