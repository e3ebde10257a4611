/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The object: how a loop begins and ends, and what may be asked of it.
 *
 * Ending.  close_now() runs once, in the loop's thread, with none of the loop's callbacks on the stack.  It
 * lets the layers above let go, then shuts the inbox, so that nothing can be sent any more, and drops what is
 * queued.  That may run code of the program (hooks, destructors, callbacks of concurrent futures), which is
 * told VIA_ECLOSED from the beginning (`closing`); other threads are told when all is over (`closed`), since
 * from then on they may drop what belonged to the loop.  Memory goes with the last pin, in whatever thread
 * that is; only then is the wake-up descriptor closed, because a producer may signal until it gives its pin
 * back.
 */
#include <config.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/thread.h"
#include "loop/tick.h"
#include "loop/timer.h"
#include "loop/watch.h"

#define LINGER_NS    (20 * VIA_US)
#define NAP_NS       (200 * VIA_US)
#define DRAIN_BUDGET 1024
#define SLOW_NS      (100 * VIA_MS)

void via_loop_options_init(struct via_loop_options *options)
{
    if (options)
        *options =
            (struct via_loop_options){.linger_ns = LINGER_NS, .nap_ns = NAP_NS, .drain_budget = DRAIN_BUDGET};
}

// A processor that spins keeps nobody else waiting only if there is another one.
static int64_t linger_that_pays(int64_t linger_ns)
{
    static _Atomic int cpus;
    // Relaxed, both: whoever finds it first counts again, and finds the same.
    int count = atomic_load_explicit(&cpus, memory_order_relaxed);
    if (!count)
        atomic_store_explicit(&cpus, count = via__cpu_count(), memory_order_relaxed);
    return count > 1 ? linger_ns : 0;
}

static void arrive_nudge(via_loop *loop, struct via__post *post)
{
    (void)post;
    // Acquire: pairs with the release in nudge(), so that the tick which takes this sees what was done before
    // it, also by one who found the nudge on its way.  Release: the link was read before the next one pushes
    // it.
    atomic_exchange_explicit(&loop->nudged, 0, memory_order_acq_rel);
}

static void drop_nudge(via_loop *loop, struct via__post *post)
{
    (void)loop;
    (void)post;
}

static const struct via__post_kind nudge_kind = {arrive_nudge, drop_nudge};

// The last reference went in another thread while the loop ran; its pin came with this message.
static void arrive_farewell(via_loop *loop, struct via__post *post)
{
    (void)post;
    loop->close_requested = 1;
    via__loop_unpin(loop); // the runner has one
}

static void drop_farewell(via_loop *loop, struct via__post *post)
{
    (void)post;
    via__loop_unpin(loop); // close_now() has one
}

static const struct via__post_kind farewell_kind = {arrive_farewell, drop_farewell};

static void init_fields(via_loop *loop, const struct via_loop_options *options)
{
    loop->linger_ns = linger_that_pays(options->linger_ns);
    loop->drain_budget = options->drain_budget;
    loop->nap_ns = options->base || options->virtual_clock ? 0 : options->nap_ns;
    loop->is_attached = options->base != NULL;
    loop->slow_callback_ns = SLOW_NS;
    loop->generation = via__fork_generation();
    loop->maker = via__loop_thread();
    loop->nudge.kind = &nudge_kind;
    loop->farewell.kind = &farewell_kind;
    via__list_init(&loop->closers);
    via__list_init(&loop->sources);
    via__mutex_init(&loop->cancel_lock);
    pthread_cond_init(&loop->cancel_cond, NULL);
    // Nobody else knows the loop yet, so these need no order.
    atomic_init(&loop->inbox.head, VIA__INBOX_ASLEEP);
    atomic_init(&loop->refs, 1);
    atomic_init(&loop->pins, 1);
    atomic_init(&loop->owner, loop->maker);
    atomic_init(&loop->debug, via__debug_wanted());
}

// Tells whether there is room for what a base opens.  libevent ends the program if it cannot make the pair of
// descriptors for its signals, so this is looked at before: epoll, its timer, and the pair.
static int has_room_for_base(const via_loop *loop)
{
    int fds[4], count = 0;
    while (count < 4 && (fds[count] = fcntl(loop->wake.read_fd, F_DUPFD_CLOEXEC, 0)) >= 0)
        count++;
    int status = count == 4 ? 0 : -errno;
    while (count > 0)
        close(fds[--count]);
    return status;
}

static struct event_base *new_base(void)
{
    struct event_config *config = event_config_new();
    if (!config)
        return NULL;
    struct event_base *base = NULL;
    if (event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER) == 0)
        base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

static int add_events(via_loop *loop)
{
    evtimer_assign(&loop->tick_event, loop->base, via__on_tick, loop);
    event_assign(&loop->keep_event, loop->base, -1, EV_PERSIST, via__on_tick, loop);
    event_assign(&loop->wake_event, loop->base, loop->wake.read_fd, EV_READ | EV_PERSIST, via__on_wake, loop);
    // As libevent marks the event by which its own threads wake it: it does not keep a base running.
    loop->wake_event.ev_evcallback.evcb_flags |= EVLIST_INTERNAL;
    return event_add(&loop->wake_event, NULL) < 0 ? VIA_ENOMEM : 0;
}

static void free_memory(via_loop *loop)
{
    via__vclock_unref(loop->vclock);
    via__wakefd_close(&loop->wake);
    pthread_cond_destroy(&loop->cancel_cond);
    pthread_mutex_destroy(&loop->cancel_lock);
    free(loop->ran);
    free(loop);
}

static int init_base(via_loop *loop, struct event_base *base)
{
    int room = base ? 0 : has_room_for_base(loop);
    if (room < 0)
        return room;
    errno = 0;
    loop->base = base ? base : new_base();
    if (!loop->base)
        return errno ? -errno : VIA_ENOMEM;
    int status = add_events(loop);
    if (status < 0 && !base)
        event_base_free(loop->base);
    return status;
}

static void clock_changed(void *loop)
{
    via__loop_nudge(loop);
}

static int init_clock(via_loop *loop, const struct via_loop_options *options)
{
    if (!options->virtual_clock)
        return 0;
    loop->vclock = via__vclock_new(loop, clock_changed);
    return loop->vclock ? 0 : VIA_ENOMEM;
}

static int make(const struct via_loop_options *options, via_loop **loop)
{
    size_t bytes = (sizeof **loop + 63) & ~(size_t)63;
    via_loop *fresh = aligned_alloc(64, bytes);
    if (!fresh)
        return VIA_ENOMEM;
    memset(fresh, 0, bytes);
    int status = via__wakefd_open(&fresh->wake);
    if (status < 0) {
        free(fresh);
        return status;
    }
    init_fields(fresh, options);
    status = init_clock(fresh, options);
    if (status == 0)
        status = init_base(fresh, options->base);
    if (status < 0) {
        free_memory(fresh);
        return status;
    }
    *loop = fresh;
    return 0;
}

int via_loop_new_with(const struct via_loop_options *options, via_loop **loop)
{
    struct via_loop_options defaults;
    via_loop_options_init(&defaults);
    if (!options)
        options = &defaults;
    if (!loop || options->linger_ns < 0 || options->nap_ns < 0 || options->drain_budget < 1)
        return VIA_EINVAL;
    int status = via__fork_watch();
    return status < 0 ? status : make(options, loop);
}

int via_loop_new(via_loop **loop)
{
    return via_loop_new_with(NULL, loop);
}

int via_loop_attach(struct event_base *base, via_loop **loop)
{
    struct via_loop_options options;
    via_loop_options_init(&options);
    options.base = base;
    return base ? via_loop_new_with(&options, loop) : VIA_EINVAL;
}

via_loop *via__loop_pin(via_loop *loop)
{
    // Relaxed: the caller has a pin or reference, which keeps the loop meanwhile.
    atomic_fetch_add_explicit(&loop->pins, 1, memory_order_relaxed);
    return loop;
}

void via__loop_unpin(via_loop *loop)
{
    // Release and acquire: what each holder did comes before the memory goes.
    if (atomic_fetch_sub_explicit(&loop->pins, 1, memory_order_acq_rel) == 1)
        free_memory(loop);
}

via_loop *via_loop_ref(via_loop *loop)
{
    // Relaxed: the caller has a reference.
    if (loop)
        atomic_fetch_add_explicit(&loop->refs, 1, memory_order_relaxed);
    return loop;
}

via_loop *via_loop_unref(via_loop *loop)
{
    // Release and acquire: what each holder did comes before the loop is closed.
    if (!loop || atomic_fetch_sub_explicit(&loop->refs, 1, memory_order_acq_rel) != 1)
        return NULL;
    // A forked child shares the parent's descriptors and may not touch what they watch: it leaves the loop
    // be.
    if (loop->generation != via__fork_generation())
        return NULL;
    int status = via_loop_close(loop);
    if (status == VIA_EFOREIGN && via__loop_post(loop, &loop->farewell) == 0)
        return NULL;
    if (status == VIA_ERUNNING) {
        loop->close_requested = 1;  // by a callback: the runner closes it
        via__tick_after_poll(loop); // which the end of a tick tells, and this may be no tick's callback
    }
    via__loop_unpin(loop);
    return NULL;
}

static void drop_messages(via_loop *loop, uintptr_t chain)
{
    while (chain) {
        uintptr_t tagged = chain;
        uintptr_t *link = via__inbox_link(tagged);
        chain = *link;
        if (tagged & VIA__TAG_COMPLETION) {
            loop->on_completion_dropped(loop, link);
        } else {
            struct via__post *post = (struct via__post *)(void *)link;
            post->kind->drop(loop, post);
        }
    }
}

static void tell_closers(via_loop *loop)
{
    while (!via__list_empty(&loop->closers)) {
        struct via__list *link = loop->closers.next;
        via__list_remove(link);
        struct via__loop_closer *closer = VIA__CONTAINER_OF(link, struct via__loop_closer, link);
        closer->fn(loop, closer);
    }
}

static void drop_queues(via_loop *loop)
{
    uintptr_t backlog = loop->backlog;
    loop->backlog = 0;
    drop_messages(loop, backlog);
    drop_messages(loop, via__inbox_close(&loop->inbox));
    while (loop->ready.count) {
        struct via__ready *node = via__ready_pop(&loop->ready);
        node->kind->drop(loop, node);
    }
    via__timers_drop(loop);
}

static void leave_base(via_loop *loop)
{
    via__watch_clear_all(loop, &loop->fds);
    via__watch_clear_all(loop, &loop->signals);
    event_del(&loop->tick_event);
    event_del(&loop->keep_event);
    event_del(&loop->wake_event);
    if (!loop->is_attached)
        event_base_free(loop->base);
    loop->base = NULL;
    // What is asked of the events from here on finds that nothing needs to be done.
    loop->armed = VIA__ARMED_NOW;
    loop->keep_pending = 0;
}

void via__loop_close_now(via_loop *loop)
{
    struct via__role_outer outer = via__role_enter_loop(loop);
    via__loop_pin(loop); // the program may drop the last reference meanwhile
    loop->closing = 1;
    tell_closers(loop);
    if (loop->vclock)
        via__vclock_close(loop->vclock);
    drop_queues(loop);
    leave_base(loop);
    if (loop->handles)
        via__slab_leave(loop->handles);
    if (loop->timer_handles)
        via__slab_leave(loop->timer_handles);
    // Release: pairs with the acquire in via__loop_is_closed().
    atomic_store_explicit(&loop->closed, 1, memory_order_release);
    via__role_leave_loop(outer);
    via__loop_unpin(loop);
}

int via_loop_close(via_loop *loop)
{
    if (!loop)
        return VIA_EINVAL;
    if (loop->generation != via__fork_generation())
        return VIA_EFORKED;
    if (via__loop_is_closed(loop) || loop->closing)
        return 0;
    int is_here = via__loop_is_here(loop);
    // Acquire: pairs with the release in leave_run(), when the loop has changed threads.
    if (!is_here && atomic_load_explicit(&loop->running, memory_order_acquire))
        return VIA_EFOREIGN;
    if (is_here && !loop->is_attached)
        return VIA_ERUNNING;
    if (is_here)
        loop->close_requested = 1; // the tick closes it when the callback has returned
    else
        via__loop_close_now(loop);
    return 0;
}

void via__loop_add_closer(via_loop *loop, struct via__loop_closer *closer,
                          void (*fn)(via_loop *loop, struct via__loop_closer *closer))
{
    closer->fn = fn;
    via__list_push_front(&loop->closers, &closer->link);
}

void via__loop_remove_closer(struct via__loop_closer *closer)
{
    via__list_remove(&closer->link);
}
