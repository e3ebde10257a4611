/* SPDX-License-Identifier: BSD-3-Clause */
/* Programs: made from a seed, and printed. */
#include "tasks/program.h"

#include <viaduct/error.h>

struct maker {
    struct program *program;
    uint64_t state;
    int budget; /* statements still to be made */
};

static uint64_t next_random(struct maker *maker)
{
    uint64_t z = maker->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static int below(struct maker *maker, int n)
{
    return (int)(next_random(maker) % (uint64_t)n);
}

static bool one_in(struct maker *maker, int n)
{
    return below(maker, n) == 0;
}

/* How often each operation is chosen, outside of a group's body and in it. */
static const struct {
    unsigned char weight, in_group;
} weights[OP_COUNT] = {
    [OP_SLEEP] = {14, 8},      [OP_YIELD] = {5, 3},        [OP_RETURN] = {3, 2},
    [OP_TASK] = {18, 4},       [OP_PROMISE] = {4, 1},      [OP_SLEEP_FUTURE] = {2, 1},
    [OP_GATHER] = {6, 2},      [OP_SHIELD] = {3, 1},       [OP_MAP] = {3, 1},
    [OP_AWAIT] = {12, 6},      [OP_WAIT_FOR] = {5, 3},     [OP_AWAIT_ALL] = {4, 1},
    [OP_WAIT] = {4, 2},        [OP_COMPLETED] = {3, 1},    [OP_SETTLE] = {3, 1},
    [OP_CANCEL] = {8, 5},      [OP_CANCEL_ANY] = {4, 2},   [OP_UNCANCEL] = {3, 2},
    [OP_CANCELLING] = {3, 2},  [OP_STATE] = {3, 2},        [OP_WATCH] = {2, 1},
    [OP_LATER] = {4, 2},       [OP_SHIELDED] = {4, 3},     [OP_TIMEOUT] = {6, 4},
    [OP_RESCHEDULE] = {3, 2},  [OP_EXPIRED] = {1, 1},      [OP_GROUP] = {7, 3},
    [OP_GROUP_TASK] = {3, 24}, [OP_GROUP_CANCEL] = {2, 3},
};

static enum operation choose(struct maker *maker, bool in_group)
{
    int sum = 0;
    for (int i = 0; i < OP_COUNT; i++)
        sum += in_group ? weights[i].in_group : weights[i].weight;
    int at = below(maker, sum);
    for (int i = 0; i < OP_COUNT; i++) {
        at -= in_group ? weights[i].in_group : weights[i].weight;
        if (at < 0)
            return (enum operation)i;
    }
    return OP_YIELD;
}

static struct target own_target(struct maker *maker)
{
    return (struct target){TARGET_OWN, one_in(maker, 3) ? below(maker, 4) : 0};
}

static struct target any_target(struct maker *maker)
{
    switch (below(maker, 24)) {
    case 0:
        return (struct target){TARGET_SELF, 0};
    case 1:
        return (struct target){TARGET_PARENT, 0};
    case 2:
    case 3:
    case 4:
    case 5:
    case 6:
        return (struct target){TARGET_ANY, below(maker, 24)};
    default:
        return own_target(maker);
    }
}

static int a_status(struct maker *maker)
{
    static const int statuses[] = {0, 0, 7, VIA_EBUSY, VIA_ECANCELED, VIA_EABORTED, VIA_ETIMEDOUT};
    return statuses[below(maker, sizeof statuses / sizeof statuses[0])];
}

/* Short, so that ties are frequent. */
static int a_time(struct maker *maker)
{
    return one_in(maker, 16) ? FOREVER : below(maker, 5);
}

static bool has_body(enum operation operation)
{
    return operation == OP_TASK || operation == OP_MAP || operation == OP_SHIELDED ||
           operation == OP_TIMEOUT || operation == OP_GROUP || operation == OP_GROUP_TASK;
}

static int a_number(struct maker *maker, enum operation operation)
{
    switch (operation) {
    case OP_RETURN:
    case OP_SETTLE:
        return a_status(maker);
    case OP_TASK:
    case OP_GROUP_TASK:
        return (one_in(maker, 6) ? TASK_EAGER : 0) | (one_in(maker, 3) ? TASK_GIVES : 0);
    case OP_GATHER:
    case OP_MAP:
    case OP_AWAIT_ALL:
        return below(maker, 4);
    case OP_GROUP:
        return one_in(maker, 4) ? 1 + below(maker, 2) : 0;
    case OP_SLEEP_FUTURE:
        return 1 + below(maker, 4);
    default:
        return a_time(maker);
    }
}

static void add_targets(struct maker *maker, struct statement *statement)
{
    switch (statement->operation) {
    case OP_GATHER:
    case OP_AWAIT_ALL:
    case OP_WAIT:
    case OP_COMPLETED:
        statement->target_count = below(maker, MAX_TARGETS + 1);
        break;
    default:
        statement->target_count = 1;
    }
    for (int i = 0; i < statement->target_count; i++)
        statement->targets[i] = any_target(maker);
}

static int make_block(struct maker *maker, int depth, bool in_group);

static int make_statement(struct maker *maker, int depth, bool in_group)
{
    enum operation operation = choose(maker, in_group);
    if (has_body(operation) && depth > 6)
        operation = OP_YIELD;
    int at = maker->program->count++;
    struct statement *statement = &maker->program->statements[at];
    *statement = (struct statement){.operation = operation, .live = true, .body = -1, .next = -1};
    statement->n = a_number(maker, operation);
    statement->when = below(maker, 3);
    statement->leaves = one_in(maker, 2);
    add_targets(maker, statement);
    maker->budget--;
    if (has_body(operation))
        statement->body = make_block(maker, depth + 1, operation == OP_GROUP);
    return at;
}

/* Gives the first statement of a block, or -1. */
static int make_block(struct maker *maker, int depth, bool in_group)
{
    int first = -1, last = -1;
    int length = depth ? 1 + below(maker, 6) : 6 + below(maker, 20);
    for (int i = 0; i < length && maker->budget > 0; i++) {
        int at = make_statement(maker, depth, in_group);
        if (last < 0)
            first = at;
        else
            maker->program->statements[last].next = at;
        last = at;
    }
    return first;
}

void program_make(struct program *program, uint64_t seed)
{
    struct maker maker = {.program = program, .state = seed};
    program->count = 0;
    maker.budget = 4 + below(&maker, MAX_STATEMENTS - 4);
    program->main = make_block(&maker, 0, false);
}

/* ---- names ---- */

void numbers_add(struct numbers *numbers, int number)
{
    if (numbers->count < MAX_FUTURES)
        numbers->list[numbers->count++] = number;
}

int target_number(const struct target *target, const struct numbers *own, int total)
{
    if (target->kind == TARGET_OWN && target->n < own->count)
        return own->list[own->count - 1 - target->n];
    return target->kind == TARGET_ANY && total ? target->n % total : NO_FUTURE;
}

static const char *const operation_names[OP_COUNT] = {
    [OP_SLEEP] = "sleep",
    [OP_YIELD] = "yield",
    [OP_RETURN] = "return",
    [OP_TASK] = "task",
    [OP_PROMISE] = "promise",
    [OP_SLEEP_FUTURE] = "sleep_future",
    [OP_GATHER] = "gather",
    [OP_SHIELD] = "shield",
    [OP_MAP] = "map",
    [OP_AWAIT] = "await",
    [OP_WAIT_FOR] = "wait_for",
    [OP_AWAIT_ALL] = "await_all",
    [OP_WAIT] = "wait",
    [OP_COMPLETED] = "completed",
    [OP_SETTLE] = "settle",
    [OP_CANCEL] = "cancel",
    [OP_CANCEL_ANY] = "cancel_any",
    [OP_UNCANCEL] = "uncancel",
    [OP_CANCELLING] = "cancelling",
    [OP_STATE] = "state",
    [OP_WATCH] = "watch",
    [OP_LATER] = "later_cancel",
    [OP_SHIELDED] = "shielded",
    [OP_TIMEOUT] = "timeout",
    [OP_RESCHEDULE] = "reschedule",
    [OP_EXPIRED] = "expired",
    [OP_GROUP] = "group",
    [OP_GROUP_TASK] = "group_task",
    [OP_GROUP_CANCEL] = "group_cancel",
};

static void print_target(const struct target *target, FILE *file)
{
    static const char *const names[] = {"self", "parent", "own", "any"};
    fprintf(file, " %s", names[target->kind]);
    if (target->kind >= TARGET_OWN)
        fprintf(file, "-%d", target->n);
}

static void print_number(const struct statement *statement, FILE *file)
{
    if (statement->operation == OP_RETURN || statement->operation == OP_SETTLE) {
        fprintf(file, " %s", statement->n > 0 ? "7" : via_status_name(statement->n));
    } else if (statement->n == FOREVER) {
        fprintf(file, " forever");
    } else {
        fprintf(file, " %d", statement->n);
    }
}

static bool has_number(enum operation operation)
{
    static const bool numbered[OP_COUNT] = {
        [OP_SLEEP] = true,      [OP_RETURN] = true,   [OP_TASK] = true,      [OP_SLEEP_FUTURE] = true,
        [OP_GATHER] = true,     [OP_WAIT_FOR] = true, [OP_WAIT] = true,      [OP_AWAIT_ALL] = true,
        [OP_SETTLE] = true,     [OP_LATER] = true,    [OP_TIMEOUT] = true,   [OP_GROUP] = true,
        [OP_RESCHEDULE] = true, [OP_MAP] = true,      [OP_COMPLETED] = true, [OP_GROUP_TASK] = true,
    };
    return numbered[operation];
}

static bool has_targets(enum operation operation)
{
    static const bool without[OP_COUNT] = {
        [OP_SLEEP] = true,    [OP_YIELD] = true,   [OP_RETURN] = true,
        [OP_TASK] = true,     [OP_PROMISE] = true, [OP_SLEEP_FUTURE] = true,
        [OP_SHIELDED] = true, [OP_TIMEOUT] = true, [OP_GROUP] = true,
    };
    return !without[operation];
}

static bool has_when(enum operation operation)
{
    return operation == OP_RETURN || operation == OP_MAP || operation == OP_AWAIT || operation == OP_WAIT ||
           operation == OP_COMPLETED;
}

static void print_block(const struct program *program, int at, int indent, FILE *file)
{
    for (; at >= 0; at = program->statements[at].next) {
        const struct statement *statement = &program->statements[at];
        if (!statement->live)
            continue;
        fprintf(file, "#%4d: %*s%s", at, 4 * indent, "", operation_names[statement->operation]);
        if (has_number(statement->operation))
            print_number(statement, file);
        for (int i = 0; has_targets(statement->operation) && i < statement->target_count; i++)
            print_target(&statement->targets[i], file);
        if (has_when(statement->operation))
            fprintf(file, " when %d", statement->when);
        fprintf(file, "%s\n", statement->leaves ? " or leave" : "");
        print_block(program, statement->body, indent + 1, file);
    }
}

void program_print(const struct program *program, FILE *file)
{
    print_block(program, program->main, 0, file);
}

/* ---- traces ---- */

void trace_add(struct trace *trace, int64_t time, int task, int statement, int value, int detail)
{
    if (trace->count == MAX_TRACE) {
        trace->full = true;
        return;
    }
    trace->events[trace->count++] = (struct event){time, task, statement, value, detail};
}

static bool same(const struct event *a, const struct event *b)
{
    return a->time == b->time && a->task == b->task && a->statement == b->statement && a->value == b->value &&
           a->detail == b->detail;
}

int trace_differs(const struct trace *a, const struct trace *b)
{
    int count = a->count < b->count ? a->count : b->count;
    for (int i = 0; i < count; i++) {
        if (!same(&a->events[i], &b->events[i]))
            return i;
    }
    return a->count == b->count ? -1 : count;
}

static void describe(const struct program *program, const struct trace *trace, int at, char text[80])
{
    static const char *const happenings[] = {"", "begun", "loop ran", "cleaned up", "left", "values"};
    text[0] = 0;
    if (at >= trace->count)
        return;
    const struct event *event = &trace->events[at];
    int statement = event->statement;
    const char *what =
        statement < 0 ? happenings[-statement] : operation_names[program->statements[statement].operation];
    int n = snprintf(text, 80, "%lld task %d %d:%s = ", (long long)event->time, event->task, statement, what);
    if (event->value <= VIA_EPERM)
        snprintf(text + n, (size_t)(80 - n), "%s %d", via_status_name(event->value), event->detail);
    else
        snprintf(text + n, (size_t)(80 - n), "%d %d", event->value, event->detail);
}

void trace_print_both(const struct program *program, const struct trace *run, const struct trace *model,
                      FILE *file)
{
    int differs = trace_differs(run, model);
    int count = run->count > model->count ? run->count : model->count;
    for (int i = 0; i < count && (differs < 0 || i < differs + 8); i++) {
        char left[80], right[80];
        describe(program, run, i, left);
        describe(program, model, i, right);
        fprintf(file, "# %c %-52s | %s\n", i == differs ? '!' : ' ', left, right);
    }
}
