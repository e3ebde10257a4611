/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tick, and how libevent comes to run it.
 *
 * Two events.  `tick_event` is a pure timer: pending at once when there is something to run, else at the
 * first deadline, else not at all.  libevent calls timers after the descriptors of the same poll, so a tick
 * sees what this poll brought: first what was ready, then the watches, then due timers.  `wake_event` watches
 * the wake-up descriptor; libevent does not count it, so it does not keep a base running, and it never has a
 * timeout.  It only makes a tick run in the same poll; the tick empties the descriptor at its end, when
 * whoever waits for what it has done is on the way already.
 *
 * Who wakes.  The inbox says whether the loop sleeps.  The loop says ASLEEP as the last thing before it
 * returns to libevent without `tick_event` pending at once; the push that finds ASLEEP signals the
 * descriptor, any other need not.  If the inbox is not empty at that moment the loop does not sleep.  So a
 * message is either seen by the tick that is pending, or signalled.
 *
 * Between two polls at most one tick runs: what a callback schedules waits for the next poll, and descriptors
 * and timers are never starved.  Two things stretch that tick, within fixed limits.
 *
 * Generations.  A node of a prompt kind, the step of a task, may run in the tick that queued it, so that
 * tasks which wake each other do not pay a poll for every step.  When a tick has run what was ready, and has
 * no message left to handle, it goes on with what is ready now, as long as a prompt node comes first: for a
 * fixed number of generations, each of the nodes that were queued when it began, or a fixed time, whichever
 * is over first.  The first node that is not prompt ends it.  So the ready queue stays first in, first out,
 * and what via_call_soon() schedules still waits for the next poll, as do messages that come meanwhile.  A
 * loop that stops, closes or steps goes no further.  With a clock that stands still only the generations are
 * counted, so that every run is the same.
 *
 * Lingering.  While calls are in flight and nothing is ready, the tick waits for their completions without
 * sleeping, and handles those that come at once, within fixed limits of rounds and time.  If nothing came, it
 * polls without blocking and lingers on, until `linger_ns` have passed since something last happened; then it
 * sleeps, and lingers no more for the next 1, 2, 4 ... 64 sleeps.
 */
#include <config.h>

#include <limits.h>
#include <poll.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "loop/source.h"
#include "loop/tick.h"
#include "loop/timer.h"

#define LINGER_SLICE_NS  (3 * VIA_US) // of spinning between two polls
#define LINGER_POLL_NS   (5 * VIA_US) // of spinning and running between two polls
#define GATHER_CALLS     64           // with so many calls in flight, or more, it waits
#define GATHER_SPINS     10           // so long for company before it takes the first
#define PORTION          64           // of messages
#define LINGER_ROUNDS    16
#define LINGER_SKIP_MOST 64
#define SPINS_PER_LOOK   8 // at the clock
#define GENERATIONS      256
#define GENERATIONS_NS   (100 * VIA_US)
#define NODES_PER_LOOK   32 // at the clock
#define FIRST_LOOK       4

static void handle_message(via_loop *loop, uintptr_t tagged)
{
    uintptr_t *link = via__inbox_link(tagged);
    if (tagged & VIA__TAG_COMPLETION) {
        loop->on_completion(loop, link);
    } else {
        struct via__post *post = (struct via__post *)(void *)link;
        post->kind->arrive(loop, post);
    }
}

// Handles at most `most` messages of other threads.  Returns how many.
static int drain(via_loop *loop, int most)
{
    if (!loop->backlog)
        loop->backlog = via__inbox_take(&loop->inbox);
    int budget = most;
    loop->draining = 1;
    while (loop->backlog && budget > 0) {
        uintptr_t tagged = loop->backlog;
        loop->backlog = *via__inbox_link(tagged);
        __builtin_prefetch(via__inbox_link(loop->backlog));
        handle_message(loop, tagged);
        budget--;
        if (loop->backlog)
            continue;
        loop->is_behind = 0;
        if (!via__inbox_empty(&loop->inbox))
            loop->backlog = via__inbox_take(&loop->inbox);
    }
    loop->draining = 0;
    loop->posts += (uint64_t)(most - budget);
    return most - budget;
}

void via__loop_await_messages(via_loop *loop)
{
    struct pollfd wake = {.fd = loop->wake.read_fd, .events = POLLIN};
    while (!drain(loop, INT_MAX)) {
        if (!via__inbox_sleep(&loop->inbox))
            continue;
        (void)poll(&wake, 1, -1);
        via__wakefd_drain(&loop->wake);
    }
}

// It may be gone when the callback is over, so its name is kept.
static void note_task(via_loop *loop, struct via__ready *node)
{
    free(loop->ran);
    loop->ran = NULL;
    if (loop->note_node)
        loop->note_node(loop, node);
}

static void run_timed(via_loop *loop, struct via__ready *node)
{
    via__loop_set_function(loop, NULL);
    note_task(loop, node);
    int64_t start_ns = via_now_ns();
    node->kind->run(loop, node);
    int64_t took_ns = via_now_ns() - start_ns;
    if (took_ns > loop->longest_callback_ns)
        loop->longest_callback_ns = took_ns;
    if (took_ns < loop->slow_callback_ns)
        return;
    // The handler may begin a task, whose name takes its place.
    char *ran = loop->ran;
    loop->ran = NULL;
    struct via_exception slow = {.message = "a callback took too long",
                                 .loop = loop,
                                 .function = via__loop_function(loop),
                                 .took_ns = took_ns,
                                 .task = ran};
    via_loop_call_exception_handler(loop, &slow);
    free(ran);
}

static inline void run_node(via_loop *loop, struct via__ready *node, int timed)
{
    if (timed)
        run_timed(loop, node);
    else
        node->kind->run(loop, node);
}

static int is_timed(const via_loop *loop)
{
    // Relaxed: only the loop's thread changes it.
    return atomic_load_explicit(&loop->debug, memory_order_relaxed);
}

// Runs what is ready at this moment, and nothing that is queued meanwhile.  Returns how many nodes.
static size_t run_ready(via_loop *loop)
{
    int timed = is_timed(loop);
    size_t count = loop->ready.count;
    for (size_t i = 0; i < count && !loop->close_requested; i++)
        run_node(loop, via__ready_pop(&loop->ready), timed);
    return count;
}

// A look at the clock costs more than a quick node.  The first looks follow each other sooner, so that nodes
// that take long are noticed after a few.
static size_t nodes_until_look(size_t ran)
{
    size_t sooner = ran ? ran : FIRST_LOOK;
    return sooner < NODES_PER_LOOK ? sooner : NODES_PER_LOOK;
}

// Tells whether the time of the generations is over.  It begins with the first look.
static int is_late(const via_loop *loop, int64_t *until_ns)
{
    if (loop->vclock)
        return 0;
    int64_t now_ns = via_now_ns();
    if (!*until_ns)
        *until_ns = now_ns + GENERATIONS_NS;
    return now_ns >= *until_ns;
}

// Runs generations, if prompt nodes come first.  Returns how many nodes.
static size_t run_prompt(via_loop *loop)
{
    int timed = is_timed(loop);
    int64_t until_ns = 0;
    size_t ran = 0, portion;
    if (loop->stepping)
        return 0;
    loop->turns = (struct via__turns){.generations = GENERATIONS, .untimed = !timed};
    do {
        loop->turns.until_look = portion = nodes_until_look(ran);
        // A task may have others run when it waits, so this is not one node for each round.
        while (via__loop_has_prompt(loop))
            run_node(loop, via__loop_take_prompt(loop), timed);
        ran += portion - loop->turns.until_look;
    } while (!loop->turns.until_look && !is_late(loop, &until_ns));
    loop->turns = (struct via__turns){.generations = 0};
    return ran;
}

static int64_t earlier(int64_t a_ns, int64_t b_ns)
{
    return a_ns < b_ns ? a_ns : b_ns;
}

// Time that stands still jumps when nothing else can happen; the poll before this tick has shown that.  Of
// the calls whose sleep is over one goes on, when the timers of the same moment have had their turn.
static void jump_to_timer(via_loop *loop)
{
    if (via__time_is_held(loop) || !via__loop_caught_up(loop) || via__something_to_run(loop))
        return;
    int64_t timer_ns = via__timers_next(loop), sleep_ns = via__vclock_next(loop->vclock);
    int64_t when_ns = earlier(timer_ns, sleep_ns);
    if (when_ns != VIA_FOREVER && when_ns > loop->vclock->now_ns)
        via__vclock_set(loop->vclock, when_ns);
    if (sleep_ns <= loop->vclock->now_ns && timer_ns > loop->vclock->now_ns)
        via__vclock_wake_first(loop->vclock);
}

static int next_portion(int budget)
{
    return budget < PORTION ? budget : PORTION;
}

// The inbox is awake first, or what the sources send would be signalled.  It goes before what is there, which
// sources that always have something would starve: so they wait until that was handled.  Their descriptors
// tell again.
static void serve_sources(via_loop *loop)
{
    if (loop->is_behind && loop->backlog)
        return;
    if (!loop->backlog)
        loop->backlog = via__inbox_take(&loop->inbox);
    via__sources_serve(loop);
    loop->is_behind = loop->backlog != 0;
}

// A tick without its poll.  Messages are handled in portions, each with the callbacks it made ready, so that
// the threads that sent them get new work before the last one is read; not more than the budget in all, so
// that they cannot starve descriptors.
static size_t run_once(via_loop *loop)
{
    int budget = loop->drain_budget;
    loop->ticks++;
    if (loop->sources_due)
        serve_sources(loop);
    budget -= drain(loop, next_portion(budget));
    if (loop->vclock)
        jump_to_timer(loop);
    via__timers_expire(loop);
    size_t count = run_ready(loop);
    while (loop->backlog && budget > 0 && !loop->close_requested && !loop->stop_requested) {
        budget -= drain(loop, next_portion(budget));
        count += run_ready(loop);
    }
    return loop->backlog ? count : count + run_prompt(loop);
}

static int may_linger(const via_loop *loop)
{
    return loop->linger_ns && loop->in_flight && !via__something_to_run(loop) && !loop->stepping &&
           !loop->vclock;
}

// While many calls are in flight the next completions are close behind the first.  Taking them together
// spares both sides the transfers of the inbox's cache line; a single call in flight waits for nobody.
static void gather(const via_loop *loop)
{
    size_t calls = loop->in_flight < GATHER_CALLS ? loop->in_flight - 1 : GATHER_CALLS;
    for (size_t i = calls * GATHER_SPINS / GATHER_CALLS; i > 0; i--)
        via__cpu_relax();
}

// Waits without sleeping until a message comes: 1; or until the time: 0.
static int spin(via_loop *loop, int64_t until_ns)
{
    do {
        if (via__sources_look(loop))
            return 1;
        for (int i = 0; i < SPINS_PER_LOOK; i++) {
            if (!via__inbox_empty(&loop->inbox)) {
                gather(loop);
                return 1;
            }
            via__cpu_relax();
        }
    } while (via_now_ns() < until_ns);
    return !via__inbox_empty(&loop->inbox);
}

static void give_up_lingering(via_loop *loop)
{
    unsigned twice = loop->linger_penalty * 2;
    loop->linger_until_ns = 0;
    loop->linger_penalty = !twice ? 1 : twice > LINGER_SKIP_MOST ? LINGER_SKIP_MOST : twice;
    // One more, because the sleep that comes now is counted too.
    loop->linger_skip = loop->linger_penalty + 1;
}

// Spins once within the time that lingering has left.  1 if a message came; 0 if a poll is due, or if
// lingering is over and `linger_until_ns` is 0.
static int linger_once(via_loop *loop, int64_t now_ns, int64_t slice_end_ns)
{
    if (!loop->linger_until_ns)
        loop->linger_until_ns = via__deadline_after(now_ns, loop->linger_ns);
    if (spin(loop, earlier(slice_end_ns, loop->linger_until_ns))) {
        loop->linger_penalty /= 2;
        loop->linger_until_ns = 0;
        return 1;
    }
    if (slice_end_ns >= loop->linger_until_ns)
        give_up_lingering(loop);
    return 0;
}

// Waits for calls in flight without sleeping, and runs what they bring.
static void linger(via_loop *loop)
{
    if (!may_linger(loop) || (loop->linger_skip && !loop->linger_until_ns)) {
        loop->linger_until_ns = 0;
        return;
    }
    int64_t start_ns = via_now_ns(), now_ns = start_ns;
    for (int round = 0; round < LINGER_ROUNDS && now_ns - start_ns < LINGER_POLL_NS; round++) {
        if (!linger_once(loop, now_ns, now_ns + LINGER_SLICE_NS))
            return;
        run_once(loop);
        if (!may_linger(loop))
            return;
        now_ns = via_now_ns();
    }
    loop->linger_until_ns =
        via__deadline_after(now_ns, loop->linger_ns); // to go on after the poll that is due
}

static void finish_tick(via_loop *loop)
{
    loop->in_tick = 0;
    via__loop_beat_tick(loop);
    // A loop that runs its own base is closed by its runner, who is still in the base.
    if (loop->close_requested) {
        if (loop->stop_requested || !loop->is_attached)
            event_base_loopbreak(loop->base);
        if (loop->is_attached)
            via__loop_close_now(loop);
        return;
    }
    loop->break_requested |= loop->stop_requested | loop->stepping;
    loop->stop_requested = 0;
    via__tick_arm(loop);
    if (loop->break_requested)
        event_base_loopbreak(loop->base);
    loop->break_requested = 0;
}

_Atomic(void (*)(via_loop *loop)) via__loop_tick_hook;

static void begin_tick(via_loop *loop)
{
    loop->armed = VIA__ARMED_NOT;
    loop->in_tick = 1;
    loop->turns = (struct via__turns){.generations = 0}; // longjmp() may have led out of the last tick
    via__loop_set_function(loop, NULL);
    via__loop_beat_tick(loop);
    // Acquire: pairs with the release in start() of the watchdog.
    void (*hook)(via_loop *) = atomic_load_explicit(&via__loop_tick_hook, memory_order_acquire);
    if (hook)
        hook(loop);
}

static void tick(via_loop *loop)
{
    begin_tick(loop);
    if (run_once(loop))
        loop->linger_until_ns = 0; // something happened: lingering starts anew
    linger(loop);
    finish_tick(loop);
}

// Under an attached base the loop runs while its tick does.
static void tick_attached(via_loop *loop)
{
    struct via__role_outer outer = via__role_enter_loop(loop);
    via__role.vclock = loop->vclock;
    // Relaxed, both: hints for via_loop_is_running() and debug checks, which order nothing.
    atomic_store_explicit(&loop->owner, via__loop_thread(), memory_order_relaxed);
    atomic_store_explicit(&loop->running, 1, memory_order_relaxed);
    tick(loop);
    // Relaxed: as above.
    atomic_store_explicit(&loop->running, 0, memory_order_relaxed);
    via__role_leave_loop(outer);
}

void via__on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    via_loop *loop = arg;
    if (via__loop_leave_to_parent(loop, &loop->tick_event))
        return;
    if (via__loop_is_here(loop)) {
        tick(loop); // the runner has a pin
        return;
    }
    via__loop_pin(loop);
    tick_attached(loop);
    via__loop_unpin(loop);
}

void via__on_wake(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    via_loop *loop = arg;
    if (via__loop_leave_to_parent(loop, &loop->wake_event))
        return; // with what is in the descriptor, which is the parent's too
    loop->signalled = 1;
    loop->wakes++;
    via__tick_this_poll(loop);
}
