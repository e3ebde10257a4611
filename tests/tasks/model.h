/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The model: runs a program by the rules of the headers, as plainly as they can be written down.
 *
 * There is a queue of what is ready, first in first out, and a set of timers, by moment and then by the order
 * in which they were set.  When the queue is empty time jumps to the next timer.  Each task is a stack of
 * blocks with the statement that comes next in each; it runs until it has to wait, and what it waits for is
 * in `wait`.
 *
 * Where the headers leave the order of things at one instant open, the model says what is so:
 *
 *  - a future that is done tells all who wait for it in one turn of the queue.  A task that awaits it goes on
 *    there and then, and so does one in via_wait(), or at the end of a group, if this was the last to come;
 *  - what is cut short, and a step of as_completed, goes on a turn later;
 *  - a task that is cancelled before it begins is done when its turn to begin comes;
 *  - a group that stops cuts its body short before it asks its tasks, the oldest first;
 *  - a task has one timer, for its sleep and its limits.  Setting it to the moment that it is set to already
 *    leaves it in its place among the timers of that moment.
 */
#ifndef VIA_TEST_TASKS_MODEL_H
#define VIA_TEST_TASKS_MODEL_H

#include "tasks/program.h"

#include <viaduct/cfuture.h>
#include <viaduct/combine.h>
#include <viaduct/error.h>

#define NEVER INT64_MAX
#define CUT   INT64_MIN

enum {
    MAX_OBJECTS = 2 * MAX_FUTURES, /* numbered futures, and the gathers of await_all */
    MAX_LINKS = 4096,
    MAX_QUEUE = 8192,
    MAX_DEPTH = 16,
    MAX_TIMERS = 512,
    ROUNDS = 4
};

enum sort { SORT_TASK, SORT_PROMISE, SORT_TIMED, SORT_GATHER, SORT_SHIELD, SORT_FAILED };

/* Somebody who is told when a future is done. */
struct link {
    enum { TELL_NOBODY, TELL_TASK, TELL_GATHER, TELL_SHIELD, TELL_GROUP, TELL_TRACE, TELL_LOOP } who;
    int which; /* the task, gather, shield, group or statement */
    int future;
    int next;
};

struct future {
    enum sort sort;
    bool done, cancelled;
    int status;
    int first_link, last_link; /* who is to be told */
    bool queued;               /* they will be, in its turn */
    int children[MAX_FUTURES]; /* of a gather, in the order of the list; of a shield the inner one */
    int child_count;
    int flags;
    int pending;            /* how many children are */
    bool asked;             /* a gather: it was cancelled */
    int error, own_error;   /* a gather: the first error, and that of a child which was not cancelled */
    int group;              /* a task: its group, or -1 */
    int parts[MAX_FUTURES]; /* a gather: what its value says of the children */
    bool telling;           /* a gather: its children are being cancelled, */
    int told;               /* so many of them have been */
    bool owns, taken;       /* its value goes to who takes it; somebody has */
    int timer;              /* of a timed one */
    int map, map_parent;    /* a gather that makes its children: the statement, or -1, and who ran it */
    int to_begin, limit;    /* so many in all, and at once */
    bool failed;            /* a gather: not all of them succeed */
};

enum scope_kind { SCOPE_SHIELD, SCOPE_LIMIT, SCOPE_GROUP };

struct scope {
    enum scope_kind kind;
    int64_t when;
    bool cut;
    int number; /* of a limit or group; -1 for that of wait_for */
};

struct frame {
    int section; /* the statement whose body this is, or -1 */
    int at;      /* the statement that comes next, or -1 */
};

enum wait_kind { WAIT_NOTHING, WAIT_SLEEP, WAIT_TURN, WAIT_FUTURE, WAIT_SOME, WAIT_NEXT, WAIT_GROUP };

struct task {
    int object; /* its future */
    int number, parent, body;
    bool begun, kept, running;
    struct frame frames[MAX_DEPTH];
    int depth;
    struct scope scopes[MAX_DEPTH + 1];
    int scope_count;
    int requests;
    bool leaving; /* the block that runs is over, with `status` */
    bool left;    /* so are all around it */
    int status;
    /* What it waits for. */
    enum wait_kind wait;
    bool woken;   /* it is in the queue */
    bool was_cut; /* the wait was cut short */
    bool poked;   /* it is being cut short: a request that comes back here stops */
    int64_t until;
    int awaited; /* a future, or the group */
    int list[MAX_TARGETS];
    int list_count;
    int when;
    int still; /* how many of the list it has not heard of */
    int statement;
    int group_status;
    bool takes, took; /* an await wants the value; it was one that has to be destroyed */
    /* The walk through `list`: who has come, in this order, and how many of them were given. */
    bool walking;
    int64_t walk_until;
    int come[MAX_TARGETS];
    int come_count, given, steps;
    int whole_list[MAX_TARGETS], whole_count;
    int next;       /* what the step that waits is given, or what it fails with */
    bool gives;     /* a value that has to be destroyed */
    bool reason;    /* a request had one */
    bool departing; /* its function has returned, and groups were left open */
    /* Its timer. */
    bool armed, due;
    int64_t armed_at;
    int timer;
    struct numbers futures, groups, limits;
};

struct group {
    int holder;
    int limit, running;
    bool stopping, stopped_by_cancel, failed, over, ending, had_to_cancel;
    int members[MAX_FUTURES]; /* those not done, oldest first */
    int member_count;
    bool gone; /* left open: nobody names it any more, */
    bool left; /* and its end has begun */
    int told;  /* while it stops: so many of them were asked to */
    int errors[MAX_FUTURES];
    int error_count;
};

struct limit {
    bool open, expired;
    bool gone; /* left open: nobody names it any more */
    int task;
};

struct timer {
    int64_t when;
    uint64_t sequence;
    bool set;
    bool queued; /* it is over, and its turn comes */
    enum { TIMER_TASK, TIMER_FUTURE, TIMER_LATER } kind;
    int which, statement;
};

struct ready {
    enum { READY_BEGIN, READY_TASK, READY_AWAITER, READY_FUTURE, READY_TIMER, READY_LATER } kind;
    int which, statement;
};

struct model {
    const struct program *program;
    struct trace *trace;
    int64_t now;
    uint64_t sequence;
    bool stopped;
    int object_count, link_count, number_count, group_count, limit_count, timer_count, callback_count,
        mapped_count;
    int objects_of[MAX_FUTURES]; /* by number; -1 while it is being made */
    struct future objects[MAX_OBJECTS];
    struct task tasks[MAX_OBJECTS]; /* by object */
    struct link links[MAX_LINKS];
    struct group groups[MAX_GROUPS];
    struct limit limits[MAX_LIMITS];
    struct timer timers[MAX_TIMERS];
    struct ready queue[MAX_QUEUE];
    int queue_first, queue_last;
    int telling[MAX_OBJECTS], telling_count; /* gathers, */
    int stopping[MAX_GROUPS],
        stopping_count; /* and groups, whose futures are being cancelled; the innermost last */
};

extern struct model m;

/* What a wait says that has begun. */
enum { WAITS = 1, NEXT_WAITS = 2 };

/* ---- model_future.c: the queue, futures, gathers and shields ---- */

void m_note(int task, int statement, int value, int detail);

void m_enqueue(int kind, int which, int statement);

int m_set_timer(int64_t when, int kind, int which, int statement);

int m_new_object(enum sort sort);

void m_tell(int object, int who, int which);

/* Takes whom it names off the list, told or not. */
void m_forget(int object, int who, int which);

void m_settle(int object, int status, bool cancelled);

/* The status of the outcome of a future that is done. */
int m_outcome_of(int object);

int m_state_of(int object);

bool m_contains(const int *list, int count, int what);

int m_cancel(int object);

void m_gather_child_done(int object, int child);

int m_make_gather(const int *list, int count, int flags);

/* A gather that makes tasks of the statement's body. */
int m_make_map(int at, int parent);

/* Makes a task that is not ready yet; its number may be NO_FUTURE until it begins. */
int m_new_task(int number, int parent, int body);

int m_make_shield(int inner);

void m_settle_shield(int object, int inner);

/* ---- model_task.c: limits, requests to stop, waits, groups ---- */

/* The earliest limit that awaits of the task are under. */
int64_t m_deadline(const struct task *task);

/* Whether awaits fail now.  If it is for limits that are over these are told. */
bool m_interrupted(struct task *task);

void m_disarm(struct task *task);

void m_arm(struct task *task, int64_t when);

void m_wake(struct task *task);

/* Something may have come about that cuts the wait short. */
void m_poke(struct task *task);

/* A limit of the task has changed, perhaps while it waits. */
void m_limits_moved(struct task *task);

int m_cancel_task(int object);

void m_begin(int object);

void m_finish(struct task *task, int status);

/* The function of a task has returned: its groups that it has left open end, and then it does.  Tells
 * nothing: it may have to wait. */
void m_depart(struct task *task);

/* If the end of the wait was asked for before it begins no limit has to do that. */
void m_suspend(struct task *task, enum wait_kind kind, int statement, int64_t until, bool asked);

int m_awaited_status(struct task *task, int object);

/* With `to_the_end` it waits for what it has cancelled also if the task was interrupted before. */
int m_await(struct task *task, int statement, int object, bool to_the_end);

int m_count_done(const struct task *task);

/* Whether a wait for several futures is over, by what they are now. */
bool m_enough(const struct task *task);

/* One of them is done: whether that ends the wait. */
bool m_hears(struct task *task, const struct future *future);

int m_wait_some(struct task *task, int statement, const int *list, int count);

/* Asks for the next future of the walk: NEXT_WAITS, a status, or 1 with `next` given. */
int m_next(struct task *task, int statement);

/* One of the walk's futures is done. */
void m_comes(struct task *task, int object);

/* Those of the walk that are done have come, though nobody has said so yet. */
void m_look(struct task *task);

/* Its tasks are cancelled, and the awaits of its body fail. */
void m_stop_group(int which);

void m_group_member_done(int which, int object);

/* What the end of a group gives when all its tasks are done. */
int m_group_result(struct task *task, int which, int *sum);

int m_end_group(struct task *task, int statement, int which, int status);

/* ---- model_statement.c: what the statements do ---- */

void m_make(struct task *task, int at);

void m_act(struct task *task, int at);

/* Opens a section; false if there is no room for it. */
bool m_enter(struct task *task, int at);

/* A statement has given a status: it may end its block. */
void m_ended(struct task *task, int at, int status);

/* The body of a section is over.  Tells whether the task waits for its end. */
bool m_leave(struct task *task, int at, int status);

/* Begins a wait.  Tells whether the task waits. */
bool m_begin_wait(struct task *task, int at);

/* The wait of a task is over: it goes on. */
void m_resume(struct task *task, bool in_time);

/* ---- model.c: running ---- */

/* Runs a task until it waits or ends. */
void m_run_task(struct task *task);

#endif
