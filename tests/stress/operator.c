/* SPDX-License-Identifier: BSD-3-Clause */
/* What each of the four threads does. */
#include "stress.h"

enum { SLOTS = 64, WAITED = 8, RENEW_EVERY = 512 };

struct slot {
    via_cfuture *cf;
    struct item *item;
};

/* One choice: what to do, with which slot, and the details. */
struct step {
    unsigned what;
    unsigned slot;
    uint64_t detail;
};

static int call_done(via_cfuture *cf, void *arg)
{
    if (via_cfuture_done(cf) != 1)
        complain("a callback of a future that is not done");
    item_mark(arg, MARK_CALLBACK);
    return 0;
}

/* Ends a slot's future: waits, reads or takes the outcome, drops it. */
static void finish(struct slot *slot, uint64_t detail)
{
    struct via_outcome outcome = {.status = 0};
    if (!slot->cf)
        return;
    if (slot->item->kind == ITEM_PROMISE || detail & 1)
        expect_status("a cancel", via_cfuture_cancel(slot->cf), 0, 0, 0, 0);
    int rc = via_cfuture_wait(slot->cf, VIA_FOREVER);
    if (rc != 0)
        complain("a wait without limit returned %s", via_status_name(rc));
    bool take = detail & 2;
    rc = take ? via_cfuture_take(slot->cf, &outcome) : via_cfuture_outcome(slot->cf, &outcome);
    if (rc != 0)
        complain("the outcome of a done future: %s", via_status_name(rc));
    if (take && outcome.value)
        outcome.destroy(outcome.value);
    item_retire(slot->item, outcome.status);
    via_cfuture_unref(slot->cf);
    *slot = (struct slot){NULL, NULL};
}

static void watch(struct slot *slot, uint64_t detail)
{
    int rc = via_cfuture_add_done_callback(slot->cf, call_done, slot->item);
    slot->item->callback_due = rc == 0;
    if (rc != 0)
        complain("adding a callback: %s", via_status_name(rc));
    if (detail % 8 == 0 && via_cfuture_remove_done_callback(slot->cf, call_done, slot->item) == 1)
        slot->item->callback_due = false;
}

static void submit(struct operator* self, struct slot *slot, uint64_t detail)
{
    struct item *item = item_take(&self->arena, ITEM_CALL, detail);
    via_executor *executor = place_get((unsigned)(detail >> 50) % STRESS_PLACES);
    struct via_call call = item_call(item, executor);
    int rc = via_executor_submit(executor, &call, &slot->cf);
    via_executor_unref(executor);
    if (rc < 0) {
        if (!(atomic_load(&item->marks) & MARK_ARG))
            complain("a refused call kept its argument");
        item_retire(item, rc);
        return;
    }
    slot->item = item;
    if (detail >> 48 & 1)
        watch(slot, detail >> 44);
}

static void promise(struct operator* self, struct slot *slot, uint64_t detail)
{
    struct item *item = item_take(&self->arena, ITEM_PROMISE, detail);
    int rc = via_cfuture_new(&slot->cf);
    if (rc != 0) {
        complain("making a promise: %s", via_status_name(rc));
        item_retire(item, rc);
        return;
    }
    slot->item = item;
    watch(slot, detail);
    atomic_fetch_add(&item->pins, 1);
    mail_drop(mail_swap((unsigned)(detail >> 20), (struct letter){via_cfuture_ref(slot->cf), item}));
}

static void publish(struct slot *slot, uint64_t detail)
{
    if (slot->cf && slot->item->kind == ITEM_CALL)
        mail_drop(mail_swap((unsigned)(detail >> 20), (struct letter){via_cfuture_ref(slot->cf), NULL}));
}

/* Settles somebody's promise, unless its owner was faster in cancelling it. */
static void settle(struct letter letter, uint64_t detail)
{
    if (detail & 1 && via_cfuture_set_running(letter.cf) != 1)
        return;
    if (detail & 2) {
        int rc = via_cfuture_set_error(letter.cf, VIA_EFAILED, 7, "settled as failed");
        expect_status("settling with an error", rc, VIA_ESTATE, VIA_ESTATE, VIA_ESTATE, VIA_ESTATE);
        return;
    }
    item_mark(letter.item, MARK_GAVE);
    int rc = via_cfuture_set_result(letter.cf, letter.item, item_release_result);
    expect_status("settling with a value", rc, VIA_ESTATE, VIA_ESTATE, VIA_ESTATE, VIA_ESTATE);
    if (rc != 0) /* the pin keeps the item from being used again before this */
        atomic_fetch_and(&letter.item->marks, ~(unsigned)MARK_GAVE);
}

static void open_letter(uint64_t detail)
{
    struct letter letter = mail_swap((unsigned)(detail >> 20), (struct letter){NULL, NULL});
    if (letter.cf && letter.item)
        settle(letter, detail);
    else if (letter.cf && detail & 1)
        expect_status("cancelling another's future", via_cfuture_cancel(letter.cf), 0, 0, 0, 0);
    else if (letter.cf)
        expect_status("a short wait", via_cfuture_wait(letter.cf, (int64_t)(detail >> 8) % (50 * VIA_US)),
                      VIA_ETIMEDOUT, VIA_ETIMEDOUT, VIA_ETIMEDOUT, VIA_ETIMEDOUT);
    mail_drop(letter);
}

static void post(struct operator* self, uint64_t detail)
{
    struct item *item = item_take(&self->arena, ITEM_LOOP, detail);
    via_handle *handle = NULL;
    bool regrets = (detail >> 4) % 16 == 0;
    int rc = loops_post((unsigned)(detail >> 60) % STRESS_LOOPS, item, regrets ? &handle : NULL);
    if (rc != 0)
        complain("a post was refused: %s", via_status_name(rc));
    if (handle && via_handle_cancel(handle) == 1)
        loops_withdrawn(item);
    via_handle_unref(handle);
    /* Relaxed: a figure for the report. */
    atomic_fetch_add_explicit(&totals.posts, 1, memory_order_relaxed);
}

static void walk(via_cfuture *const *futures, size_t count, int64_t timeout_ns)
{
    via_completion *completion = NULL;
    via_cfuture *cf = NULL;
    int rc = via_cfutures_as_completed(futures, count, timeout_ns, &completion);
    if (rc != 0) {
        complain("as_completed: %s", via_status_name(rc));
        return;
    }
    while ((rc = via_completion_next(completion, &cf)) == 1) {
        if (via_cfuture_done(cf) != 1)
            complain("as_completed gave a future that is not done");
        via_cfuture_unref(cf);
    }
    expect_status("as_completed's next", rc, VIA_ETIMEDOUT, VIA_ETIMEDOUT, VIA_ETIMEDOUT, VIA_ETIMEDOUT);
    via_completion_free(completion);
}

/* Waits a short time over several slots. */
static void wait_over(const struct slot *slots, uint64_t detail)
{
    via_cfuture *futures[WAITED];
    size_t count = 0;
    int64_t timeout_ns = (int64_t)(detail >> 8) % (50 * VIA_US);
    for (int i = 0; i < WAITED; i++)
        if (slots[i].cf)
            futures[count++] = slots[i].cf;
    /* Relaxed: a figure for the report. */
    atomic_fetch_add_explicit(&totals.waits, 1, memory_order_relaxed);
    if (detail & 1) {
        walk(futures, count, timeout_ns);
        return;
    }
    int done = via_cfutures_wait(futures, count, timeout_ns, (int)((detail >> 1) % 3));
    if (done < 0 || done > (int)count)
        complain("a wait over %zu futures returned %d", count, done);
}

static void take_step(struct operator* self, struct slot *slots, struct step step)
{
    struct slot *slot = &slots[step.slot];
    if (step.detail % RENEW_EVERY == 0) {
        place_renew(step.slot % STRESS_PLACES, &self->choices);
    } else if (step.what < 55) {
        finish(slot, step.detail >> 30);
        submit(self, slot, step.detail);
    } else if (step.what < 63) {
        if (slot->cf)
            expect_status("a cancel", via_cfuture_cancel(slot->cf), 0, 0, 0, 0);
    } else if (step.what < 68) {
        publish(slot, step.detail);
    } else if (step.what < 74) {
        open_letter(step.detail);
    } else if (step.what < 78) {
        finish(slot, step.detail >> 30);
        promise(self, slot, step.detail);
    } else if (step.what < 96) {
        post(self, step.detail);
    } else {
        wait_over(&slots[step.slot / WAITED * WAITED], step.detail);
    }
}

void *operator_run(void *arg)
{
    struct operator* self = arg;
    struct slot slots[SLOTS] = {{NULL, NULL}};
    for (unsigned long i = 0; i < self->operations; i++) {
        struct step step = {choose_below(&self->choices, 100), choose_below(&self->choices, SLOTS),
                            choose(&self->choices)};
        take_step(self, slots, step);
        /* Relaxed: the watchdog only wants to see it move. */
        atomic_fetch_add_explicit(self->progress, 1, memory_order_relaxed);
    }
    for (unsigned i = 0; i < SLOTS; i++)
        finish(&slots[i], i);
    return NULL;
}
