/* SPDX-License-Identifier: BSD-3-Clause */
/* The watchdog's thread, and how it comes and goes.  The design is at the head of watchdog.h. */
#include <config.h>

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/exit.h"
#include "base/fork.h"
#include "base/lock.h"
#include "base/thread.h"
#include "debug/watchdog.h"

#define THRESHOLD_NS    (100 * VIA_MS)
#define LEAST_PERIOD_NS (100 * VIA_US)
#define LOOKS           4 // within the threshold

static pthread_mutex_t admin = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed;
static struct via__list watched_loops = {&watched_loops, &watched_loops};
static struct via_watchdog_options options; // written while the thread does not run
static pthread_t thread;                    // as these two, with `admin` held
static int runs;
static int stopping, looking;
static void *watcher; // via__loop_thread() of the thread
static _Atomic int every_loop;
static struct via__exit_node exit_node;

// ---- in the threads of loops ----

static int is_wanted(const via_loop *loop)
{
    // Relaxed: an option.
    return atomic_load_explicit(&every_loop, memory_order_relaxed) || via__loop_is_debugged(loop);
}

static void forget(struct via__watched *watched)
{
    via__list_remove(&watched->link);
    via__loop_unpin(watched->loop);
    free(watched);
}

static void on_close(via_loop *loop, struct via__loop_closer *closer)
{
    struct via__watched *watched = VIA__CONTAINER_OF(closer, struct via__watched, closer);
    loop->watched = NULL;
    pthread_mutex_lock(&lock);
    watched->closed = 1;
    if (!watched->busy)
        forget(watched); // the closing has a pin
    pthread_mutex_unlock(&lock);
}

// NULL if memory ran out; then the next tick tries again.
static struct via__watched *begin_to_watch(via_loop *loop)
{
    struct via__watched *watched = calloc(1, sizeof *watched);
    if (!watched)
        return NULL;
    watched->loop = via__loop_pin(loop);
    via__list_init(&watched->link);
    via__loop_add_closer(loop, &watched->closer, on_close);
    return loop->watched = watched;
}

// The signal has to come through in a thread that is watched.
static void open_signal(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, via__trace_signo());
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void note_runner(struct via__watched *watched)
{
    struct via__runner self = {.role = via__loop_thread(), .id = via__thread_id()};
    if (pthread_getcpuclockid(pthread_self(), &self.clock) != 0)
        return;
    open_signal();
    pthread_mutex_lock(&lock);
    watched->runner = self;
    if (via__list_empty(&watched->link))
        via__list_push_back(&watched_loops, &watched->link);
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

static void on_tick(via_loop *loop)
{
    struct via__watched *watched = loop->watched;
    // Only this thread, while it runs the loop, writes the runner.
    if (watched ? watched->runner.role == via__loop_thread() : !is_wanted(loop))
        return;
    if (!watched)
        watched = begin_to_watch(loop);
    if (watched)
        note_runner(watched);
}

// ---- in the watchdog's thread ----

static int64_t threshold_ns(void)
{
    return options.threshold_ns ? options.threshold_ns : THRESHOLD_NS;
}

static int64_t period_ns(void)
{
    int64_t period = threshold_ns() / LOOKS;
    return period > LEAST_PERIOD_NS ? period : LEAST_PERIOD_NS;
}

static void tell(struct via__watched *watched, enum via_blocked state)
{
    int64_t cpu_ns = via__runner_cpu_ns(&watched->asked) - watched->cpu_ns;
    struct via_blockage blockage = {.loop = watched->loop,
                                    .blocked_ns = via_now_ns() - watched->since_ns,
                                    .cpu_ns = cpu_ns > 0 ? cpu_ns : 0,
                                    .state = state,
                                    .reports = watched->reports++};
    via__blockage_report(&blockage, &watched->trace, options.report, options.arg);
}

static uint64_t beat_of(const struct via__watched *watched)
{
    // Relaxed: only whether it has changed matters.
    return atomic_load_explicit(&watched->loop->beat, memory_order_relaxed);
}

// The loop has been in the same callback for long.
static void examine(struct via__watched *watched)
{
    struct via__trace trace = {.count = 0};
    enum via_blocked state = via__runner_state(&watched->asked);
    enum via__answer answer = via__trace_ask(&watched->asked, watched->loop, watched->beat, &trace);
    if (answer == VIA__NO_THREAD) {
        watched->next_ns = VIA_FOREVER; // it ended in the callback, which will never return
        return;
    }
    if (answer == VIA__NO_ANSWER) {
        trace.function = via__loop_function(watched->loop);
        trace.is_current = beat_of(watched) == watched->beat;
    }
    if (!trace.is_current)
        return;
    watched->trace = trace;
    tell(watched, state);
    watched->next_ns = 2 * (via_now_ns() - watched->since_ns);
}

static void look(struct via__watched *watched)
{
    int64_t now_ns = via_now_ns();
    uint64_t beat = beat_of(watched);
    if (beat == watched->beat && (beat & 1) && is_wanted(watched->loop)) {
        if (now_ns - watched->since_ns >= watched->next_ns)
            examine(watched);
        return;
    }
    if (watched->reports)
        tell(watched, VIA_BLOCKED_OVER);
    watched->reports = 0;
    watched->beat = beat;
    watched->since_ns = now_ns;
    watched->next_ns = threshold_ns();
    watched->cpu_ns = beat & 1 ? via__runner_cpu_ns(&watched->asked) : 0;
}

// Looks at all that are watched, with the lock open.
static void look_at_all(void)
{
    struct via__list *at = watched_loops.next;
    while (at != &watched_loops && !stopping) {
        struct via__watched *watched = VIA__CONTAINER_OF(at, struct via__watched, link);
        watched->asked = watched->runner;
        watched->busy = looking = 1;
        pthread_mutex_unlock(&lock);
        look(watched);
        pthread_mutex_lock(&lock);
        watched->busy = looking = 0;
        at = at->next;
        if (watched->closed)
            forget(watched);
    }
}

static void *watch(void *unused)
{
    (void)unused;
    via__thread_set_name("via-watchdog");
    pthread_mutex_lock(&lock);
    watcher = via__loop_thread();
    while (!stopping) {
        look_at_all();
        int64_t until_ns = via__list_empty(&watched_loops) ? VIA_FOREVER : via__deadline(period_ns());
        if (!stopping)
            via__cond_wait_until(&changed, &lock, until_ns);
    }
    watcher = NULL;
    pthread_mutex_unlock(&lock);
    return NULL;
}

// ---- coming and going; with `admin` held ----

// Has the thread end, without waiting.
static void ask_to_stop(void)
{
    pthread_mutex_lock(&lock);
    stopping = 1;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

static void stop(void)
{
    if (!runs)
        return;
    // Relaxed: a tick that still finds it does no harm.
    atomic_store_explicit(&via__loop_tick_hook, NULL, memory_order_relaxed);
    ask_to_stop();
    pthread_join(thread, NULL);
    via__exit_remove(&exit_node);
    runs = 0;
}

// The process ends, and does not wait for a report.
static void on_exit_of_process(struct via__exit_node *node)
{
    (void)node;
    if (pthread_mutex_trylock(&admin) != 0)
        return;
    ask_to_stop();
    pthread_mutex_lock(&lock);
    int is_idle = !looking;
    pthread_mutex_unlock(&lock);
    if (runs && is_idle)
        pthread_join(thread, NULL);
    else if (runs)
        pthread_detach(thread);
    runs = 0;
    pthread_mutex_unlock(&admin);
}

// What the thread before this one has seen and told does not count.
static void forget_the_past(void)
{
    pthread_mutex_lock(&lock);
    for (struct via__list *at = watched_loops.next; at != &watched_loops; at = at->next) {
        struct via__watched *watched = VIA__CONTAINER_OF(at, struct via__watched, link);
        watched->beat = 0;
        watched->reports = 0;
    }
    pthread_mutex_unlock(&lock);
}

static int start(const struct via_watchdog_options *wanted)
{
    forget_the_past();
    options = *wanted;
    stopping = 0;
    // Relaxed: an option.
    atomic_store_explicit(&every_loop, options.every_loop != 0, memory_order_relaxed);
    int status = via__exit_add(&exit_node, on_exit_of_process);
    if (status < 0)
        return status;
    status = via__thread_start(&thread, NULL, watch, NULL);
    if (status < 0) {
        via__exit_remove(&exit_node);
        return status;
    }
    runs = 1;
    // Release: pairs with the acquire in begin_tick(), so that the condition is there.
    atomic_store_explicit(&via__loop_tick_hook, on_tick, memory_order_release);
    return 0;
}

// In a forked child: the thread is gone, and all loops so far are the parent's.
static void reset_in_child(void)
{
    pthread_mutex_init(&admin, NULL);
    pthread_mutex_init(&lock, NULL);
    via__cond_init(&changed);
    via__list_init(&watched_loops);
    via__trace_reset();
    runs = looking = 0;
    stopping = 1; // a report may have forked
    watcher = NULL;
    // Relaxed: there is no other thread.
    atomic_store_explicit(&via__loop_tick_hook, NULL, memory_order_relaxed);
}

static int prepare(const struct via_watchdog_options *wanted)
{
    static int is_prepared;
    if (!is_prepared) {
        int status = via__fork_watch();
        if (status < 0)
            return status;
        via__fork_on_child(reset_in_child);
        via__cond_init(&changed);
        is_prepared = 1;
    }
    return via__trace_install(wanted->signo ? wanted->signo : SIGVTALRM);
}

// Whether this is a report, which would wait for itself.
static int is_in_report(void)
{
    pthread_mutex_lock(&lock);
    int is_here = watcher == via__loop_thread();
    pthread_mutex_unlock(&lock);
    return is_here;
}

// The loop that runs here is in a tick that began before.
static void watch_current(void)
{
    via_loop *loop = via__role.loop;
    if (loop && !loop->closing)
        on_tick(loop);
}

int via_watchdog_enable(const struct via_watchdog_options *wanted)
{
    static const struct via_watchdog_options defaults = {.threshold_ns = 0};
    if (!wanted)
        wanted = &defaults;
    if (wanted->threshold_ns < 0)
        return VIA_EINVAL;
    if (is_in_report())
        return VIA_EDEADLK;
    pthread_mutex_lock(&admin);
    int status = prepare(wanted);
    if (status == 0) {
        stop();
        status = start(wanted);
    }
    pthread_mutex_unlock(&admin);
    if (status == 0)
        watch_current();
    return status;
}

int via_watchdog_disable(void)
{
    if (is_in_report())
        return VIA_EDEADLK;
    pthread_mutex_lock(&admin);
    stop();
    pthread_mutex_unlock(&admin);
    return 0;
}
