/* SPDX-License-Identifier: BSD-3-Clause */
/* When the next tick runs: what libevent waits for on behalf of the loop.  The design is told in tick.c. */
#include <config.h>

#include "base/clock.h"
#include "loop/source.h"
#include "loop/tick.h"
#include "loop/timer.h"

#define SLEEP_MOST_NS (24 * 3600 * VIA_S)

static void arm_event(via_loop *loop, const struct timeval *delay)
{
    if (event_add(&loop->tick_event, delay) == 0)
        return;
    // Without memory for the timer the tick runs too early, which does no harm.  But it must not run again
    // before the next poll, or there would never be one: hence the word to libevent to poll first.
    event_active(&loop->tick_event, EV_TIMEOUT, 1);
    event_base_loopcontinue(loop->base);
}

void via__tick_after_poll(via_loop *loop)
{
    static const struct timeval at_once = {0, 0};
    if (loop->armed == VIA__ARMED_NOW || loop->in_tick)
        return;
    loop->armed = VIA__ARMED_NOW;
    arm_event(loop, &at_once);
}

void via__tick_this_poll(via_loop *loop)
{
    loop->armed = VIA__ARMED_NOW;
    event_active(&loop->tick_event, EV_TIMEOUT, 1);
}

static void disarm(via_loop *loop)
{
    if (loop->armed != VIA__ARMED_NOT)
        event_del(&loop->tick_event);
    loop->armed = VIA__ARMED_NOT;
}

// Libevent counts whole microseconds.  Rounding the deadline up and the present down makes the tick late by
// less than one, and never early, so no tick is spent on a remainder.
static void arm_at(via_loop *loop, int64_t when_ns)
{
    if (loop->armed == VIA__ARMED_AT && loop->armed_ns == when_ns)
        return;
    loop->armed = VIA__ARMED_AT;
    loop->armed_ns = when_ns;
    int64_t now_ns = via_now_ns();
    // The base may go by the time at which it began to run callbacks; the delay counts from now, or a little
    // later.
    event_base_update_cache_time(loop->base);
    int64_t delay_us = 0;
    if (when_ns > now_ns) {
        int64_t until_ns = when_ns - now_ns > SLEEP_MOST_NS ? now_ns + SLEEP_MOST_NS : when_ns;
        delay_us = (until_ns + 999) / VIA_US - now_ns / VIA_US;
    }
    struct timeval delay = {.tv_sec = (time_t)(delay_us / 1000000),
                            .tv_usec = (suseconds_t)(delay_us % 1000000)};
    arm_event(loop, &delay);
}

void via__tick_by_real(via_loop *loop, int64_t when_ns)
{
    if (loop->armed == VIA__ARMED_NOT || (loop->armed == VIA__ARMED_AT && when_ns < loop->armed_ns))
        arm_at(loop, when_ns);
}

void via__tick_by(via_loop *loop, int64_t when_ns)
{
    if (loop->in_tick || when_ns == VIA_FOREVER)
        return;
    if (loop->vclock)
        via__tick_after_poll(loop);
    else
        via__tick_by_real(loop, when_ns);
}

void via__tick_no_timer(via_loop *loop)
{
    if (!loop->in_tick && !loop->napping && loop->armed == VIA__ARMED_AT &&
        via__timers_next(loop) == VIA_FOREVER)
        disarm(loop);
}

int via__loop_keep(via_loop *loop)
{
    static const struct timeval a_year = {365 * 24 * 3600, 0};
    int wanted = loop->is_attached && via__loop_awaits_others(loop);
    if (wanted == loop->keep_pending)
        return 0;
    if (wanted && event_add(&loop->keep_event, &a_year) < 0)
        return VIA_ENOMEM;
    if (!wanted)
        event_del(&loop->keep_event);
    loop->keep_pending = wanted;
    return 0;
}

int via__loop_outstanding(const via_loop *loop)
{
    // The holds first: when they are gone, what their holders have sent is in the inbox.
    if (via__loop_awaits_others(loop) || !via__loop_caught_up(loop) || loop->ready.count || loop->watches ||
        via__timers_next(loop) != VIA_FOREVER)
        return 1;
    int ours = (loop->armed != VIA__ARMED_NOT) + loop->keep_pending;
    return event_base_get_num_events(loop->base, EVENT_BASE_COUNT_ADDED | EVENT_BASE_COUNT_VIRTUAL) > ours;
}

// With a virtual clock there is a tick at once if time could move.
static void arm_for_jump(via_loop *loop)
{
    int waits = via__timers_next(loop) != VIA_FOREVER || via__vclock_next(loop->vclock) != VIA_FOREVER;
    if (waits && !via__time_is_held(loop))
        via__tick_after_poll(loop);
    else
        disarm(loop);
}

static void arm_for_timers(via_loop *loop)
{
    int64_t when_ns = via__timers_next(loop);
    if (loop->vclock)
        arm_for_jump(loop);
    else if (when_ns == VIA_FOREVER)
        disarm(loop);
    else
        arm_at(loop, when_ns);
}

// Before it goes to sleep the loop asks its runner, who may know that it would be for ever.
static void ask_when_idle(via_loop *loop)
{
    if (loop->idle && !loop->stop_requested && !loop->break_requested && !via__loop_outstanding(loop) &&
        loop->idle(loop, loop->idle_arg))
        loop->break_requested = 1;
}

// Sleeps for a moment in which nothing is signalled, if that is better.
static int take_nap(via_loop *loop)
{
    if (via__something_to_run(loop) || loop->linger_until_ns || loop->break_requested ||
        loop->stop_requested || !via__inbox_empty(&loop->inbox))
        return 0;
    int64_t until_ns = via__nap_until(loop), timer_ns = via__timers_next(loop);
    if (!until_ns)
        return 0;
    if (loop->linger_skip)
        loop->linger_skip--;
    arm_at(loop, timer_ns < until_ns ? timer_ns : until_ns);
    return 1;
}

// Goes to sleep: the next message will be signalled.  0 if there is something to do.
static int fall_asleep(via_loop *loop)
{
    if (via__something_to_run(loop) || loop->linger_until_ns || !via__inbox_sleep(&loop->inbox))
        return 0;
    ask_when_idle(loop);
    if (loop->linger_skip)
        loop->linger_skip--;
    return !via__something_to_run(loop);
}

// Before the loop may say that it sleeps: a signal that comes after that is for the next poll to see.
static void take_signal(via_loop *loop)
{
    if (loop->signalled)
        via__wakefd_drain(&loop->wake);
    loop->signalled = 0;
}

void via__tick_arm(via_loop *loop)
{
    take_signal(loop);
    // What the sources still bring is found in the inbox below.
    if (!via__something_to_run(loop) && !loop->linger_until_ns && via__inbox_empty(&loop->inbox))
        via__sources_rest(loop);
    loop->napping = take_nap(loop);
    if (loop->napping)
        return;
    if (!fall_asleep(loop)) {
        via__tick_after_poll(loop);
        return;
    }
    via__loop_keep(loop);
    arm_for_timers(loop);
}
