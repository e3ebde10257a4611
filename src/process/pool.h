/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The process pool, inside.
 *
 * The life of a call.  submit() puts it in the queue of its priority, under `lock`.  feed() *hands over* what
 * is queued to workers that have room: the job's future stays PENDING, but from then on only the pool ends it
 * (VIA__HANDED), because only the worker knows whether it has started.  take() reads the answer, and the
 * future is completed when the lock is open again.  A job is in exactly one place: a queue, the window of one
 * worker, or the chain `done`; whoever moves it does so under the lock.
 *
 * A worker's *window* is what it was given and has not answered, oldest first.  One place of it may be a
 * *ghost*: its order was cancelled or called back before it started, as the worker has confirmed, and the
 * answer that is still to come says nothing but that.
 *
 * Who completes.  The thread that opens the lock completes what stands in `done`, without the lock; it holds
 * the completer's reference of each job.  An outsider (cancel, deadline) ends a queued job as everywhere, and
 * takes it out of the queue in claimed().
 *
 * Deaths.  Only the zygote's word ends a worker, or, when the zygote is gone, its pidfd.  A zygote that does
 * not tell what the pidfd shows was stopped by somebody: it is had go on, and at last killed.  Until then the
 * window stays as it is: what was being run cannot be known before.  Then: answers that came are taken; the
 * call that was started, and only the oldest can be, has failed; the others go back to the front of the
 * queue.  If the worker has overwritten what it shares with the program, nothing it says counts, and the
 * whole window fails: nothing is ever run twice.  A worker that does not die of SIGKILL within a second is
 * *unkillable*: its call fails, the rest goes elsewhere (it was confirmed not to run, or fails too), and what
 * it shares stays untouched until it dies.
 *
 * Prefetch.  A function earns it: until its calls were short for a hundred times, and for ever once it has
 * crashed, a worker is given one call at a time.  A worker that stays in one call longer than expected gives
 * back what waits behind it (call_back()).
 *
 * Who serves.  All descriptors of the pool are in one epoll; whoever serves waits for that: a thread of the
 * pool's own, or a loop through one watch.  Shutting down may serve as well.  Serving is safe in several
 * threads at once, since everything is done under the lock and by looking, not by counting events.
 *
 * What keeps it alive: one life for the users' references, and one for the pool itself, until its last call
 * is over, its last worker gone and its server has left.
 *
 * Lock order: a job's hashed lock, then `lock`; inside it only those of the directory and the buffers.
 *
 * Where it is: process_pool.c makes, frees and describes pools; pool_submit.c has the ways in and the
 * cancels; feed.c gives calls to workers and take.c reads answers; worker_birth.c and worker_death.c are the
 * ends of a worker's life, and worker_watch.c what is looked at in between; nursery.c cares for the zygote;
 * serve.c waits; pool_end.c shuts down.  worker.c is the other process.
 */
#ifndef VIADUCT_PROCESS_INSIDE_H
#define VIADUCT_PROCESS_INSIDE_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdint.h>

#include <viaduct/process_pool.h>
#include <viaduct/time.h>

#include "base/exit.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/wakefd.h"
#include "executor/executor.h"
#include "loop/source.h"
#include "process/channel.h"
#include "process/directory.h"
#include "process/acquaintance.h"
#include "process/buffer.h"
#include "process/zygote.h"

#define VIA__SLOT_SHIFT       32 // of a serial: the place in the table above it, below it the worker's number
#define VIA__PROCESS_LEVELS   3  // priorities
#define VIA__PROCESS_LOOK_NS  (1 * VIA_MS)   // a call that runs longer is looked at
#define VIA__PROCESS_TICK_NS  (100 * VIA_MS) // and again so often: a lost wake-up would only cost time
#define VIA__PROCESS_KILL_NS  (1 * VIA_S)    // a killed worker is dead by then, or unkillable
#define VIA__PROCESS_STALL_NS (2 * VIA_S)    // a worker that begins nothing for so long was stopped
#define VIA__PROCESS_SHORT_NS (50 * VIA_US)  // calls up to here are worth giving ahead
#define VIA__PROCESS_PROOF    100            // so many make a function known
#define VIA__PROCESS_FAILURES 5 // births that fail in a row break the pool; if refused, its calls
#define VIA__PROCESS_BOUNCES  3 // so often given to workers that died: it is then run alone

struct via__process_pool;

// Where a call is.
enum via__pcall_state {
    VIA__PCALL_QUEUED,
    VIA__PCALL_GIVEN, // in a worker's window
    VIA__PCALL_DONE   // in the chain, or with its completer
};

// One call of the pool, from submission until it is completed; it lies behind `extra`.  `cf->link` points to
// it until it is DONE.
struct via__pcall {
    struct via__list link;   // in a queue
    struct via__pcall *next; // in the chain
    via_cfuture *cf;         // with the executor's reference
    struct via__call_extra *extra;
    enum via__pcall_state state;
    uint32_t function;
    struct via__process_worker *worker; // that was given it
    uint32_t place;                     // in its channel
    int tries;                          // how often it was started
    int is_alone;                       // nothing may wait behind it
    int bounces;                        // how often its worker died before that
    int is_called_back;                 // its worker was told so, and may refuse it
    int has_gone_elsewhere;             // a worker had no room for its input
    int asked;                          // it was cancelled while it ran
    int64_t asked_ns;
    int64_t began_ns; // when it was seen to be the oldest of its worker
    // Once it is over.
    enum { VIA__PCALL_ANSWERED, VIA__PCALL_REFUSED } outcome;
    struct via__answer_of_call answer;
};

// How a worker ended that had a call.
struct via__end_of_worker {
    int status; // as waitpid()'s, or -1
    int fate;   // what its call has failed with
    int probably_oom;
    const struct via__zygote_event *event; // NULL if the zygote has not told
};

// Why a worker was killed, if it was.
enum via__kill {
    VIA__KILL_NONE,
    VIA__KILL_TIMEOUT,
    VIA__KILL_CANCELLED,
    VIA__KILL_CORRUPT,
    VIA__KILL_ASKED, // via_process_pool_kill()
    VIA__KILL_ZYGOTE,
    VIA__KILL_STALLED, // it does not begin what it was given
    VIA__KILL_SLOW_START,
    VIA__KILL_SLOW_END,
    VIA__KILL_END // the pool ends
};

enum via__worker_state {
    VIA__WORKER_STARTING, // asked for
    VIA__WORKER_INIT,     // runs its initializer
    VIA__WORKER_READY,    // can be given calls
    VIA__WORKER_ENDING    // was told to end
};

struct via__window_place {
    struct via__pcall *call; // NULL: a ghost, or an order that is no call
    uint64_t number;
};

struct via__process_worker {
    struct via__process_pool *pool;
    struct via__list link;       // in `idle` or `busy`, or none
    struct via__heap_node timer; // when to look at it
    size_t slot;                 // in the table
    uint64_t serial;
    enum via__worker_state state;
    enum via__kill killed;
    int is_unkillable;
    int is_orphan;    // there is no zygote to tell of its death
    int retires;      // gets no more calls
    int has_answered; // a call
    int is_armed;     // rings when it has answered
    int is_slow;      // its oldest call takes long: nothing is given behind it
    pid_t pid;
    int pidfd, control;
    struct via__channel *channel;
    struct via__acquaintance *known;
    struct via__window_place window[VIA__CHANNEL_SLOTS];
    uint32_t head, tail;   // of the window: places
    uint32_t alone;        // calls in it that allow none behind
    uint64_t calls, quota; // done, and how many it may
    int64_t born_ns, idle_ns, killed_ns, head_ns;
    int64_t waits_since_ns; // for the start of `waits_place`; 0: it is not known to
    uint32_t waits_place;
    int64_t untold_ns;      // when it was seen to be dead, of which the zygote has not told; or 0
    int64_t untold_seen_ns; // the same, when it was looked at last
    struct via__process_worker *next_remains;
};

struct via__function_record {
    uint32_t calls;   // seen, up to VIA__PROCESS_PROOF
    int32_t has_died; // in its hands a worker has
    int64_t mean_ns;
};

enum via__zygote_state { VIA__ZYGOTE_UP, VIA__ZYGOTE_RESTARTS, VIA__ZYGOTE_DOWN };

struct via__process_pool {
    via_executor base; // first
    struct via_process_pool_options options;
    char name[16];
    int transport;
    int config_fd;
    struct via__directory *directory;
    struct via__buffer_cache *cache;
    via_buffer *initializer_in;
    struct via__exit_node exit_node;
    struct via__list registered; // among all pools, for forks

    // Who serves.
    int epoll_fd, timer_fd;
    struct via__wakefd wake;
    pthread_t server;
    via_loop *loop; // with a pin, while it serves
    struct via__loop_source source;
    int is_unheard; // the loop was told of something, and has only looked at what was answered
    struct via__loop_closer closer;

    pthread_mutex_t lock; // guards what follows
    pthread_cond_t room, idle;
    struct via__list queues[VIA__PROCESS_LEVELS], returned;
    size_t queued, queued_bytes, given;
    unsigned turn;
    size_t blocked_submitters;
    struct via__pcall *done, **done_end;
    size_t done_count;
    size_t completing; // calls in the hands of those who complete them

    struct via__zygote zygote, leaving; // the latter in the hands of the nurse while `has_leaving`
    int has_leaving, has_nurse;
    sem_t nurse_bell;
    _Atomic(struct via__process_worker *) remains; // of workers, for the nurse; pushed under the lock
    int64_t remains_ns;                            // when to tell it of them; or 0
    enum via__zygote_state zygote_state;
    int restart_failures;
    int64_t restart_ns;

    struct via__process_worker **table; // by slot
    size_t slots;
    uint32_t generation;
    struct via__list idle_workers, busy_workers; // the idle one used last comes first
    size_t live;                                 // workers that do or will take calls
    int has_unarmed;                             // a worker that has rung and not been asked to ring again
    int has_unflushed;                           // a busy worker was shown orders and not woken
    size_t starting, zombies, present;
    int birth_failures, birth_refusals;
    int64_t birth_ns; // no birth before
    int64_t retry_ns; // when to feed again, if nothing else happens; 0 for never

    struct via__heap timers;
    int64_t armed_ns;
    int64_t taken_ns; // when the answers that are being taken were found

    struct via__function_record *functions;
    size_t function_count;
    uint64_t random;

    uint64_t oom_kills; // of the kernel, when last looked
    int stopping, cancelling, released, restarting, ending, ended, has_thread, has_joiner, has_left;
    int broken; // a negative status
    char broken_why[VIA__WHY_BYTES];
    size_t queued_peak, present_peak;
    uint64_t submitted, completed, cancelled, expired, rejected;
    struct via_process_pool_stats stats;
};

static inline struct via__process_pool *via__process_pool_of(via_executor *executor)
{
    return (struct via__process_pool *)executor;
}

// The pool behind an executor, or NULL if that is none.
struct via__process_pool *via__process_pool_check(via_executor *executor);

static inline uint32_t via__worker_pending(const struct via__process_worker *worker)
{
    return worker->tail - worker->head;
}

static inline struct via__window_place *via__worker_place(struct via__process_worker *worker, uint32_t place)
{
    return &worker->window[place % VIA__CHANNEL_SLOTS];
}

// Whether it takes calls, or will: what was killed or told to end, or is to end, makes room for another.
static inline size_t via__worker_is_live(const struct via__process_worker *worker)
{
    return !worker->killed && !worker->retires && worker->state != VIA__WORKER_ENDING;
}

static inline size_t via__worker_starts(const struct via__process_worker *worker)
{
    return !worker->killed && worker->state < VIA__WORKER_READY;
}

// ---- pool_submit.c ----

int via__process_submit(via_executor *executor, via_cfuture *cf, enum via__submit how);
void via__process_claimed(via_executor *executor, via_cfuture *cf, enum via__claim why);
int via__process_request(via_executor *executor, via_cfuture *cf);
int via__process_copy_in(via_executor *executor, const void *in, size_t bytes, via_buffer **buffer);

void via__process_lock(struct via__process_pool *pool);

// Whether a pool can be made so: 0, or a negative status and a text.
int via__process_check_options(const struct via_process_pool_options *options, struct via__why *why);

// Opens the lock and completes what is done.
void via__process_unlock(struct via__process_pool *pool);

// Under the lock, all that follows.

// A call is over: it goes to the chain, with its answer filled in, or refused.
void via__process_done(struct via__process_pool *pool, struct via__pcall *call);

// The same with a status and a text, which is taken; NULL for none.
void via__process_fail(struct via__process_pool *pool, struct via__pcall *call, int status, char *message);

// Puts a call that was given and has not started back to the front.
void via__process_return(struct via__process_pool *pool, struct via__pcall *call);

// Whether it should have started by now.
static inline int via__process_has_expired(const struct via__pcall *call)
{
    int64_t deadline_ns = call->extra->deadline_ns;
    return deadline_ns && deadline_ns <= via_now_ns();
}

// Fails a call that has not started by its deadline.
void via__process_expire(struct via__process_pool *pool, struct via__pcall *call);

// Takes a call out of the queue.
void via__process_unqueue(struct via__process_pool *pool, struct via__pcall *call);

// Fails all that is queued with a text, which is copied, or cancels it (VIA_ECANCELED).
void via__process_flush(struct via__process_pool *pool, int status, const char *why);

// No call will run any more: what is queued fails with this status and text, and so does what comes.
void via__process_break(struct via__process_pool *pool, int status, const char *format, ...) VIA_PRINTF(3, 4);

// ---- feed.c ----

void via__process_feed(struct via__process_pool *pool);

// The same, but leaves it to the next feed(), which has to come before the lock is opened, to wake workers.
void via__process_feed_quietly(struct via__process_pool *pool);

// A call has come behind others for which there was no room: at most there is reason to want another worker.
void via__process_feed_behind(struct via__process_pool *pool);

// Gives an order that is no call to a worker without pending ones.  0, or a negative status if its input
// could not be shown to the worker; without input it cannot fail.
int via__process_order(struct via__process_worker *worker, enum via__order_kind kind, via_bytes_fn fn,
                       via_buffer *in);

// Takes a call's place out of a window's account; the place becomes a ghost.
void via__process_leave(struct via__process_worker *worker, struct via__pcall *call);

// Takes back what waits behind the oldest call of a worker.
void via__process_call_back(struct via__process_worker *worker);

// NULL if memory ran out: then the function stays unknown.
struct via__function_record *via__process_new_function(struct via__process_pool *pool, uint32_t number);
static inline struct via__function_record *via__process_function(struct via__process_pool *pool,
                                                                 uint32_t number)
{
    return number < pool->function_count ? &pool->functions[number] : via__process_new_function(pool, number);
}

// ---- take.c ----

// Reads what a worker has answered.
void via__process_take(struct via__process_worker *worker);

// The same, but gives workers more to do in between, and feed() has to follow; not of a worker that may be
// dead.
void via__process_take_and_feed(struct via__process_worker *worker);

// Asks a worker to ring, and reads on until that will be heard.
void via__process_arm(struct via__process_worker *worker);

// ---- worker_birth.c ----

// Asks for another worker, if the pool may have one now.  0 or a negative status.
int via__process_bear(struct via__process_pool *pool);
void via__process_born(struct via__process_pool *pool, const struct via__zygote_event *event);
void via__process_unborn(struct via__process_pool *pool, const struct via__zygote_event *event);
struct via__process_worker *via__process_worker_by_serial(struct via__process_pool *pool, uint64_t serial);

// The worker can be given calls from now on.
void via__process_ready(struct via__process_worker *worker);

// A worker died or failed before it could be given calls.
void via__process_birth_failed(struct via__process_pool *pool, int status, const char *why);

// How long to wait after so many failures in a row.
int64_t via__process_back_off(int failures);

// Frees a worker that is gone; what it leaves behind goes to the nurse.
void via__process_bury(struct via__process_worker *worker, int tainted);

// Frees what a worker left behind that nobody knows any more.  Any thread, with or without the lock.
void via__process_clear_away(struct via__process_worker *worker);

// ---- worker_death.c ----

void via__process_kill(struct via__process_worker *worker, enum via__kill why);

// Sends the signal to a worker that is to be killed.
void via__process_strike(struct via__process_worker *worker);

// It is dead.  `status` is as waitpid()'s, or -1 if it is not known.
void via__process_died(struct via__process_worker *worker, int status, const struct via__zygote_event *event);

// It was killed and does not die.
void via__process_give_up(struct via__process_worker *worker);

// ---- worker_watch.c ----

// Sets when a worker is to be looked at next.
void via__process_watch(struct via__process_worker *worker);
void via__process_look(struct via__process_worker *worker, int64_t now_ns);

// A worker takes no more calls, and is told to end once it has none.
void via__process_retire(struct via__process_worker *worker);

// Sets the timer of the pool by its heap.
void via__process_set_timer(struct via__process_pool *pool);
void via__process_run_timers(struct via__process_pool *pool);

// ---- report.c ----

// What is said of a call whose worker died: the text, and the report.
char *via__process_obituary(struct via__pcall *call, const struct via__process_worker *worker,
                            const struct via__end_of_worker *end);
// Replaces what could control a terminal or break a line in a text that a worker wrote, which may be hostile;
// gives back the text, which may be NULL.
char *via__process_tame(char *text);
struct via_process_report *via__process_report(const struct via__pcall *call,
                                               const struct via__process_worker *worker);
// How many processes the kernel has killed for want of memory so far; 0 where that is not told.
uint64_t via__process_oom_kills(void);
void via__process_stats(via_executor *executor, struct via_executor_stats *stats);
int via__process_stuck(via_executor *executor, struct via_stuck_call *calls, size_t capacity);

// ---- nursery.c ----

// Has the server hear of it.  0 or a negative errno.
int via__process_watch_zygote(struct via__process_pool *pool);
// Whether there is none, and another is to be started when its time has come.
int via__process_wants_zygote(const struct via__process_pool *pool);
// Hears the zygote.
void via__process_hear(struct via__process_pool *pool);
// Ends it, if it is still there, and kills the workers, which are told of by their pidfds from then on.  It
// is seen off by the nurse, and `has_leaving` until then.
void via__process_part(struct via__process_pool *pool, enum via__kill why);
// Starts it again when its time has come.
void via__process_tend(struct via__process_pool *pool, int64_t now_ns);
// Leaves a worker that nobody knows any more to the nurse, to be cleared away when births are over.
void via__process_bequeath(struct via__process_worker *worker);
// Tells the nurse of what was left to it, if it is time.
void via__process_tidy(struct via__process_pool *pool, int64_t now_ns);
// Starts the nurse.  0, or a negative status.
int via__process_hire(struct via__process_pool *pool);
// Ends it if it is still there: of a pool that could not be made.
void via__process_dismiss(struct via__process_pool *pool);

// ---- serve.c ----

int via__process_serve_begin(struct via__process_pool *pool);
// Waits up to `timeout_ms` and does what is to be done; how many events there were.
int via__process_serve(struct via__process_pool *pool, int timeout_ms);

// A descriptor's tag in the epoll: what it is, and the worker's serial.
#define VIA__TAG_SHIFT   60
#define VIA__TAG_CHANNEL (UINT64_C(0) << VIA__TAG_SHIFT)
#define VIA__TAG_ZYGOTE  (UINT64_C(1) << VIA__TAG_SHIFT)
#define VIA__TAG_TIMER   (UINT64_C(2) << VIA__TAG_SHIFT)
#define VIA__TAG_WAKE    (UINT64_C(3) << VIA__TAG_SHIFT)
#define VIA__TAG_PIDFD   (UINT64_C(4) << VIA__TAG_SHIFT)

// Adds a descriptor to the epoll, for reading.  0 or a negative errno.
int via__process_watch_fd(struct via__process_pool *pool, int fd, int is_level, uint64_t tag);
// Before it is closed: a forked process may have a copy, which would keep it in the epoll.
void via__process_unwatch_fd(struct via__process_pool *pool, int fd);
// Under the lock: whether this thread is the one that serves.
int via__process_is_served_here(const struct via__process_pool *pool);
// Has the server look.
void via__process_nudge(struct via__process_pool *pool);

// ---- pool_end.c ----

int via__process_shutdown(via_executor *executor, unsigned flags, int64_t deadline_ns);
void via__process_released(via_executor *executor);
void via__process_at_exit(struct via__exit_node *node);
// Ends what there is no more use for; 1 if the server may leave.
int via__process_wind_down(struct via__process_pool *pool);

#endif
