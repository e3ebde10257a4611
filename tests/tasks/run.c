/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs a program with the library. */
#include "tasks/program.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <viaduct.h>

enum { UNIT = VIA_MS, CALLBACKS = 256, ROUNDS = 4 };

struct run;

/* A task. */
struct body {
    struct run *run;
    int number, parent, block;
    bool left; /* a return was met: the sections end one after the other, */
    bool open; /* or are left open */
    bool gives;
    struct numbers futures, groups, limits;
};

/* A callback that writes to the trace. */
struct callback {
    struct run *run;
    int statement;
    via_future *future;
};

struct run {
    const struct program *program;
    struct trace *trace; /* NULL from the moment on when nothing is compared any more */
    via_loop *loop;
    int64_t start_ns;
    int future_count, group_count, limit_count, callback_count;
    via_future *futures[MAX_FUTURES]; /* a reference on each; NULL while it is being made */
    via_group *groups[MAX_GROUPS];
    struct via_scope limits[MAX_LIMITS];
    bool groups_gone[MAX_GROUPS], limits_gone[MAX_LIMITS]; /* left open: nobody may name them any more */
    int values;                                            /* that were made and not destroyed */
    int mapped_count;
    struct body mapped[MAX_MAPPED];
    struct callback callbacks[CALLBACKS];
    struct body bodies[MAX_FUTURES];
};

static void note(struct run *run, int task, int statement, int value, int detail)
{
    if (run->trace)
        trace_add(run->trace, (via_loop_time_ns(run->loop) - run->start_ns) / UNIT, task, statement, value,
                  detail);
}

static int64_t duration(int n)
{
    return n == FOREVER ? VIA_FOREVER : (int64_t)n * UNIT;
}

/* ---- targets ---- */

static via_future *find(struct body *body, const struct target *target)
{
    int number = target->kind == TARGET_SELF ? body->number : body->parent;
    if (target->kind >= TARGET_OWN)
        number = target_number(target, &body->futures, body->run->future_count);
    return number == NO_FUTURE ? NULL : body->run->futures[number];
}

/* The targets that there are; gives their count.  With a reference on each if they are to be taken. */
static size_t find_all(struct body *body, const struct statement *statement, bool take, via_future **list)
{
    size_t count = 0;
    for (int i = 0; i < statement->target_count; i++) {
        via_future *future = find(body, &statement->targets[i]);
        if (!future)
            continue;
        bool twice = false;
        for (size_t j = 0; j < count; j++)
            twice |= list[j] == future;
        list[count++] = take && !twice ? via_future_ref(future) : future;
    }
    return count;
}

/* ---- what makes futures ---- */

/* Keeps a new future under its number. */
static int keep(struct body *body, int statement, int number, via_future *future)
{
    struct run *run = body->run;
    if (run->futures[number])
        via_future_unref(future); /* an eager task has said itself who it is */
    else
        run->futures[number] = future;
    numbers_add(&body->futures, number);
    note(run, body->number, statement, number, via_future_state(run->futures[number]));
    return 0;
}

static int task_main(void *arg, void **result);

/* A value is the place of the counter of values. */
static void destroy_value(void *value)
{
    int **counter = value;
    --**counter;
    free(counter);
}

static void *new_value(struct run *run)
{
    int **value = malloc(sizeof *value);
    if (!value)
        abort();
    *value = &run->values;
    run->values++;
    return value;
}

/* Those of its tasks that begin get their numbers then. */
static via_future *make_map(struct body *body, int at)
{
    struct run *run = body->run;
    const struct statement *statement = &run->program->statements[at];
    void *arguments[MAX_TARGETS];
    size_t count = (size_t)statement->when + 1;
    for (size_t i = 0; i < count; i++) {
        struct body *mapped = &run->mapped[run->mapped_count++];
        *mapped =
            (struct body){.run = run, .number = NO_FUTURE, .parent = body->number, .block = statement->body};
        arguments[i] = mapped;
    }
    return via_gather_map(task_main, arguments, count, (size_t)statement->targets[0].n % 3,
                          (unsigned)statement->n);
}

static int make_task(struct body *body, int at, via_group *group)
{
    struct run *run = body->run;
    const struct statement *statement = &run->program->statements[at];
    struct via_task_options options = {.eager = statement->n & TASK_EAGER,
                                       .destroy_result = statement->n & TASK_GIVES ? destroy_value : NULL};
    int number = run->future_count++;
    struct body *child = &run->bodies[number];
    *child = (struct body){.run = run, .number = number, .parent = body->number, .block = statement->body};
    child->gives = statement->n & TASK_GIVES;
    via_future *task = group ? via_group_create_task_with(group, task_main, child, &options)
                             : via_create_task_with(NULL, task_main, child, &options);
    return keep(body, at, number, task);
}

static int make_future(struct body *body, int at)
{
    struct run *run = body->run;
    const struct statement *statement = &run->program->statements[at];
    via_future *list[MAX_TARGETS];
    via_future *inner = find(body, &statement->targets[0]);
    int number = run->future_count++;
    switch (statement->operation) {
    case OP_PROMISE:
        return keep(body, at, number, via_future_new(run->loop));
    case OP_SLEEP_FUTURE:
        return keep(body, at, number, via_sleep_future(duration(statement->n), NULL));
    case OP_SHIELD:
        return keep(body, at, number, via_shield(via_future_ref(inner)));
    case OP_MAP:
        return keep(body, at, number, make_map(body, at));
    default:
        break;
    }
    size_t count = find_all(body, statement, true, list);
    return keep(body, at, number, via_gather(list, count, (unsigned)statement->n));
}

/* ---- sections ---- */

static int run_block(struct body *body, int at);

static int run_shielded(struct body *body, int at)
{
    struct via_scope shield;
    int status = via_shield_begin(&shield);
    if (status == 0)
        status = run_block(body, body->run->program->statements[at].body);
    if (body->open)
        return status;
    int ended = via_shield_end(&shield);
    note(body->run, body->number, at, status, ended);
    return status;
}

static int run_limited(struct body *body, int at)
{
    struct run *run = body->run;
    int number = run->limit_count++;
    struct via_scope *limit = &run->limits[number];
    numbers_add(&body->limits, number);
    int status = via_timeout_begin(duration(run->program->statements[at].n), limit);
    if (status == 0)
        status = run_block(body, run->program->statements[at].body);
    run->limits_gone[number] = body->open;
    if (body->open)
        return status;
    status = via_timeout_end(limit, status);
    note(run, body->number, at, status, via_timeout_expired(limit));
    return status;
}

static int errors_of(via_group *group)
{
    const struct via_outcome *errors = NULL;
    int count = via_group_errors(group, &errors);
    int sum = count;
    for (int i = 0; i < count; i++)
        sum = sum * 31 + errors[i].status;
    return sum;
}

static int run_group(struct body *body, int at)
{
    struct run *run = body->run;
    const struct statement *statement = &run->program->statements[at];
    struct via_group_options options = {.limit = (size_t)statement->n};
    int number = run->group_count++;
    int status = via_group_begin(&options, &run->groups[number]);
    assert(status == 0);
    numbers_add(&body->groups, number);
    status = run_block(body, statement->body);
    run->groups_gone[number] = body->open;
    if (body->open)
        return status;
    status = via_group_end(run->groups[number], status);
    note(run, body->number, at, status, errors_of(run->groups[number]));
    return status;
}

static int run_section(struct body *body, int at)
{
    struct run *run = body->run;
    enum operation operation = run->program->statements[at].operation;
    if (operation == OP_SHIELDED)
        return run_shielded(body, at);
    if (operation == OP_TIMEOUT)
        return run->limit_count < MAX_LIMITS ? run_limited(body, at) : 0;
    return run->group_count < MAX_GROUPS ? run_group(body, at) : 0;
}

/* ---- waits ---- */

static int await_all(struct body *body, int at)
{
    const struct statement *statement = &body->run->program->statements[at];
    via_future *list[MAX_TARGETS];
    struct via_outcome outcomes[MAX_TARGETS];
    size_t count = find_all(body, statement, true, list);
    int status = via_await_all(list, count, (unsigned)statement->n, outcomes);
    int sum = 0;
    for (size_t i = 0; status == 0 && i < count; i++) {
        sum = sum * 31 + outcomes[i].status;
        if (outcomes[i].destroy)
            outcomes[i].destroy(outcomes[i].value);
    }
    note(body->run, body->number, at, status, sum);
    return status;
}

static int await_one(struct body *body, int at, via_future *future)
{
    struct via_outcome outcome = {.status = 0};
    via_future_ref(future);
    int status = body->run->program->statements[at].when == TAKES ? via_await_outcome(future, &outcome)
                                                                  : via_await(future, NULL);
    note(body->run, body->number, at, status, outcome.destroy != NULL);
    if (outcome.destroy)
        outcome.destroy(outcome.value);
    return status;
}

static int go_through(struct body *body, int at)
{
    const struct statement *statement = &body->run->program->statements[at];
    via_future *list[MAX_TARGETS], *next = NULL;
    size_t count = find_all(body, statement, false, list);
    via_completed *it = NULL;
    int status = via_as_completed(list, count, duration(statement->n), &it);
    for (int i = 0; status >= 0 && i <= statement->when; i++) {
        status = via_completed_next(it, &next);
        int place = -1;
        for (size_t j = count; status == 1 && j-- > 0;)
            place = list[j] == next ? (int)j : place;
        note(body->run, body->number, at, status, place);
        if (status == 0)
            break;
    }
    via_completed_free(it);
    return status < 0 ? status : 0;
}

static int wait_some(struct body *body, int at)
{
    const struct statement *statement = &body->run->program->statements[at];
    via_future *list[MAX_TARGETS];
    size_t count = find_all(body, statement, false, list);
    int status = via_wait(list, count, duration(statement->n), statement->when);
    note(body->run, body->number, at, status, 0);
    return status < 0 ? status : 0;
}

static int run_wait(struct body *body, int at)
{
    const struct statement *statement = &body->run->program->statements[at];
    via_future *future = find(body, &statement->targets[0]);
    int status = 0;
    switch (statement->operation) {
    case OP_SLEEP:
        status = via_sleep(duration(statement->n));
        break;
    case OP_YIELD:
        status = via_yield();
        break;
    case OP_AWAIT:
        return future ? await_one(body, at, future) : 0;
    case OP_WAIT_FOR:
        status = future ? via_wait_for(via_future_ref(future), duration(statement->n), NULL) : 0;
        break;
    case OP_AWAIT_ALL:
        return await_all(body, at);
    case OP_COMPLETED:
        return go_through(body, at);
    default:
        return wait_some(body, at);
    }
    note(body->run, body->number, at, status, 0);
    return status;
}

/* ---- the rest ---- */

static struct callback *new_callback(struct body *body, int at, via_future *future)
{
    struct run *run = body->run;
    if (!future || run->callback_count == CALLBACKS)
        return NULL;
    struct callback *callback = &run->callbacks[run->callback_count++];
    *callback = (struct callback){run, at, future};
    return callback;
}

static int on_done(via_future *future, void *arg)
{
    struct callback *callback = arg;
    note(callback->run, -1, callback->statement, via_future_state(future), 0);
    return 0;
}

static int on_later(void *arg)
{
    struct callback *callback = arg;
    int rc = via_future_cancel(callback->future);
    note(callback->run, -1, callback->statement, rc, 0);
    return 0;
}

static int settle(via_future *promise, int status)
{
    if (status == 0)
        return via_future_set_result(promise, NULL, NULL);
    return via_future_set_error(promise, status < 0 ? status : VIA_EFAILED, status > 0 ? status : 0, NULL);
}

static int call_later(struct body *body, int at, via_future *future)
{
    int n = body->run->program->statements[at].n;
    struct callback *callback = new_callback(body, at, future);
    if (!callback)
        return 0;
    return n <= 0 ? via_call_soon(body->run->loop, on_later, callback, NULL)
                  : via_call_later(body->run->loop, duration(n), on_later, callback, NULL);
}

static int act_on_future(struct body *body, int at, via_future *future)
{
    const struct statement *statement = &body->run->program->statements[at];
    struct callback *callback;
    switch (statement->operation) {
    case OP_SETTLE:
        return settle(future, statement->n);
    case OP_CANCEL:
        return via_task_cancel(future, "asked");
    case OP_CANCEL_ANY:
        return via_future_cancel(future);
    case OP_UNCANCEL:
        return via_task_uncancel(future);
    case OP_CANCELLING:
        return via_task_cancelling(future);
    case OP_STATE:
        return via_future_state(future);
    case OP_WATCH:
        callback = new_callback(body, at, future);
        return callback ? via_future_add_done_callback(future, on_done, callback) : 0;
    default:
        return call_later(body, at, future);
    }
}

static int status_of(via_future *future)
{
    struct via_outcome outcome = {.status = 0};
    int rc = via_future_outcome(future, &outcome);
    return rc < 0 ? rc : outcome.status;
}

static void act(struct body *body, int at)
{
    struct run *run = body->run;
    const struct statement *statement = &run->program->statements[at];
    const struct target *target = &statement->targets[0];
    int group = target_number(target, &body->groups, run->group_count);
    int limit = target_number(target, &body->limits, run->limit_count);
    via_future *future = find(body, target);
    int value = 0, detail = 0;
    if (group != NO_FUTURE && run->groups_gone[group])
        group = NO_FUTURE;
    if (limit != NO_FUTURE && run->limits_gone[limit])
        limit = NO_FUTURE;
    switch (statement->operation) {
    case OP_RESCHEDULE:
        if (limit != NO_FUTURE) {
            int64_t when_ns =
                statement->n == FOREVER ? VIA_FOREVER : via_loop_time_ns(run->loop) + duration(statement->n);
            value = via_timeout_reschedule(&run->limits[limit], when_ns);
        }
        break;
    case OP_EXPIRED:
        value = limit != NO_FUTURE ? via_timeout_expired(&run->limits[limit]) : 0;
        break;
    case OP_GROUP_CANCEL:
        value = group != NO_FUTURE ? via_group_cancel(run->groups[group]) : 0;
        break;
    default:
        if (future)
            value = act_on_future(body, at, future);
        if (future && statement->operation == OP_STATE)
            detail = status_of(future);
        if (future && statement->operation == OP_CANCELLING)
            detail = via_task_cancel_reason(future) != NULL;
    }
    note(run, body->number, at, value, detail);
}

static void make(struct body *body, int at)
{
    struct run *run = body->run;
    const struct statement *statement = &run->program->statements[at];
    const struct target *target = &statement->targets[0];
    int group = target_number(target, &body->groups, run->group_count);
    if (group != NO_FUTURE && run->groups_gone[group])
        group = NO_FUTURE;
    if (run->future_count == MAX_FUTURES ||
        (statement->operation == OP_MAP && run->mapped_count + MAX_TARGETS > MAX_MAPPED))
        return;
    if (statement->operation == OP_TASK)
        make_task(body, at, NULL);
    else if (statement->operation == OP_GROUP_TASK && group != NO_FUTURE)
        make_task(body, at, run->groups[group]);
    else if (statement->operation != OP_GROUP_TASK &&
             (statement->operation != OP_SHIELD || find(body, target)))
        make_future(body, at);
}

/* Gives the status if the statement waits, else 0. */
static int run_statement(struct body *body, int at)
{
    const struct statement *statement = &body->run->program->statements[at];
    switch (statement->operation) {
    case OP_SLEEP:
    case OP_YIELD:
    case OP_AWAIT:
    case OP_WAIT_FOR:
    case OP_AWAIT_ALL:
    case OP_WAIT:
    case OP_COMPLETED:
        return run_wait(body, at);
    case OP_SHIELDED:
    case OP_TIMEOUT:
    case OP_GROUP:
        return run_section(body, at);
    case OP_RETURN:
        body->left = true;
        body->open = statement->when == LEAVES_OPEN;
        return statement->n;
    case OP_TASK:
    case OP_GROUP_TASK:
    case OP_PROMISE:
    case OP_SLEEP_FUTURE:
    case OP_GATHER:
    case OP_SHIELD:
    case OP_MAP:
        make(body, at);
        return 0;
    default:
        act(body, at);
        return 0;
    }
}

static int run_block(struct body *body, int at)
{
    const struct statement *statements = body->run->program->statements;
    for (; at >= 0; at = statements[at].next) {
        int status = statements[at].live ? run_statement(body, at) : 0;
        if (body->left || (status < 0 && statements[at].leaves))
            return status;
    }
    return 0;
}

static int task_main(void *arg, void **result)
{
    struct body *body = arg;
    struct run *run = body->run;
    if (body->number == NO_FUTURE && run->future_count == MAX_FUTURES)
        return 0;
    if (body->number == NO_FUTURE)
        body->number = run->future_count++;
    if (!run->futures[body->number])
        run->futures[body->number] = via_future_ref(via_current_task());
    note(run, body->number, EVENT_BEGUN, 0, 0);
    int status = run_block(body, body->block);
    if (body->gives)
        *result = new_value(run);
    return status;
}

/* ---- the driver ---- */

static void run_what_is_ready(struct run *run)
{
    struct via_loop_stats stats;
    while (via_loop_stats(run->loop, &stats) == 0 && stats.ready)
        (void)via_loop_step(run->loop, 0);
}

/* Cancels all tasks that are left, and waits for their ends.  Tells how many there were. */
static int clean_up(struct run *run)
{
    via_future *tasks[MAX_FUTURES];
    int count = via_all_tasks(run->loop, tasks, MAX_FUTURES);
    for (int i = 0; i < count; i++)
        via_future_ref(tasks[i]);
    for (int i = 0; i < count; i++)
        (void)via_task_cancel(tasks[i], NULL);
    if (count == 0)
        return 0;
    via_future *all = via_gather(tasks, (size_t)count, VIA_GATHER_RETURN_ERRORS);
    int ran = via_loop_run_until_complete(run->loop, all);
    via_future_unref(all);
    run_what_is_ready(run);
    note(run, -1, EVENT_CLEANED, ran, count);
    return count;
}

static void drive(struct run *run)
{
    struct body *body = &run->bodies[0];
    *body = (struct body){.run = run, .parent = NO_FUTURE, .block = run->program->main};
    run->future_count = 1;
    run->futures[0] = via_create_task_with(run->loop, task_main, body, NULL);
    int ran = via_loop_run_until_complete(run->loop, run->futures[0]);
    run_what_is_ready(run);
    note(run, -1, EVENT_RAN, ran, via_future_state(run->futures[0]));
    for (int round = 0; round < ROUNDS && clean_up(run); round++)
        continue;
    note(run, -1, EVENT_LEFT, via_all_tasks(run->loop, NULL, 0), 0);
}

static int ignore(const struct via_exception *exception, void *arg)
{
    (void)exception;
    (void)arg;
    return 0;
}

static via_loop *open_loop(void)
{
    struct via_loop_options options;
    via_loop_options_init(&options);
    options.virtual_clock = 1;
    via_loop *loop = NULL;
    if (via_loop_new_with(&options, &loop) < 0 || via_loop_set_exception_handler(loop, ignore, NULL) < 0)
        abort();
    return loop;
}

void run_program(const struct program *program, struct trace *trace)
{
    static struct run run;
    memset(&run, 0, sizeof run);
    trace->count = 0;
    trace->full = false;
    run.program = program;
    run.trace = trace;
    run.loop = open_loop();
    run.start_ns = via_loop_time_ns(run.loop);
    drive(&run);
    run.trace = NULL;
    if (via_loop_close(run.loop) < 0)
        abort();
    for (int i = 0; i < run.group_count; i++) {
        if (!run.groups_gone[i])
            via_group_free(run.groups[i]);
    }
    for (int i = 0; i < run.future_count; i++)
        via_future_unref(run.futures[i]);
    via_loop_unref(run.loop);
    trace_add(trace, 0, -1, EVENT_VALUES, run.values, 0);
}
