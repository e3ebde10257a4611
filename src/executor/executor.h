/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Executors and jobs, inside.
 *
 * A job is a concurrent future in its first part of life: until it starts, the future holds the function and
 * its argument, and what a call asked for beyond these stands in `struct via__call_extra`.
 *
 * Who ends a job.  Exactly one thread changes its state away from PENDING: the executor's, which runs it; a
 * canceller; the timekeeper at its deadline; or a thread that waits for it and runs it itself.  The last
 * three are *outsiders*: they claim under the job's hashed lock, and keep it until they have told the
 * executor
 * (`claimed`).  An executor that finds a queued job claimed passes through that lock before it lets go of the
 * job (via__job_let_go()); so an outsider may use the executor while it holds the lock.
 *
 * What keeps an executor alive.  `lives`: one for all references of users together, one for each thread of a
 * pool and each pump of a strand, and short ones of outsiders.  Where neither threads nor pumps stand for the
 * jobs, each job is a life from its submission until it is over, or let go of by an executor that found it
 * claimed (`jobs_live`), or given back by the program that it was given to.  The memory goes only after a
 * pass through the lock of deadlock.c, whose searches follow executors of pending jobs.
 *
 * Lock order: hashed lock, then an executor's lock, then the timekeeper's.  The search lock of deadlock.c
 * comes before an executor's lock and is never taken with a hashed lock held.
 */
#ifndef VIADUCT_EXECUTOR_EXECUTOR_H
#define VIADUCT_EXECUTOR_EXECUTOR_H

#include <pthread.h>
#include <stdatomic.h>

#include <viaduct/executor.h>

#include "base/heap.h"
#include "base/list.h"
#include "base/role.h"
#include "base/vclock.h"
#include "future/cfuture.h"

// Why an outsider claimed a queued job.
enum via__claim { VIA__CLAIM_CANCELLED, VIA__CLAIM_EXPIRED, VIA__CLAIM_HELPED };

// How a job is submitted.
enum via__submit { VIA__SUBMIT_MAY_BLOCK, VIA__SUBMIT_MUST_NOT_BLOCK };

// A kind of executor.  Only `submit` and `destroy` must be there.
struct via__executor_kind {
    const char *name;
    unsigned call_kinds;
    int jobs_live; // each job is a life; a claim by an outsider makes two, one of which goes with the future
    // Takes the caller's reference on the job if it returns 0.
    int (*submit)(via_executor *executor, via_cfuture *job, enum via__submit how);
    // An outsider claimed a queued job.  Under the job's hashed lock.
    void (*claimed)(via_executor *executor, via_cfuture *job, enum via__claim why);
    // The function of a job has ended its thread, and the job is over.  `job` is only to be compared.
    void (*exited)(via_executor *executor, const via_cfuture *job);
    int (*shutdown)(via_executor *executor, unsigned flags, int64_t deadline_ns);
    void (*released)(via_executor *executor); // the last user let go
    void (*stats)(via_executor *executor, struct via_executor_stats *stats);
    int (*stuck)(via_executor *executor, struct via_stuck_call *calls, size_t capacity);
    void (*destroy)(via_executor *executor); // the last life is gone: free it
    // The job on which a queued job depends to be started, with a reference: itself, or a strand's pump.
    via_cfuture *(*depends)(via_executor *executor, via_cfuture *job);
    // Under the search lock: 1 if a queued job could start, for all that is known of blocked threads; with
    // NULL, asked of executors that let submitters wait: if there is or could be room for one.
    int (*can_start)(via_executor *executor, via_cfuture *job);
    // A job that is with a worker process, handed over or running, is to be stopped: an enum via_cancel or a
    // negative status.  NULL for executors whose functions run in threads.  An executor that has it goes
    // through via__hashlock_barrier() before it goes, after its last job was completed.
    int (*request)(via_executor *executor, via_cfuture *cf);
    // 1 if only this thread can complete the executor's jobs; NULL for never.
    int (*only_here)(via_executor *executor);
    // Inputs longer than this are copied by `copy_in` instead of on the heap.
    size_t in_inline;
    int (*copy_in)(via_executor *executor, const void *in, size_t bytes, via_buffer **buffer);
    // So many bytes behind a call's extra are the executor's own, not initialised: see via__job_apart().
    size_t apart_bytes;
    int packs; // runs packed calls: see packed.h
    // What no thread can do: via_call::timeout_ns and ::retries are refused without it.
    int kills;
};

struct via_executor {
    struct via__owner owner; // first: a job's owner is its executor
    const struct via__executor_kind *kind;
    _Atomic uint32_t refs;
    _Atomic uint32_t lives;
    int debug; // begun in debug mode
};

// What only some calls ask for.
struct via__call_control {
    struct via__heap_node timer; // the deadline; guarded by the timekeeper's lock, as is:
    int over;                    // the call has started or ended, so its timer must not be set any more
    struct via__list nudge;      // in the interrupter's list; guarded by its lock
    int signal_open;             // the signal was open before the call: a call further out wants it
    via_cfuture *cf;
    void (*cancel)(void *cancel_arg);
    void *cancel_arg;
    pthread_mutex_t lock; // guards what follows
    pthread_cond_t idle;  // signalled when `hooks` becomes 0
    int running;          // the function was entered and has not returned
    int hooks;            // cancel hooks under way
    pthread_t thread;     // that runs it
};

struct via__call_extra {
    struct via__extra outcome; // first
    int kind;
    unsigned flags;
    int priority;
    via_call_fn fn; // for reports; where it is called from is the future
    via_bytes_fn bytes_fn;
    const void *in; // behind this struct, on the heap, or in the buffer
    size_t in_bytes;
    int in_is_alone; // on the heap
    int is_packed;   // several items: see packed.h
    int retries;
    int64_t timeout_ns;
    via_buffer *buffer; // with a reference, or NULL
    void *apart;        // what the executor has of a call in another process; under the executor's lock
    void (*destroy)(void *arg);
    const char *name;
    int64_t deadline_ns;
    struct via__locals *locals; // that the function begins with, until it has begun
    struct via__vclock *vclock; // by which it sleeps, with a reference until the payload goes; or NULL
    uint64_t turn;
    struct via__call_control *control; // NULL without deadline, hook and interrupt
};

struct via_bytes_call {
    void *out;
    size_t bytes;
    void *in_place; // the input, where the function may write to it
    // Where the answer goes in a worker process; NULL for the heap.  Gives the memory or NULL.
    void *(*take)(struct via_bytes_call *call, size_t bytes);
};

// How far a call has come.  Its frame stays until the callbacks of its future have run: what they wait for is
// waited for by a thread of the executor's.
enum via__stage {
    VIA__STAGE_RUNS,     // the function
    VIA__STAGE_RELEASES, // the destructor of what the call was given
    VIA__STAGE_COMPLETES // that of a value nobody gets, and the callbacks
};

// A call on a thread's stack, or rather beside it: frames live in thread-local or allocated memory, because a
// function that ends its thread leaves the stack to others while the frame is still needed.
struct via__frame {
    struct via__frame *outer;
    struct via__frame *caller; // the next one further out whose function runs, or NULL
    enum via__stage stage;
    via_executor *executor; // whose job it is
    via_cfuture *cf;        // with the reference that completing it consumes
    via_call_fn fn;
    void *arg;
    struct via_bytes_call bytes;
    struct via__failure failure, *outer_failure; // its function's, and the one around
    int status, code;                            // from VIA__STAGE_RELEASES on, with the message
    void *value;
    int64_t started_ns;               // of a call within a call
    struct via__locals *outer_locals; // of the thread, while the function has its own
    int has_locals;
    int (*asked)(void); // in a worker process: whether the call was asked to stop; NULL elsewhere
    int expired;        // claimed at its deadline: that made lives, which go with the frame
    int allocated;
};

void via__executor_init(via_executor *executor, const struct via__executor_kind *kind);
void via__executor_live(via_executor *executor);
void via__executor_die(via_executor *executor); // may free it
int via__executor_forked(const via_executor *executor);

// Before any lock of this layer is taken for the first time, so before an executor is made: has them made
// anew in forked children.  0 or VIA_ENOMEM.
int via__executor_watch_forks(void);

// Checks a call and makes `cf` its job, in memory of the caller's, with `refs` references and state flags;
// VIA__CALL_EXTRA among them has the call described for reports.  On failure the payload is released.
int via__job_init(via_cfuture *cf, via_executor *executor, const struct via_call *call, uint32_t refs,
                  uint32_t flags);

// As via_executor_submit(), for a bytes call of several items; the executor's kind must pack.
int via__executor_submit_packed(via_executor *executor, const struct via_call *call, via_cfuture **cf);

// Whether the call uses an argument that somebody else owns.
static inline int via__call_borrows(const struct via_call *call)
{
    return call->kind == VIA_CALL_POINTER && call->arg && !call->destroy;
}

// Gives an initialized job to its executor.  Consumes one reference if it returns 0; otherwise the payload is
// released and the job is as if it had never been: its memory is the caller's to free after via__cf_fini().
int via__job_submit(via_cfuture *cf, enum via__submit how);

// Runs a job and completes it: 1, or 0 if it was claimed or its deadline has passed.  Consumes a reference.
int via__job_execute(via_cfuture *cf);

// Runs a job that this thread claimed as an outsider, and completes it.  Consumes a reference.
void via__job_run_claimed(via_cfuture *cf);

// Completes the future of a frame whose payload was released, with its status, code, value and message.
void via__job_complete(struct via__frame *frame);

// Completes a job that this thread claimed, without running it.  Consumes a reference.
void via__job_end(via_cfuture *cf, int status);

// The same for one that had not started at its deadline, and what is said of it.
void via__job_expire(via_cfuture *cf);
#define VIA__EXPIRED_TEXT "the call had not started when its deadline (via_call::deadline_ns) came"

// Ends a job that its executor cannot run, unless somebody has claimed it.  Consumes a reference.
void via__job_give_up(via_cfuture *cf, int status);

// For executors whose functions run in other processes.  What became of a call there; `value`, `message` and
// `process` change hands.
struct via__answer_of_call {
    int status, code; // as the function returned it: see via__job_answer()
    void *value;
    size_t bytes;
    void (*destroy)(void *value);
    char *message;
    struct via_process_report *process;
};

// Completes a job that was handed over, or claimed.  A positive status is a code of the function's own.
// Consumes a reference.
void via__job_answer(via_cfuture *cf, struct via__answer_of_call *answer);

// A job that was handed over was cancelled and will not start: completes it.  Consumes a reference.
void via__job_refused(via_cfuture *cf);

// Claims a pending job as an outsider and tells its executor; the executor is given a life if `why` is
// HELPED.
int via__job_claim_outside(via_cfuture *cf, enum via__claim why);

// For an executor that found a job in its queue claimed: drops the queue's reference.
void via__job_let_go(via_cfuture *cf);

static inline via_executor *via__job_executor(const via_cfuture *cf)
{
    return (via_executor *)cf->owner;
}

// Relaxed: the flag is there from the birth of the job.
static inline struct via__call_extra *via__job_extra(const via_cfuture *cf)
{
    uint32_t state = atomic_load_explicit(&cf->state, memory_order_relaxed);
    return state & VIA__CALL_EXTRA ? (struct via__call_extra *)cf->extra : NULL;
}

// What a list of calls says of one that has not returned.
static inline struct via_stuck_call via__job_describe(const via_cfuture *cf, long thread_id,
                                                      int64_t running_ns)
{
    const struct via__call_extra *extra = via__job_extra(cf);
    int bytes = extra && extra->kind == VIA_CALL_BYTES_IN_OUT;
    return (struct via_stuck_call){.name = extra ? extra->name : NULL,
                                   .function = bytes ? (void *)(uintptr_t)extra->bytes_fn
                                                     : (void *)(uintptr_t)cf->function,
                                   .running_ns = running_ns,
                                   .thread_id = thread_id};
}

// The executor's own bytes of a job with an extra; they go with the future.
static inline void *via__job_apart(struct via__call_extra *extra)
{
    return extra + 1;
}

static inline int via__job_priority(const via_cfuture *cf)
{
    const struct via__call_extra *extra = via__job_extra(cf);
    return extra ? extra->priority : VIA_PRIORITY_NORMAL;
}

// Releases what the call was given: argument or input.  Once, by whoever ends the job.
void via__job_dispose(via_cfuture *cf, void *arg);

// A running job was asked to stop: hook, interrupt, sleepers.  An enum via_cancel or a negative status.
int via__job_request(via_cfuture *cf, uint32_t state);

// cancel.c: brackets of a run with a control block; interrupt.c: the same for its thread.
int via__control_enter(struct via__call_control *control); // 0: it was asked to stop, and must not be run
void via__control_leave(struct via__call_control *control);
int via__interrupt_enabled(void);
void via__interrupt_begin(struct via__call_control *control);
void via__interrupt_request(struct via__call_control *control);
void via__interrupt_end(struct via__call_control *control);
void via__interrupt_reset(void); // in a forked child

// timekeeper.c: fails a queued job when its deadline comes.
int via__timekeeper_reserve(void); // before the call is queued: 0, VIA_ENOMEM or VIA_EAGAIN
void via__timekeeper_set(struct via__call_control *control, int64_t deadline_ns); // uses a reservation
void via__timekeeper_unreserve(void);
void via__timekeeper_remove(struct via__call_control *control);
void via__timekeeper_reset(void); // in a forked child: the thread and its heap are the parent's

// deadlock.c
void via__deadlock_install(void);
void via__deadlock_reset(void);              // in a forked child
void via__deadlock_barrier(void);            // returns when no search can see what was unlinked before
int via__deadlock_progress(via_cfuture *cf); // under the search lock

// In the thread of the loop whose clock it is: tells whether a call cannot go on before the time of a virtual
// clock moves, as far as that can be known: because it sleeps, or waits for one that does, or for that loop.
int via__deadlock_needs_time(via_cfuture *cf, const struct via__vclock *clock);

// Brackets of a sleep in a call.
void via__deadlock_begin_nap(const struct via__nap *nap);
void via__deadlock_end_nap(void);
int via__deadlock_blocked_in(via_executor *executor);   // under the search lock: its threads that are blocked
int via__deadlock_any_progress(via_executor *executor); // under the search lock: one of those may go on
int via__deadlock_thread_progress(pthread_t thread);    // under the search lock: it is not stuck
void via__deadlock_unsettled(void);  // under the search lock: this search is to be repeated, when
void via__deadlock_look_again(void); // the threads whose searches are to be repeated are woken for it

// Brackets of a wait for room in an executor's queue, without its lock: 0, or VIA_EDEADLK if there would
// never be any, and then there is no end to be told of.  In between, under that lock: there was room.
int via__deadlock_begin_room(via_executor *executor);
void via__deadlock_has_room(void);
void via__deadlock_end_room(void);

// 1 if a call of this executor is on this thread's stack.
int via__executor_on_stack(const via_executor *executor);

#endif
