/* SPDX-License-Identifier: BSD-3-Clause */
/* How queued calls come to workers.  Everything here is under the pool's lock. */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <viaduct/error.h>

#include "base/clock.h"
#include "executor/buffer.h"
#include "process/pool.h"

// What it costs about to wake another worker: while less than this waits with one, that is not worth it.
#define WAKE_NS (10 * VIA_US)

// Every so many calls the oldest of the lowest priority is taken, so that none starves.
#define FAIR_TURN 16

struct via__function_record *via__process_new_function(struct via__process_pool *pool, uint32_t number)
{
    size_t count = pool->function_count ? pool->function_count * 2 : 16;
    while (count <= number)
        count *= 2;
    struct via__function_record *more = realloc(pool->functions, count * sizeof *more);
    if (!more)
        return NULL;
    memset(more + pool->function_count, 0, (count - pool->function_count) * sizeof *more);
    pool->functions = more;
    pool->function_count = count;
    return &more[number];
}

// How many calls of a function that is known a worker may have at once.  No division for the shortest ones.
static uint32_t earned_depth(const struct via__process_pool *pool, const struct via__function_record *record)
{
    uint32_t most = (uint32_t)pool->options.prefetch_max;
    if (record->has_died || record->calls < VIA__PROCESS_PROOF || record->mean_ns > VIA__PROCESS_SHORT_NS)
        return 1;
    return record->mean_ns * most <= VIA__PROCESS_SHORT_NS
               ? most
               : (uint32_t)(VIA__PROCESS_SHORT_NS / record->mean_ns);
}

// How many calls of this one's function a worker may have at once, with it.
static uint32_t depth_of(struct via__process_pool *pool, const struct via__pcall *call, int64_t *mean_ns)
{
    const struct via__function_record *record = via__process_function(pool, call->function);
    *mean_ns = record ? record->mean_ns : 0;
    return record && call->bounces < VIA__PROCESS_BOUNCES ? earned_depth(pool, record) : 1;
}

static struct via__pcall *first_of(const struct via__list *list)
{
    return via__list_empty(list) ? NULL : VIA__CONTAINER_OF(list->next, struct via__pcall, link);
}

// The call whose turn it is; it stays where it is.
static struct via__pcall *next_call(struct via__process_pool *pool)
{
    struct via__pcall *call = first_of(&pool->returned);
    int fair = (pool->turn + 1) % FAIR_TURN == 0;
    for (int i = 0; i < VIA__PROCESS_LEVELS && !call; i++)
        call = first_of(&pool->queues[fair ? VIA__PROCESS_LEVELS - 1 - i : i]);
    return call;
}

// The busy worker with the fewest calls that may be given another.
static struct via__process_worker *find_busy(struct via__process_pool *pool, uint32_t depth)
{
    struct via__process_worker *best = NULL;
    for (struct via__list *at = pool->busy_workers.next; at != &pool->busy_workers; at = at->next) {
        struct via__process_worker *worker = VIA__CONTAINER_OF(at, struct via__process_worker, link);
        if (worker->alone || worker->is_slow || worker->retires || worker->killed ||
            worker->state != VIA__WORKER_READY || via__worker_pending(worker) >= depth)
            continue;
        if (!best || via__worker_pending(worker) < via__worker_pending(best))
            best = worker;
    }
    return best;
}

// The worker for a call that is to be given, or NULL.
static struct via__process_worker *choose(struct via__process_pool *pool, struct via__pcall *call)
{
    struct via__list *first = pool->idle_workers.next;
    struct via__process_worker *idle =
        first == &pool->idle_workers ? NULL : VIA__CONTAINER_OF(first, struct via__process_worker, link);
    int64_t mean_ns;
    uint32_t depth = depth_of(pool, call, &mean_ns);
    call->is_alone = depth == 1;
    if (depth == 1)
        return idle;
    struct via__process_worker *busy = find_busy(pool, depth);
    int is_worth_it = idle && (!busy || (via__worker_pending(busy) + 1) * mean_ns >= WAKE_NS);
    return is_worth_it ? idle : busy;
}

// Not a secret, but nothing that a stray write would hit on.
static uint64_t next_number(struct via__process_pool *pool)
{
    uint64_t x = pool->random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return pool->random = x;
}

static void enter_window(struct via__process_worker *worker, struct via__pcall *call, uint64_t number)
{
    uint32_t place = via__channel_push(worker->channel);
    *via__worker_place(worker, worker->tail) = (struct via__window_place){call, number};
    if (call)
        call->place = place;
    worker->tail++;
}

// The worker has something to do from now on.
static void make_busy(struct via__process_worker *worker)
{
    if (via__worker_pending(worker) > 0)
        return;
    via__list_remove(&worker->link);
    via__list_push_back(&worker->pool->busy_workers, &worker->link);
    worker->head_ns = via_now_ns();
}

static void fill_call(struct via__process_worker *worker, const struct via__pcall *call,
                      struct via__order *order)
{
    const struct via__process_pool *pool = worker->pool;
    const struct via__call_extra *extra = call->extra;
    order->function = call->function;
    order->kind = VIA__ORDER_CALL;
    order->flags = (uint8_t)((extra->flags & VIA_CALL_MEASURED ? VIA__ORDER_MEASURE : 0) |
                             (pool->options.max_worker_bytes ? VIA__ORDER_SIZE : 0) |
                             (extra->is_packed ? VIA__ORDER_PACKED : 0));
    order->in_bytes = extra->in_bytes;
    order->out_max = pool->options.max_out_bytes;
    order->cpu_ns = pool->options.limits.call_cpu_ns;
    if (extra->buffer) {
        order->flags |= VIA__ORDER_IN_BUFFER | (extra->buffer->is_writable ? VIA__ORDER_IN_PLACE : 0);
        order->buffer = via__buffer_number(extra->buffer);
    } else if (extra->in_bytes) {
        memcpy(order->in, extra->in, extra->in_bytes);
    }
}

// What the worker must know before it can run the call.  0, VIA_EAGAIN, or another negative status.
static int introduce(struct via__process_worker *worker, const struct via__pcall *call)
{
    struct via__process_pool *pool = worker->pool;
    uint32_t object = via__directory_object(pool->directory, call->function);
    int is_new = 0, knock = 0, status = 0;
    if (object)
        status = via__acquaintance_send_object(worker->known, object,
                                               via__directory_object_fd(pool->directory, object), &is_new);
    knock = status == 0 && is_new;
    if (status == 0 && call->extra->buffer) {
        status = via__acquaintance_introduce(worker->known, call->extra->buffer, &is_new);
        knock |= status == 0 && is_new;
    }
    if (knock)
        via__channel_knock(worker->channel);
    return status;
}

static void give(struct via__process_worker *worker, struct via__pcall *call)
{
    struct via__process_pool *pool = worker->pool;
    struct via__order *order = via__channel_next_order(worker->channel);
    int was_idle = via__worker_pending(worker) == 0;
    make_busy(worker);
    order->number = next_number(pool);
    order->taken = (uint16_t)worker->head;
    fill_call(worker, call, order);
    if (via__acquaintance_tell(worker->known) > 0)
        via__channel_knock(worker->channel);
    call->state = VIA__PCALL_GIVEN;
    call->worker = worker;
    call->is_called_back = 0;
    worker->alone += (uint32_t)call->is_alone;
    pool->given++;
    enter_window(worker, call, order->number);
    if (was_idle)
        via__process_watch(worker);
}

// An idle worker will tell of nothing, and what the system is short of it does not tell either.
static void try_again_soon(struct via__process_pool *pool)
{
    if (pool->retry_ns)
        return;
    pool->retry_ns = via_now_ns() + via__process_back_off(1);
    via__process_set_timer(pool);
}

// Moves one call from the queue to a worker: 1; 0 if that has to wait.
static int move_one(struct via__process_pool *pool, struct via__pcall *call,
                    struct via__process_worker *worker)
{
    int status = call->extra->buffer || via__directory_object(pool->directory, call->function)
                     ? introduce(worker, call)
                     : 0;
    if (status == VIA_EAGAIN) {
        try_again_soon(pool);
        return 0;
    }
    if (status == -EPIPE || status == -ECONNRESET) {
        via__process_kill(worker, VIA__KILL_STALLED); // dead or deaf: it can be given nothing
        return 1;
    }
    if (!via__cf_hand_over(call->cf)) {
        via__list_remove(&call->link); // an outsider has claimed it, and counts it out
        return 1;
    }
    via__process_unqueue(pool, call);
    pool->turn++;
    if (!call->tries && via__process_has_expired(call))
        via__process_expire(pool, call); // its timer is late
    else if (status < 0)
        via__process_fail(pool, call, status, NULL);
    else
        give(worker, call);
    return 1;
}

static int wants_more(const struct via__process_pool *pool)
{
    // A full pool with calls waiting comes here with each of them: via__process_bear() would say the same.
    if (pool->live >= (size_t)pool->options.max_workers && pool->zygote_state == VIA__ZYGOTE_UP)
        return 0;
    return pool->starting < pool->queued ||
           (!pool->stopping && pool->live < (size_t)pool->options.min_workers);
}

// Gives what it can; `hand_on` shows each worker what it was given.
static inline void feed(struct via__process_pool *pool, void (*hand_on)(struct via__channel *channel))
{
    struct via__process_worker *last = NULL;
    struct via__pcall *call;
    while ((call = next_call(pool)) != NULL) {
        struct via__process_worker *worker = choose(pool, call);
        if (worker != last && last)
            hand_on(last->channel);
        last = worker;
        if (!worker || !move_one(pool, call, worker))
            break;
    }
    if (last)
        hand_on(last->channel);
    while (wants_more(pool) && via__process_bear(pool) == 0)
        ;
}

static void flush_all(struct via__process_pool *pool)
{
    pool->has_unflushed = 0;
    for (struct via__list *at = pool->busy_workers.next; at != &pool->busy_workers; at = at->next)
        via__channel_flush(VIA__CONTAINER_OF(at, struct via__process_worker, link)->channel);
}

void via__process_feed(struct via__process_pool *pool)
{
    feed(pool, via__channel_flush);
    if (pool->has_unflushed)
        flush_all(pool);
}

void via__process_feed_quietly(struct via__process_pool *pool)
{
    pool->has_unflushed = 1;
    feed(pool, via__channel_show);
}

void via__process_feed_behind(struct via__process_pool *pool)
{
    while (wants_more(pool) && via__process_bear(pool) == 0)
        ;
}

int via__process_order(struct via__process_worker *worker, enum via__order_kind kind, via_bytes_fn fn,
                       via_buffer *in)
{
    struct via__process_pool *pool = worker->pool;
    struct via__order *order = via__channel_next_order(worker->channel);
    struct via__why why;
    int is_new = 0;
    int status = in ? via__acquaintance_introduce(worker->known, in, &is_new) : 0;
    if (status < 0)
        return status;
    make_busy(worker);
    order->number = next_number(pool);
    order->function = 0;
    if (fn)
        (void)via__directory_enter(pool->directory, (void *)(uintptr_t)fn, &order->function, &why);
    order->kind = (uint8_t)kind;
    order->taken = (uint16_t)worker->head;
    order->flags = in ? VIA__ORDER_IN_BUFFER : 0;
    order->in_bytes = in ? in->bytes : 0;
    order->buffer = in ? via__buffer_number(in) : 0;
    order->out_max = pool->options.max_out_bytes; // the answer is dropped, but the function may make one
    order->cpu_ns = 0;
    if (is_new)
        via__channel_knock(worker->channel);
    uint32_t object = via__directory_object(pool->directory, order->function);
    if (object && via__acquaintance_send_object(
                      worker->known, object, via__directory_object_fd(pool->directory, object), &is_new) == 0)
        via__channel_knock(worker->channel);
    enter_window(worker, NULL, order->number);
    via__channel_flush(worker->channel);
    return 0;
}

void via__process_leave(struct via__process_worker *worker, struct via__pcall *call)
{
    for (uint32_t i = worker->head; i != worker->tail; i++) {
        struct via__window_place *place = via__worker_place(worker, i);
        if (place->call == call) {
            place->call = NULL;
            break;
        }
    }
    worker->alone -= (uint32_t)call->is_alone;
    worker->pool->given--;
    call->worker = NULL;
}

void via__process_call_back(struct via__process_worker *worker)
{
    for (uint32_t behind = via__worker_pending(worker); behind > 1; behind--) {
        struct via__pcall *call = via__worker_place(worker, worker->head + behind - 1)->call;
        if (!call || call->asked || call->is_called_back)
            continue;
        call->is_called_back = 1;
        if (!via__channel_call_back(worker->channel, call->place))
            continue; // it may have started, or else the worker will refuse it
        via__process_leave(worker, call);
        via__process_return(worker->pool, call);
    }
}
