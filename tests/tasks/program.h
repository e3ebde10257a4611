/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The model test of tasks: random programs, run by the library and by a model of it, must leave equal traces.
 *
 * A program is a tree of statements.  Each block is the body of a task, or a section of one.  What a
 * statement gives is written to a trace, with the time and the task that ran it.  Futures, groups and time
 * limits are numbered in the order in which they are made, and statements name them by number, so both sides
 * find the same.
 *
 *   program.c   makes a program from a seed, and prints one
 *   run.c       runs it with the library, on a loop with a virtual clock
 *   model.c     runs it by the rules of the headers; shares no code with the library
 *   shrink.c    makes a program smaller as long as it fails
 *   tasks.c     does that many times
 */
#ifndef VIA_TEST_TASKS_PROGRAM_H
#define VIA_TEST_TASKS_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum {
    MAX_STATEMENTS = 128,
    MAX_TARGETS = 3,
    MAX_FUTURES = 96, /* beyond that nothing is made any more */
    MAX_GROUPS = 32,
    MAX_LIMITS = 64,
    MAX_MAPPED = 32, /* tasks of maps */
    MAX_TRACE = 1024
};

enum { NO_FUTURE = -1, FOREVER = -1 };

enum operation {
    OP_SLEEP,        /* for `n` units of time */
    OP_YIELD,        /* */
    OP_RETURN,       /* ends the task with `n`; leaves its sections open if `when` is LEAVES_OPEN */
    OP_TASK,         /* makes a task of its body; `n` of enum task_sort */
    OP_PROMISE,      /* makes a promise */
    OP_SLEEP_FUTURE, /* makes a future that is done after `n` */
    OP_GATHER,       /* gathers its targets, with flags `n` */
    OP_SHIELD,       /* shields its target */
    OP_MAP,          /* gathers what `when` + 1 tasks of its body give, with flags `n` */
    OP_AWAIT,        /* awaits its target, and takes its value if `when` is TAKES */
    OP_WAIT_FOR,     /* the same, for `n` at most */
    OP_AWAIT_ALL,    /* gathers its targets with flags `n`, and awaits them */
    OP_WAIT,         /* waits for `n` at most until `when` holds for its targets */
    OP_COMPLETED,    /* goes through its targets as they complete, for `n` at most; `when` + 1 of them */
    OP_SETTLE,       /* settles a promise with `n` */
    OP_CANCEL,       /* asks a task to stop */
    OP_CANCEL_ANY,   /* cancels any future */
    OP_UNCANCEL,     /* takes a request back */
    OP_CANCELLING,   /* how many requests there are, and whether there is a reason */
    OP_STATE,        /* the state and the status of a future */
    OP_WATCH,        /* adds a done callback that writes to the trace */
    OP_LATER,        /* a callback in `n`: cancels its target */
    OP_SHIELDED,     /* a section: its body is shielded */
    OP_TIMEOUT,      /* a section: its body has `n` */
    OP_RESCHEDULE,   /* moves a limit to `n` from now */
    OP_EXPIRED,      /* whether a limit has cut an await short */
    OP_GROUP,        /* a section: its body is that of a group, whose limit is `n` */
    OP_GROUP_TASK,   /* makes a task in a group; `n` of enum task_sort */
    OP_GROUP_CANCEL, /* stops a group */
    OP_COUNT
};

/* Flags. */
enum task_sort { TASK_EAGER = 1, TASK_GIVES = 2 /* a value that has to be destroyed */ };

enum { TAKES = 1, LEAVES_OPEN = 2 };

/* Whom a statement means. */
enum target_kind {
    TARGET_SELF,   /* the task that runs */
    TARGET_PARENT, /* who made it */
    TARGET_OWN,    /* the n-th last future, group or limit that this task has made */
    TARGET_ANY     /* the n-th of all, counted round */
};

struct target {
    enum target_kind kind;
    int n;
};

struct statement {
    enum operation operation;
    int n;
    int when;    /* 0 to 2, for whom the list above says so */
    bool leaves; /* a failure ends the section that it stands in */
    bool live;   /* it is there */
    int target_count;
    struct target targets[MAX_TARGETS];
    int body; /* the first statement of it, or -1 */
    int next; /* the one after it, or -1 */
};

struct program {
    struct statement statements[MAX_STATEMENTS];
    int count;
    int main; /* its first statement, or -1 */
};

/* What a statement has given, or what has happened. */
struct event {
    int64_t time;
    int task;      /* who, by the number of its future; -1 for callbacks and the driver */
    int statement; /* or one of the numbers below */
    int value;
    int detail;
};

/* Events that are no statement's. */
enum { EVENT_BEGUN = -1, EVENT_RAN = -2, EVENT_CLEANED = -3, EVENT_LEFT = -4, EVENT_VALUES = -5 };

struct trace {
    int count;
    bool full;
    struct event events[MAX_TRACE];
};

/* The numbers of what a task has made, oldest first. */
struct numbers {
    int count;
    int list[MAX_FUTURES];
};

void numbers_add(struct numbers *numbers, int number);
/* The number that a target means among `total`, or NO_FUTURE. */
int target_number(const struct target *target, const struct numbers *own, int total);

void program_make(struct program *program, uint64_t seed);
void program_print(const struct program *program, FILE *file);

void trace_add(struct trace *trace, int64_t time, int task, int statement, int value, int detail);
/* The first event that differs, or -1. */
int trace_differs(const struct trace *a, const struct trace *b);
void trace_print_both(const struct program *program, const struct trace *run, const struct trace *model,
                      FILE *file);

void run_program(const struct program *program, struct trace *trace);
void model_program(const struct program *program, struct trace *trace);

/* Makes it smaller as long as the predicate holds. */
void shrink(struct program *program, bool (*fails)(const struct program *program));

#endif
