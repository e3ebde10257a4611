/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Items and their stories.
 *
 * A mark is set with one atomic step, so that a thing that happens twice is seen by whoever comes second.
 * The marks need no order among each other: they are read together only when nobody can set one any more, or
 * to find an item whose story has ended, and then through the release and acquire of that mark.
 */
#include "stress.h"

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { OWN_CODE = 7, POLLS = 500, SHOWN = 20, END_SECONDS = 60 };

struct totals totals;
static atomic_ulong complaint_count;

void complain(const char *format, ...)
{
    char text[256];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof(text), format, values);
    va_end(values);
    if (atomic_fetch_add(&complaint_count, 1) < SHOWN)
        printf("# %s\n", text);
}

unsigned long complaints(void)
{
    return atomic_load(&complaint_count);
}

void expect_status(const char *what, int status, int a, int b, int c, int d)
{
    if (status < 0 && status != a && status != b && status != c && status != d)
        complain("%s returned %s", what, via_status_name(status));
}

uint64_t choose(struct choices *choices)
{
    uint64_t x = choices->state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    choices->state = x;
    return x * UINT64_C(0x2545F4914F6CDD1D);
}

unsigned choose_below(struct choices *choices, unsigned bound)
{
    return (unsigned)((choose(choices) >> 33) % bound);
}

struct choices choices_of(uint64_t seed, unsigned number)
{
    struct choices choices = {(seed + 1) * UINT64_C(0x9E3779B97F4A7C15) +
                              number * UINT64_C(0xD1342543DE82EF95)};
    if (!choices.state)
        choices.state = 1;
    for (int i = 0; i < 8; i++)
        choose(&choices);
    return choices;
}

int arena_init(struct arena *arena, size_t count)
{
    *arena = (struct arena){.items = calloc(count, sizeof(struct item)), .count = count};
    return arena->items ? 0 : -1;
}

void item_mark(struct item *item, unsigned mark)
{
    /* Release: what came before is visible to whoever finds the story ended; acquire: also to a second. */
    unsigned before = atomic_fetch_or_explicit(&item->marks, mark, memory_order_acq_rel);
    if (before & mark)
        complain("mark %#x came twice; item of kind %d, marks %#x", mark, item->kind, before);
}

/* Whether nothing more can happen to the item. */
static bool item_ended(struct item *item)
{
    /* Acquire: pairs with item_mark(); the pins with mail_drop(). */
    unsigned marks = atomic_load_explicit(&item->marks, memory_order_acquire);
    if (!(marks & MARK_RETIRED) || atomic_load_explicit(&item->pins, memory_order_acquire))
        return false;
    return (!item->called || marks & MARK_ARG) && (!(marks & MARK_GAVE) || marks & MARK_RESULT) &&
           (!item->callback_due || marks & MARK_CALLBACK);
}

/* The marks that a call's outcome implies; the others must not be there. */
static unsigned implied(const struct item *item, unsigned marks, int status)
{
    unsigned result = marks & MARK_GAVE ? MARK_GAVE | MARK_RESULT : 0;
    if (item->kind == ITEM_PROMISE || !item->called)
        return result | (marks & MARK_RAN);
    if (status == 0)
        return MARK_ARG | MARK_RAN | MARK_GAVE | MARK_RESULT;
    if (status == VIA_EFAILED)
        return MARK_ARG | MARK_RAN;
    /* An abandoned call may have run on; any other that was cancelled, expired or refused never ran. */
    return MARK_ARG | (item->abandonable ? result | (marks & MARK_RAN) : 0);
}

static void item_verify(struct item *item)
{
    const unsigned watched = MARK_RAN | MARK_GAVE | MARK_ARG | MARK_RESULT;
    unsigned marks = atomic_load(&item->marks);
    int status = atomic_load(&item->status);
    if (!marks)
        return;
    if ((marks & watched) != implied(item, marks, status))
        complain("an item of kind %d that ended with %s has marks %#x", item->kind, via_status_name(status),
                 marks);
    if (marks & MARK_HOOK && !(marks & MARK_RAN))
        complain("a cancel hook ran for a call that did not run: marks %#x", marks);
    if (item->callback_due != !!(marks & MARK_CALLBACK))
        complain("an item's callback: due %d, marks %#x", item->callback_due, marks);
}

static void item_reset(struct item *item, int kind, uint64_t choice)
{
    atomic_store(&item->marks, MARK_TAKEN);
    atomic_store(&item->status, 0);
    item->kind = kind;
    item->called = item->abandonable = item->callback_due = false;
    item->choice = choice;
    item->executor = NULL;
    item->future = NULL;
    item->home = NULL;
}

static struct item *find_free(struct arena *arena)
{
    for (size_t tried = 0; tried < arena->count; tried++) {
        struct item *item = &arena->items[arena->next++ % arena->count];
        if (atomic_load(&item->marks) == 0 || item_ended(item))
            return item;
    }
    return NULL;
}

/* Where the loops lag behind, this thread yields to them. */
struct item *item_take(struct arena *arena, int kind, uint64_t choice)
{
    struct item *item;
    time_t deadline = 0;
    while (!(item = find_free(arena))) {
        if (!deadline)
            deadline = time(NULL) + END_SECONDS;
        if (time(NULL) > deadline) {
            complain("no item is free: stories do not end");
            exit(1);
        }
        sched_yield();
    }
    item_verify(item);
    item_reset(item, kind, choice);
    return item;
}

/* Waits until the story ends, by yielding: what is left are the last steps of threads that run. */
static bool await_end(struct item *item, time_t deadline)
{
    while (!item_ended(item)) {
        if (time(NULL) > deadline)
            return false;
        sched_yield();
    }
    return true;
}

void arena_fini(struct arena *arena)
{
    time_t deadline = time(NULL) + END_SECONDS;
    for (size_t i = 0; i < arena->count; i++) {
        struct item *item = &arena->items[i];
        if (!atomic_load(&item->marks))
            continue;
        if (!await_end(item, deadline))
            complain("an item of kind %d is lost: marks %#x", item->kind, atomic_load(&item->marks));
        item_verify(item);
    }
    free(arena->items);
}

static void count_end(int status)
{
    atomic_ulong *count = &totals.refused;
    if (status == 0)
        count = &totals.finished;
    else if (status == VIA_EFAILED)
        count = &totals.failed;
    else if (status == VIA_ECANCELED)
        count = &totals.cancelled;
    else if (status == VIA_ETIMEDOUT)
        count = &totals.expired;
    else
        expect_status("a call", status, VIA_EBUSY, VIA_ESHUTDOWN, VIA_EDEADLK, VIA_EAGAIN);
    /* Relaxed: a figure for the report, read after the threads were joined. */
    atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
}

void item_retire(struct item *item, int status)
{
    count_end(status);
    atomic_store(&item->status, status);
    item_mark(item, MARK_RETIRED);
}

void item_release_result(void *result)
{
    item_mark(result, MARK_RESULT);
}

static void release_arg(void *arg)
{
    struct item *item = arg;
    via_executor *executor = item->executor;
    item->executor = NULL;
    item_mark(item, MARK_ARG);
    via_executor_unref(executor);
}

static int child_run(void *arg, void **result)
{
    (void)result;
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}

/* A call inside a call, on the same executor: the wait runs it, finds it run, or is refused. */
static void run_child(via_executor *executor)
{
    atomic_int *ran = calloc(1, sizeof(*ran));
    struct via_call call = VIA_CALL(child_run, ran);
    via_cfuture *cf = NULL;
    if (!ran)
        return;
    call.destroy = free;
    int rc = via_executor_submit(executor, &call, &cf);
    expect_status("a submit inside a call", rc, VIA_EBUSY, VIA_ESHUTDOWN, VIA_EDEADLK, VIA_EAGAIN);
    if (rc < 0)
        return;
    rc = via_cfuture_wait(cf, VIA_FOREVER);
    expect_status("a wait inside a call", rc, VIA_EDEADLK, VIA_EDEADLK, VIA_EDEADLK, VIA_EDEADLK);
    via_cfuture_unref(cf);
}

static int poll_for_cancel(void)
{
    for (int i = 0; i < POLLS; i++)
        if (via_call_cancelled())
            return OWN_CODE;
    return 0;
}

/* What the call does: most return at once, some fail, some can be asked to stop, some call again. */
static int do_work(struct item *item)
{
    switch (item->choice % 16) {
    case 0:
        return OWN_CODE;
    case 1:
        return via_fail(OWN_CODE, "item %u", (unsigned)(item->choice >> 40));
    case 2:
    case 3:
        return poll_for_cancel();
    case 4:
        return via_call_sleep(20 * VIA_US) == VIA_ECANCELED ? OWN_CODE : 0;
    case 5:
        if (item->executor)
            run_child(item->executor);
        return 0;
    default:
        return 0;
    }
}

static int run_item(void *arg, void **result)
{
    struct item *item = arg;
    item_mark(item, MARK_RAN);
    int rc = do_work(item);
    if (rc == 0) {
        item_mark(item, MARK_GAVE);
        *result = item;
    }
    return rc;
}

/* The cancel hook: not after the argument has gone, and only for a call whose function is entered; whether
 * its first statement has been reached cannot be told from here. */
static void cancel_item(void *arg)
{
    struct item *item = arg;
    item_mark(item, MARK_HOOK);
    if (atomic_load(&item->marks) & MARK_ARG)
        complain("a cancel hook ran after its call");
}

struct via_call item_call(struct item *item, via_executor *executor)
{
    struct via_call call = VIA_CALL(run_item, item);
    uint64_t choice = item->choice >> 4;
    call.destroy = release_arg;
    call.destroy_result = item_release_result;
    call.priority = (int)(choice % 3) - 1;
    if (choice >> 2 & 1) {
        call.cancel = cancel_item;
        call.cancel_arg = item;
    }
    if ((choice >> 3) % 8 == 0)
        call.flags |= VIA_CALL_ABANDONABLE;
    if ((choice >> 6) % 8 == 0)
        call.flags |= VIA_CALL_INTERRUPTIBLE;
    if ((choice >> 9) % 16 == 0)
        call.deadline_ns = via_now_ns() + (int64_t)(choice >> 13) % (200 * VIA_US);
    item->called = true;
    item->abandonable = call.flags & VIA_CALL_ABANDONABLE;
    item->executor = item->choice % 16 == 5 ? via_executor_ref(executor) : NULL;
    return call;
}
