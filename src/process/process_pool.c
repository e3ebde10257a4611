/* SPDX-License-Identifier: BSD-3-Clause */
/* Process pools: how they are made, freed and asked.  The design is at the head of pool.h. */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <viaduct/error.h>
#include <viaduct/time.h>

#include "base/clock.h"
#include "base/fork.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/role.h"
#include "base/thread.h"
#include "process/enter.h"
#include "process/pool.h"

#define CACHE_BYTES  ((size_t)64 << 20)
#define LINGER_NS    (20 * VIA_US)
#define MEMORY_FILES "memory files (memfd_create)"

static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER; // guards `all`; comes before any pool's lock
static struct via__list all = {&all, &all};

// ---- forks ----

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

static void forget_worker(struct via__process_worker *worker)
{
    int is_level;
    close_fd(worker->control);
    close_fd(worker->pidfd);
    close_fd(via__channel_fd(worker->channel, &is_level));
}

static void forget_remains(struct via__process_pool *pool)
{
    // Relaxed: this is a copy of the thread that forked, or of what others had published by then.
    struct via__process_worker *worker = atomic_load_explicit(&pool->remains, memory_order_relaxed);
    for (; worker; worker = worker->next_remains)
        forget_worker(worker);
}

// The child has copies of the parent's descriptors: they are closed, so that the zygote and the workers see
// only their own program, and nothing that they say is heard here.  Only the epoll stays, which a loop that
// serves the pool may have among its own.  Locks may be held by threads that the child does not have, so none
// is taken.
static void forget_in_child(void)
{
    pthread_mutex_init(&all_lock, NULL);
    for (struct via__list *at = all.next; at != &all; at = at->next) {
        struct via__process_pool *pool = VIA__CONTAINER_OF(at, struct via__process_pool, registered);
        via__zygote_forget(&pool->zygote);
        via__zygote_forget(&pool->leaving);
        for (size_t i = 0; i < pool->slots; i++) {
            if (pool->table[i])
                forget_worker(pool->table[i]);
        }
        forget_remains(pool);
        close_fd(pool->config_fd);
        close_fd(pool->timer_fd);
        if (pool->wake.read_fd >= 0)
            via__wakefd_close(&pool->wake);
        pool->config_fd = pool->timer_fd = -1;
    }
    via__list_init(&all);
}

static void enroll(struct via__process_pool *pool)
{
    pthread_mutex_lock(&all_lock);
    via__list_push_back(&all, &pool->registered);
    pthread_mutex_unlock(&all_lock);
}

static void strike_off(struct via__process_pool *pool)
{
    pthread_mutex_lock(&all_lock);
    via__list_remove(&pool->registered);
    pthread_mutex_unlock(&all_lock);
}

// ---- making and freeing ----

static void destroy(via_executor *executor)
{
    struct via__process_pool *pool = via__process_pool_of(executor);
    via__exit_remove(&pool->exit_node);
    via__process_dismiss(pool);
    strike_off(pool);
    via__zygote_end(&pool->zygote);
    via__buffer_drop(pool->initializer_in);
    if (pool->cache)
        via__buffer_cache_leave(pool->cache);
    if (pool->directory)
        via__directory_free(pool->directory);
    close_fd(pool->config_fd);
    close_fd(pool->epoll_fd);
    close_fd(pool->timer_fd);
    if (pool->wake.read_fd >= 0)
        via__wakefd_close(&pool->wake);
    via__heap_fini(&pool->timers);
    free(pool->functions);
    free(pool->table);
    pthread_cond_destroy(&pool->room);
    pthread_cond_destroy(&pool->idle);
    sem_destroy(&pool->nurse_bell);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

// Only the thread that serves could complete them.
static int only_here(via_executor *executor)
{
    struct via__process_pool *pool = via__process_pool_of(executor);
    pthread_mutex_lock(&pool->lock);
    int here = via__process_is_served_here(pool);
    pthread_mutex_unlock(&pool->lock);
    return here;
}

static const struct via__executor_kind process_kind = {.name = "process pool",
                                                       .call_kinds = VIA_CALL_BYTES_IN_OUT,
                                                       .submit = via__process_submit,
                                                       .claimed = via__process_claimed,
                                                       .shutdown = via__process_shutdown,
                                                       .released = via__process_released,
                                                       .stats = via__process_stats,
                                                       .stuck = via__process_stuck,
                                                       .destroy = destroy,
                                                       .request = via__process_request,
                                                       .only_here = only_here,
                                                       .in_inline = VIA__ORDER_INLINE,
                                                       .copy_in = via__process_copy_in,
                                                       .apart_bytes = sizeof(struct via__pcall),
                                                       .packs = 1,
                                                       .kills = 1};

struct via__process_pool *via__process_pool_check(via_executor *executor)
{
    return executor && executor->kind == &process_kind ? via__process_pool_of(executor) : NULL;
}

struct via__buffer_cache *via__process_pool_cache(via_executor *executor)
{
    struct via__process_pool *pool = via__process_pool_check(executor);
    return pool ? pool->cache : NULL;
}

static void name_pool(struct via__process_pool *pool, const char *name)
{
    static _Atomic unsigned counter;
    // Relaxed: the number only has to differ.
    if (name)
        snprintf(pool->name, sizeof pool->name, "%s", name);
    else
        snprintf(pool->name, sizeof pool->name, "via-p%u",
                 atomic_fetch_add_explicit(&counter, 1, memory_order_relaxed));
    pool->options.name = pool->name;
}

static struct via__process_pool *new_pool(const struct via_process_pool_options *options)
{
    struct via__process_pool *pool = calloc(1, sizeof *pool);
    if (!pool)
        return NULL;
    pool->options = *options;
    name_pool(pool, options->name);
    pool->config_fd = pool->epoll_fd = pool->timer_fd = -1;
    pool->wake = (struct via__wakefd){-1, -1};
    pool->zygote = pool->leaving = (struct via__zygote){.control = -1, .pidfd = -1};
    pool->zygote_state = VIA__ZYGOTE_DOWN;
    pool->armed_ns = VIA_FOREVER;
    pool->done_end = &pool->done;
    pool->random = (uint64_t)via_now_ns() | 1;
    via__mutex_init(&pool->lock);
    via__cond_init(&pool->room);
    via__cond_init(&pool->idle);
    sem_init(&pool->nurse_bell, 0, 0);
    for (int i = 0; i < VIA__PROCESS_LEVELS; i++)
        via__list_init(&pool->queues[i]);
    via__list_init(&pool->returned);
    via__list_init(&pool->idle_workers);
    via__list_init(&pool->busy_workers);
    via__list_init(&pool->registered);
    via__list_init(&pool->exit_node.link);
    via__executor_init(&pool->base, &process_kind);
    return pool;
}

static int64_t choose_linger(const struct via_process_pool_options *options)
{
    if (options->linger_ns != VIA_LINGER_AUTO)
        return options->linger_ns;
    return via__cpu_count() > options->max_workers ? LINGER_NS : 0;
}

// A function that workers cannot find would be no part of their lives, without a word.
static int check_function(struct via__process_pool *pool, via_bytes_fn fn, struct via__why *why)
{
    uint32_t number;
    return fn ? via__directory_enter(pool->directory, (void *)(uintptr_t)fn, &number, why) : 0;
}

// What every pool needs of the system, whatever the transport.  A filter of system calls is the usual reason
// why a kernel that has it refuses it.
static int not_had(int status, const char *what, struct via__why *why)
{
    if (status != -ENOSYS && status != -EPERM && status != -EACCES && status != VIA_ENOTSUP)
        return status;
    return via__why(why, VIA_ENOTSUP,
                    "this system refuses %s, which process pools need (%s): is there a filter of system "
                    "calls (seccomp)?",
                    what, via_status_text(status));
}

// What it shares with its processes.
static int make_shared(struct via__process_pool *pool, struct via__why *why)
{
    struct via_process_pool_options *options = &pool->options;
    uint64_t seed;
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) == sizeof seed)
        pool->random ^= seed | 1;
    pool->transport = options->transport;
    if (pool->transport == VIA_TRANSPORT_AUTO)
        pool->transport = via__channel_can_share() ? VIA_TRANSPORT_SHARED : VIA_TRANSPORT_SOCKET;
    options->linger_ns = choose_linger(options);
    int status = via__buffer_cache_new(CACHE_BYTES, &pool->cache);
    if (status == 0)
        status = not_had(via__directory_new(&pool->directory), MEMORY_FILES, why);
    if (status == 0)
        status = not_had(via__config_new(options, pool->transport, &pool->config_fd), MEMORY_FILES, why);
    if (status == 0)
        status = check_function(pool, options->initializer, why);
    if (status == 0)
        status = check_function(pool, options->finalizer, why);
    if (status == 0 && options->initializer_in_bytes)
        status = via__process_copy_in(&pool->base, options->initializer_in, options->initializer_in_bytes,
                                      &pool->initializer_in);
    options->initializer_in = NULL;
    options->readable_paths = options->writable_paths = NULL;
    options->why = NULL;
    return status;
}

// What it waits with.
static int make_descriptors(struct via__process_pool *pool)
{
    pool->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (pool->epoll_fd < 0)
        return -errno;
    pool->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (pool->timer_fd < 0)
        return -errno;
    int status = via__wakefd_open(&pool->wake);
    if (status < 0)
        pool->wake.read_fd = -1;
    if (status == 0)
        status = via__process_watch_fd(pool, pool->timer_fd, 1, VIA__TAG_TIMER);
    if (status == 0)
        status = via__process_watch_fd(pool, pool->wake.read_fd, 1, VIA__TAG_WAKE);
    return status;
}

// Those that were killed and not buried yet, and the ones that take their places, have room as well.
static int make_table(struct via__process_pool *pool)
{
    size_t slots = (size_t)pool->options.max_workers * 3 + 1;
    pool->table = calloc(slots, sizeof(struct via__process_worker *));
    if (!pool->table)
        return VIA_ENOMEM;
    pool->slots = slots; // only now: a fork at this moment has the child go through the table
    return via__heap_reserve(&pool->timers, slots);
}

static int start_zygote(struct via__process_pool *pool, struct via__why *why)
{
    int status = via__zygote_start(pool->config_fd, via__directory_fd(pool->directory),
                                   pool->options.start_timeout_ns, &pool->zygote, why);
    if (status < 0)
        return status;
    if (why->text[0])
        via__log(VIA_LOG_WARNING, "%s", why->text);
    why->text[0] = '\0';
    pool->zygote_state = VIA__ZYGOTE_UP;
    return via__process_watch_zygote(pool);
}

static void start_minimum(struct via__process_pool *pool)
{
    via__process_lock(pool);
    while (pool->live < (size_t)pool->options.min_workers && via__process_bear(pool) == 0)
        ;
    via__process_unlock(pool);
}

static int begin(struct via__process_pool *pool, struct via__why *why)
{
    int status = make_shared(pool, why);
    if (status == 0)
        status = make_table(pool);
    if (status == 0)
        status = not_had(make_descriptors(pool), "epoll, timer or event descriptors", why);
    if (status == 0)
        status = start_zygote(pool, why);
    if (status == 0)
        status = via__exit_add(&pool->exit_node, via__process_at_exit);
    if (status == 0)
        status = via__process_hire(pool);
    if (status == 0)
        status = via__process_serve_begin(pool);
    return status;
}

static int make(const struct via_process_pool_options *options, via_executor **executor, struct via__why *why)
{
    int status = via__executor_watch_forks();
    if (status == 0)
        status = via__enter_check(why);
    if (status == 0)
        status = via__process_check_options(options, why);
    if (status < 0)
        return status;
    struct via__process_pool *pool = new_pool(options);
    if (!pool)
        return VIA_ENOMEM;
    via__fork_on_child(forget_in_child);
    enroll(pool);
    pool->oom_kills = via__process_oom_kills();
    status = begin(pool, why);
    if (status < 0) {
        destroy(&pool->base);
        return status == -EMFILE || status == -ENFILE ? VIA_EAGAIN : status;
    }
    start_minimum(pool);
    *executor = &pool->base;
    return 0;
}

int via_process_pool_new(const struct via_process_pool_options *options, via_executor **executor)
{
    struct via_process_pool_options defaults;
    struct via__why why = {{0}};
    if (!options) {
        via_process_pool_options_init(&defaults);
        options = &defaults;
    }
    int status = executor ? make(options, executor, &why) : VIA_EINVAL;
    if (status < 0 && options->why && options->why_bytes)
        snprintf(options->why, options->why_bytes, "%s", why.text[0] ? why.text : via_status_text(status));
    return status;
}

// ---- asking ----

int via_process_pool_kill(via_executor *executor)
{
    struct via__process_pool *pool = via__process_pool_check(executor);
    int count = 0;
    if (!pool)
        return VIA_EINVAL;
    if (via__executor_forked(executor))
        return VIA_EFORKED;
    via__process_lock(pool);
    for (size_t i = 0; i < pool->slots; i++) {
        if (pool->table[i] && !pool->table[i]->killed) {
            via__process_kill(pool->table[i], VIA__KILL_ASKED);
            count++;
        }
    }
    via__process_unlock(pool);
    return count;
}

int via_process_pool_get_stats(via_executor *executor, struct via_process_pool_stats *stats)
{
    struct via__process_pool *pool = via__process_pool_check(executor);
    if (!pool || !stats)
        return VIA_EINVAL;
    if (via__executor_forked(executor))
        return VIA_EFORKED;
    pthread_mutex_lock(&pool->lock);
    *stats = pool->stats;
    stats->unkillable = pool->zombies;
    stats->queued_bytes = pool->queued_bytes;
    stats->shared_bytes = via__buffer_cache_held(pool->cache);
    stats->transport = pool->transport;
    pthread_mutex_unlock(&pool->lock);
    return 0;
}

int via_process_pool_workers(via_executor *executor, long *pids, size_t capacity)
{
    struct via__process_pool *pool = via__process_pool_check(executor);
    size_t count = 0;
    if (!pool || (!pids && capacity))
        return VIA_EINVAL;
    if (via__executor_forked(executor))
        return VIA_EFORKED;
    pthread_mutex_lock(&pool->lock);
    for (size_t i = 0; i < pool->slots; i++) {
        if (!pool->table[i] || !pool->table[i]->pid)
            continue;
        if (count < capacity)
            pids[count] = (long)pool->table[i]->pid;
        count++;
    }
    pthread_mutex_unlock(&pool->lock);
    return (int)count;
}
