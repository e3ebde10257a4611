/* SPDX-License-Identifier: BSD-3-Clause */
/* What workers answer.  Everything here is under the pool's lock. */
#include <config.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <viaduct/error.h>

#include "base/clock.h"
#include "process/pool.h"

// How much weight the latest call has in a function's mean: one in 8.
#define MEAN_SHIFT 3

// After so many answers workers are given more.
#define PORTION 16

static void note_run(struct via__process_pool *pool, uint32_t function, int64_t wall_ns)
{
    struct via__function_record *record = via__process_function(pool, function);
    if (!record || wall_ns < 0)
        return;
    if (record->calls == 0)
        record->mean_ns = wall_ns;
    else
        record->mean_ns += (wall_ns - record->mean_ns) >> MEAN_SHIFT;
    if (record->calls < VIA__PROCESS_PROOF)
        record->calls++;
}

static char *text_of(const struct via__answer *answer)
{
    if (!(answer->flags & VIA__ANSWER_MESSAGE))
        return NULL;
    return via__process_tame(strndup((const char *)answer->out, answer->message_bytes));
}

// What the pool says of dead workers a function can return as well.  Only the text tells that it has.
static char *text_of_own(int status)
{
    char text[80];
    if (status != VIA_ECRASHED && status != VIA_ECORRUPT && status != VIA_ETIMEDOUT && status != VIA_EBROKEN)
        return NULL;
    snprintf(text, sizeof text, "the function itself has returned %s", via_status_name(status));
    return strdup(text);
}

// Copies or shows what the function has answered.  0, VIA_ENOMEM or VIA_ECORRUPT.
static int take_value(struct via__process_worker *worker, const struct via__answer *answer,
                      struct via__answer_of_call *to)
{
    if (answer->out_bytes > worker->pool->options.max_out_bytes)
        return VIA_ECORRUPT;
    to->bytes = answer->out_bytes;
    if (answer->flags & VIA__ANSWER_OUT_BUFFER)
        return via__acquaintance_answer(worker->known, answer->buffer, answer->out_bytes, &to->value,
                                        &to->destroy);
    if (answer->flags & VIA__ANSWER_MESSAGE)
        to->bytes = 0; // the slot holds a text instead
    if (to->bytes > VIA__ANSWER_INLINE)
        return VIA_ECORRUPT;
    if (!to->bytes)
        return 0;
    to->value = malloc(to->bytes);
    to->destroy = free;
    if (!to->value)
        return VIA_ENOMEM;
    memcpy(to->value, answer->out, to->bytes);
    return 0;
}

static void measure(const struct via__process_worker *worker, struct via__answer *answer,
                    struct via__pcall *call)
{
    struct via__usage usage;
    if (!(call->extra->flags & VIA_CALL_MEASURED) && !call->extra->retries)
        return;
    struct via_process_report *report = via__process_report(call, worker);
    call->answer.process = report;
    if (!report)
        return;
    report->wall_ns = answer->wall_ns;
    if (!(answer->flags & VIA__ANSWER_MEASURED))
        return;
    memcpy(&usage, via__answer_usage(answer), sizeof usage);
    report->user_ns = usage.user_ns;
    report->system_ns = usage.system_ns;
    report->max_rss_bytes = (int64_t)usage.max_rss_bytes;
}

// The worker had no room for the call's input, and nothing ran.  Once the call goes to another: what this one
// wants its functions may have used up, so it takes no further calls.
static int goes_elsewhere(struct via__process_worker *worker, struct via__pcall *call)
{
    via__acquaintance_estrange(worker->known, call->extra->buffer);
    if (call->has_gone_elsewhere || call->asked)
        return 0;
    call->has_gone_elsewhere = 1;
    worker->pool->stats.requeued++;
    via__process_leave(worker, call);
    via__process_return(worker->pool, call);
    via__process_retire(worker);
    return 1;
}

// 0, or VIA_ECORRUPT.
static int take_answer(struct via__process_worker *worker, struct via__pcall *call,
                       struct via__answer *answer)
{
    struct via__process_pool *pool = worker->pool;
    if (answer->flags & VIA__ANSWER_REFUSED && !call->asked && !call->is_called_back)
        return VIA_ECORRUPT;
    if (answer->flags & VIA__ANSWER_NO_INPUT && call->extra->buffer && goes_elsewhere(worker, call))
        return 0;
    struct via__answer_of_call got = {.status = answer->status, .code = answer->code};
    int status =
        answer->flags & (VIA__ANSWER_REFUSED | VIA__ANSWER_NOT_FOUND) ? 0 : take_value(worker, answer, &got);
    if (status == VIA_ECORRUPT)
        return status;
    if (status < 0)
        got.status = status;
    got.message = text_of(answer);
    if (answer->flags & VIA__ANSWER_NOT_FOUND)
        via__acquaintance_estrange_object(worker->known,
                                          via__directory_object(pool->directory, call->function));
    via__process_leave(worker, call);
    if (answer->flags & VIA__ANSWER_REFUSED) {
        via__process_return(pool, call); // or it ends there, if that was asked
        return 0;
    }
    if (got.status < 0 && !got.message)
        got.message = text_of_own(got.status);
    call->tries++;
    call->outcome = VIA__PCALL_ANSWERED;
    call->answer = got;
    measure(worker, answer, call);
    note_run(pool, call->function, answer->wall_ns);
    pool->completed++;
    worker->calls++;
    if (!worker->has_answered)
        pool->birth_failures = 0;
    worker->has_answered = 1;
    if ((worker->quota && worker->calls >= worker->quota) ||
        (pool->options.max_worker_bytes && answer->rss_bytes > pool->options.max_worker_bytes))
        via__process_retire(worker);
    via__process_done(pool, call);
    return 0;
}

// An order that was no call has been answered.
static void take_other(struct via__process_worker *worker, const struct via__answer *answer)
{
    // One that was killed meanwhile is no beginner any more, whatever it has answered.
    if (worker->state != VIA__WORKER_INIT || worker->killed)
        return;
    if (answer->status == 0) {
        worker->pool->birth_failures = 0;
        via__process_ready(worker);
        return;
    }
    char *text = text_of(answer), code[64];
    snprintf(code, sizeof code, "its initializer returned %d", answer->status);
    via__process_birth_failed(worker->pool, VIA_EBROKEN, text ? text : code);
    free(text);
    via__process_kill(worker, VIA__KILL_SLOW_START);
}

// With everything answered the worker's words can have one value only.  A wild write that has hit these, and
// nothing that was looked at before, is found before another call could be taken for the writer.
static int is_sound(struct via__process_worker *worker)
{
    return via__channel_started(worker->channel) == 0 && !via__channel_has_answer(worker->channel);
}

// The oldest place of the window was answered, and the next one is the oldest.
static void advance(struct via__process_worker *worker)
{
    struct via__process_pool *pool = worker->pool;
    worker->head++;
    worker->is_slow = 0;
    if (via__worker_pending(worker) > 0) {
        const struct via__pcall *next = via__worker_place(worker, worker->head)->call;
        int is_timed = next && (next->extra->timeout_ns || pool->options.call_timeout_ns || next->asked);
        worker->head_ns = pool->taken_ns;
        if (is_timed)
            via__process_watch(worker);
        return;
    }
    if (worker->killed || worker->state != VIA__WORKER_READY)
        return;
    if (!is_sound(worker)) {
        via__process_kill(worker, VIA__KILL_CORRUPT);
        return;
    }
    worker->idle_ns = pool->taken_ns;
    via__list_remove(&worker->link);
    via__list_push_front(&pool->idle_workers, &worker->link);
    if (worker->retires)
        via__process_retire(worker);
}

static int handle(struct via__process_worker *worker, struct via__answer *answer)
{
    struct via__window_place *place = via__worker_place(worker, worker->head);
    struct via__pcall *call = place->call;
    int status = 0;
    if (call)
        status = take_answer(worker, call, answer);
    else if (!(answer->flags & VIA__ANSWER_REFUSED))
        take_other(worker, answer);
    if (status == 0)
        advance(worker);
    return status;
}

// Reads at most so many answers: 1 if there may be more.
static int take_some(struct via__process_worker *worker, int most)
{
    struct via__answer answer;
    int64_t *taken_ns = &worker->pool->taken_ns;
    *taken_ns = 0; // what was read for the answers before is out of date when there are many
    while (most-- > 0 && via__worker_pending(worker) > 0 && worker->killed != VIA__KILL_CORRUPT) {
        uint64_t number = via__worker_place(worker, worker->head)->number;
        int got = via__channel_take(worker->channel, number, &answer);
        if (got == 1 && !*taken_ns)
            *taken_ns = via_now_ns(); // one look at the clock for all
        if (got == 1)
            got = handle(worker, &answer) < 0 ? VIA_ECORRUPT : 1;
        if (got == VIA_ECORRUPT)
            via__process_kill(worker, VIA__KILL_CORRUPT);
        if (got != 1)
            return 0; // nothing yet, or its end is gone, of which the zygote will tell
    }
    return via__worker_pending(worker) > 0 && worker->killed != VIA__KILL_CORRUPT;
}

void via__process_take(struct via__process_worker *worker)
{
    (void)take_some(worker, INT_MAX);
}

void via__process_take_and_feed(struct via__process_worker *worker)
{
    int is_first = 1;
    // One wake-up: a worker that sleeps again so soon ran on this thread's processor, and would take it away
    // with each portion.
    for (; take_some(worker, PORTION); is_first = 0)
        if (is_first)
            via__process_feed(worker->pool);
        else
            via__process_feed_quietly(worker->pool);
}

void via__process_arm(struct via__process_worker *worker)
{
    while (worker->killed != VIA__KILL_CORRUPT && via__channel_arm(worker->channel) > 0) {
        uint32_t before = worker->head;
        via__process_take(worker);
        if (worker->head == before)
            return;
    }
    worker->is_armed = 1;
}
