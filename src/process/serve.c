/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who serves a pool: waits for its descriptors and does what is to be done.
 *
 * A thread of the pool's own, or a loop, which has one quiet watch on the pool's epoll.  When that loop
 * closes a thread takes over.  The last thing a server does is to drop the pool's own life.
 */
#include <config.h>

#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <viaduct/error.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/lock.h"
#include "base/thread.h"
#include "process/pool.h"

#define EVENTS 32

int via__process_watch_fd(struct via__process_pool *pool, int fd, int is_level, uint64_t tag)
{
    struct epoll_event event = {.events = EPOLLIN | (is_level ? 0 : EPOLLET), .data.u64 = tag};
    return epoll_ctl(pool->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

void via__process_unwatch_fd(struct via__process_pool *pool, int fd)
{
    (void)epoll_ctl(pool->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

void via__process_nudge(struct via__process_pool *pool)
{
    via__wakefd_signal(&pool->wake);
}

static struct via__process_worker *worker_of(struct via__process_pool *pool, uint64_t tag)
{
    return via__process_worker_by_serial(pool, tag & ((UINT64_C(1) << VIA__TAG_SHIFT) - 1));
}

static void drain_timer(struct via__process_pool *pool)
{
    uint64_t count;
    if (read(pool->timer_fd, &count, sizeof count) > 0)
        via__process_run_timers(pool);
}

static void handle(struct via__process_pool *pool, uint64_t tag)
{
    struct via__process_worker *worker;
    switch (tag >> VIA__TAG_SHIFT) {
    case VIA__TAG_CHANNEL >> VIA__TAG_SHIFT:
        worker = worker_of(pool, tag);
        if (worker) {
            worker->is_armed = 0;
            pool->has_unarmed = 1;
            via__process_take_and_feed(worker);
        }
        break;
    case VIA__TAG_ZYGOTE >> VIA__TAG_SHIFT:
        via__process_hear(pool);
        break;
    case VIA__TAG_TIMER >> VIA__TAG_SHIFT:
        drain_timer(pool);
        break;
    case VIA__TAG_PIDFD >> VIA__TAG_SHIFT:
        worker = worker_of(pool, tag);
        if (worker)
            via__process_died(worker, -1, NULL);
        break;
    default:
        via__wakefd_drain(&pool->wake);
    }
}

// Under the lock: takes what busy workers seem to have answered; how many had.  The next worker may turn out
// to be dead when it is given a call, and leaves the list; what is behind it is found the next time, or
// rings.
static int gather(struct via__process_pool *pool)
{
    int found = 0;
    for (struct via__list *at = pool->busy_workers.next, *next; at != &pool->busy_workers; at = next) {
        struct via__process_worker *worker = VIA__CONTAINER_OF(at, struct via__process_worker, link);
        next = at->next;
        if (via__channel_has_answer(worker->channel)) {
            via__process_take_and_feed(worker);
            found++;
            if (via__list_empty(next))
                break;
        }
    }
    return found;
}

static void arm_those_of(struct via__list *workers)
{
    for (struct via__list *at = workers->next, *next; at != workers; at = next) {
        struct via__process_worker *worker = VIA__CONTAINER_OF(at, struct via__process_worker, link);
        next = at->next; // the worker may change to the other list
        if (!worker->is_armed)
            via__process_arm(worker);
        worker->pool->has_unarmed |= !worker->is_armed && !worker->killed;
    }
}

// Under the lock: workers that have rung once are asked to ring again.  Idle ones too: any thread may give
// them a call.
static void arm_all(struct via__process_pool *pool)
{
    if (!pool->has_unarmed)
        return;
    pool->has_unarmed = 0;
    arm_those_of(&pool->idle_workers);
    arm_those_of(&pool->busy_workers);
    via__process_feed(pool);
}

// Waits, and does what is to be done but to arm.  How many events there were.
static int serve_once(struct via__process_pool *pool, int timeout_ms)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(pool->epoll_fd, events, EVENTS, timeout_ms);
    if (count <= 0)
        return 0;
    via__process_lock(pool);
    for (int i = 0; i < count; i++)
        handle(pool, events[i].data.u64);
    via__process_feed(pool);
    via__process_unlock(pool);
    return count;
}

// Looks for further answers for a while before it asks to be told.  What else there is to hear, as timers and
// deaths, it hears meanwhile, or answers that do not cease would keep it from that.
static void linger(struct via__process_pool *pool)
{
    int64_t now_ns = via_now_ns(), until_ns = now_ns + pool->options.serve_linger_ns, heard_ns = now_ns;
    int is_busy;
    do {
        via__process_lock(pool);
        int found = gather(pool);
        if (found)
            via__process_feed(pool);
        is_busy = !via__list_empty(&pool->busy_workers);
        via__process_unlock(pool);
        for (int i = 0; i < 20 && !found; i++)
            via__cpu_relax();
        now_ns = via_now_ns();
        if (found)
            until_ns = now_ns + pool->options.serve_linger_ns;
        if (now_ns >= heard_ns + VIA__PROCESS_LOOK_NS) {
            heard_ns = now_ns;
            (void)serve_once(pool, 0);
        }
    } while (is_busy && now_ns < until_ns);
}

int via__process_serve(struct via__process_pool *pool, int timeout_ms)
{
    int count = serve_once(pool, timeout_ms);
    if (count == 0)
        return 0;
    if (pool->options.serve_linger_ns)
        linger(pool);
    via__process_lock(pool);
    arm_all(pool);
    via__process_unlock(pool);
    return count;
}

// Nobody serves any more.
static void leave(struct via__process_pool *pool)
{
    // Who asks for a cancel reaches the pool through a job, under a hashed lock.
    via__hashlock_barrier();
    via__executor_die(&pool->base);
}

// ---- a thread ----

static void *serve_in_thread(void *arg)
{
    struct via__process_pool *pool = arg;
    int over = 0;
    via__thread_set_name(pool->name);
    while (!over) {
        (void)via__process_serve(pool, -1);
        via__process_lock(pool);
        over = via__process_wind_down(pool);
        if (over && !pool->has_joiner)
            pthread_detach(pthread_self());
        pool->has_left |= over;
        via__process_unlock(pool);
    }
    leave(pool);
    return NULL;
}

// Under the lock, since whoever shuts down looks at what this sets.
static int start_thread(struct via__process_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    int status = via__thread_start(&pool->server, NULL, serve_in_thread, pool);
    pool->has_thread = status == 0;
    pthread_mutex_unlock(&pool->lock);
    return status;
}

int via__process_is_served_here(const struct via__process_pool *pool)
{
    if (pool->loop)
        return via__loop_is_served_here(pool->loop);
    return pool->has_thread && !pool->has_left && pthread_equal(pool->server, pthread_self());
}

// ---- a loop ----

static void let_go_of_loop(struct via__process_pool *pool)
{
    via_loop *loop = pool->loop;
    via__source_remove(&pool->source);
    via__loop_remove_closer(&pool->closer);
    via__process_lock(pool);
    pool->loop = NULL;
    arm_all(pool);
    via__process_unlock(pool);
    via__loop_unpin(loop);
}

static struct via__process_pool *pool_of(struct via__loop_source *source)
{
    return VIA__CONTAINER_OF(source, struct via__process_pool, source);
}

// Takes what has been answered, most likely by whoever rang.  The descriptors are asked when that has gone
// its way, or before the next time.
static int gather_first(struct via__process_pool *pool)
{
    if (pool->is_unheard)
        return 0;
    via__process_lock(pool);
    pool->is_unheard = gather(pool) > 0;
    if (pool->is_unheard)
        via__process_feed(pool);
    via__process_unlock(pool);
    return pool->is_unheard;
}

static void hear(struct via__process_pool *pool)
{
    pool->is_unheard = 0;
    (void)serve_once(pool, 0); // what is left is told of again
}

static void serve_in_loop(struct via__loop_source *source)
{
    struct via__process_pool *pool = pool_of(source);
    if (gather_first(pool))
        return;
    hear(pool);
    via__process_lock(pool);
    int over = via__process_wind_down(pool);
    via__process_unlock(pool);
    if (over) {
        let_go_of_loop(pool);
        leave(pool);
    }
}

// The loop lingers: another thread that has the lock is not waited for.
static void look_in_loop(struct via__loop_source *source)
{
    struct via__process_pool *pool = pool_of(source);
    if (pthread_mutex_trylock(&pool->lock))
        return;
    if (gather(pool))
        via__process_feed(pool);
    via__process_unlock(pool);
}

// What is heard here may be the last that the end of the pool waits for, of which nothing else would tell.
// The loop is not let go of in the midst of its sources' rest: it is told once more.
static void rest_in_loop(struct via__loop_source *source)
{
    struct via__process_pool *pool = pool_of(source);
    int was_unheard = pool->is_unheard;
    if (was_unheard)
        hear(pool);
    via__process_lock(pool);
    if (was_unheard && via__process_wind_down(pool))
        via__process_nudge(pool);
    arm_all(pool);
    via__process_unlock(pool);
}

static const struct via__loop_source_kind source_kind = {
    .serve = serve_in_loop, .look = look_in_loop, .rest = rest_in_loop};

static void loop_closes(via_loop *loop, struct via__loop_closer *closer)
{
    struct via__process_pool *pool = VIA__CONTAINER_OF(closer, struct via__process_pool, closer);
    (void)loop;
    let_go_of_loop(pool);
    if (start_thread(pool) == 0)
        return;
    // No thread to be had: the pool ends here and now.
    via__process_lock(pool);
    pool->stopping = 1;
    via__process_break(pool, VIA_EBROKEN,
                       "the loop that served the pool was closed, and no thread could be started");
    via__process_unlock(pool);
    for (int over = 0; !over;) {
        (void)via__process_serve(pool, 10);
        via__process_lock(pool);
        over = via__process_wind_down(pool);
        via__process_unlock(pool);
    }
    leave(pool);
}

static int serve_by_loop(struct via__process_pool *pool, via_loop *loop)
{
    int status = via__source_add(loop, &pool->source, pool->epoll_fd, &source_kind);
    if (status < 0)
        return status;
    pool->loop = via__loop_pin(loop);
    via__loop_add_closer(loop, &pool->closer, loop_closes);
    return 0;
}

int via__process_serve_begin(struct via__process_pool *pool)
{
    via__executor_live(&pool->base);
    int status = pool->options.loop ? serve_by_loop(pool, pool->options.loop) : start_thread(pool);
    if (status < 0)
        via__executor_die(&pool->base);
    return status;
}
