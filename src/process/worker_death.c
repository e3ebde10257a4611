/* SPDX-License-Identifier: BSD-3-Clause */
/* How workers die, and what becomes of what they had.  Everything here is under the pool's lock. */
#include <config.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <viaduct/error.h>

#include "base/clock.h"
#include "process/enter.h"
#include "process/fds.h"
#include "process/pool.h"

#ifndef PIDFD_SIGNAL_PROCESS_GROUP
#define PIDFD_SIGNAL_PROCESS_GROUP (1u << 2)
#endif

static int send_signal(const struct via__process_worker *worker, int signal, unsigned flags)
{
    return (int)syscall(SYS_pidfd_send_signal, worker->pidfd, signal, NULL, flags);
}

// What an orphan has started, which no zygote kills.  Kernels before 6.9 do that by number only, and it is
// the worker's own for certain while that was not reaped; if it was, its children stay.
static void strike_group(const struct via__process_worker *worker)
{
    if (send_signal(worker, SIGKILL, PIDFD_SIGNAL_PROCESS_GROUP) < 0 && errno == EINVAL &&
        send_signal(worker, 0, 0) == 0)
        (void)kill(-worker->pid, SIGKILL);
}

// The pidfd cannot hit another process; a number could, but not as long as the zygote has not reaped it, and
// then it has told so.
void via__process_strike(struct via__process_worker *worker)
{
    if (worker->pidfd >= 0 && worker->is_orphan)
        strike_group(worker);
    if (worker->pidfd >= 0)
        (void)send_signal(worker, SIGKILL, 0);
    (void)via__zygote_kill(&worker->pool->zygote, worker->serial); // with what it has started
}

static int is_told_to_die(enum via__kill why)
{
    return why == VIA__KILL_TIMEOUT || why == VIA__KILL_CANCELLED || why == VIA__KILL_ASKED;
}

void via__process_kill(struct via__process_worker *worker, enum via__kill why)
{
    struct via__process_pool *pool = worker->pool;
    if (worker->killed) {
        if (why == VIA__KILL_CORRUPT && worker->killed != why) {
            pool->stats.corrupt++;
            worker->killed = why;
        }
        return;
    }
    pool->live -= via__worker_is_live(worker);
    pool->starting -= via__worker_starts(worker);
    worker->killed = why;
    worker->killed_ns = via_now_ns();
    pool->stats.killed += is_told_to_die(why);
    pool->stats.corrupt += why == VIA__KILL_CORRUPT;
    via__list_remove(&worker->link);
    via__process_strike(worker);
    via__process_watch(worker);
}

// What a dead worker was doing has failed so.
static int fate_of(const struct via__process_worker *worker, const struct via__pcall *call, int status)
{
    int64_t cpu_ns = worker->pool->options.limits.call_cpu_ns;
    if (worker->killed == VIA__KILL_CORRUPT)
        return VIA_ECORRUPT;
    if (worker->killed == VIA__KILL_TIMEOUT)
        return VIA_ETIMEDOUT;
    if (worker->killed == VIA__KILL_CANCELLED && call->asked)
        return VIA_ECANCELED;
    // The timer of a call's CPU time kills by the same signal.
    if (!worker->killed && cpu_ns && status >= 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL &&
        via_now_ns() - worker->head_ns >= cpu_ns)
        return VIA_ETIMEDOUT;
    return VIA_ECRASHED;
}

static int was_oom(struct via__process_worker *worker, int status)
{
    struct via__process_pool *pool = worker->pool;
    if (worker->killed || status < 0 || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        return 0;
    uint64_t kills = via__process_oom_kills();
    int more = kills > pool->oom_kills;
    pool->oom_kills = kills;
    return more;
}

static void tell_end(struct via_process_report *report, const struct via__end_of_worker *end)
{
    if (end->status >= 0 && WIFSIGNALED(end->status)) {
        report->signal = WTERMSIG(end->status);
        report->core_dumped = WCOREDUMP(end->status) != 0;
    } else if (end->status >= 0) {
        report->exit_status = WEXITSTATUS(end->status);
    }
    report->probably_oom = end->probably_oom;
    if (end->event) {
        report->user_ns = end->event->user_ns;
        report->system_ns = end->event->system_ns;
        report->max_rss_bytes = end->event->max_rss_bytes;
    }
}

// A call that may be started again is, and the worker's death is nothing but a delay.
static int tries_again(struct via__process_pool *pool, struct via__pcall *call, int fate, int is_unkillable)
{
    if (fate != VIA_ECRASHED || call->asked || is_unkillable || call->tries > call->extra->retries ||
        pool->broken)
        return 0;
    pool->stats.retried++;
    via__process_return(pool, call);
    return 1;
}

static void fail_victim(struct via__process_worker *worker, struct via__pcall *call, int status,
                        const struct via__zygote_event *event)
{
    struct via__process_pool *pool = worker->pool;
    struct via__function_record *record = via__process_function(pool, call->function);
    int fate = fate_of(worker, call, status);
    struct via__end_of_worker end = {status, fate, was_oom(worker, status), event};
    if (record && fate != VIA_ECANCELED)
        record->has_died = 1;
    pool->stats.crashed += fate == VIA_ECRASHED && worker->killed == VIA__KILL_NONE;
    pool->stats.timed_out += fate == VIA_ETIMEDOUT;
    call->tries++;
    via__process_leave(worker, call);
    if (tries_again(pool, call, fate, worker->is_unkillable))
        return;
    call->answer = (struct via__answer_of_call){.process = via__process_report(call, worker)};
    if (call->answer.process) {
        tell_end(call->answer.process, &end);
        call->answer.process->wall_ns = via_now_ns() - worker->head_ns;
        call->answer.process->unkillable = worker->is_unkillable;
    }
    pool->completed++;
    via__process_fail(pool, call, fate, via__process_obituary(call, worker, &end));
}

// The call had not started: it goes on elsewhere.
static void move_on(struct via__process_worker *worker, struct via__pcall *call)
{
    call->bounces++;
    worker->pool->stats.requeued++;
    via__process_leave(worker, call);
    via__process_return(worker->pool, call);
}

// Empties the window; `started` is how many of its places the worker has begun, of which the oldest is the
// only one that is not answered.  The younger ones go first, so that they end up in order at the front of the
// queue.
static void empty_window(struct via__process_worker *worker, int started, int status,
                         const struct via__zygote_event *event)
{
    int is_corrupt = worker->killed == VIA__KILL_CORRUPT;
    for (uint32_t i = worker->tail; i-- != worker->head;) {
        struct via__pcall *call = via__worker_place(worker, i)->call;
        if (call && (is_corrupt || (i == worker->head && started > 0)))
            fail_victim(worker, call, status, event);
        else if (call)
            move_on(worker, call);
    }
    worker->head = worker->tail;
}

static int count_started(struct via__process_worker *worker)
{
    if (worker->killed == VIA__KILL_CORRUPT)
        return 0;
    via__process_take(worker); // what was answered counts
    int started = worker->killed == VIA__KILL_CORRUPT ? 0 : via__channel_started(worker->channel);
    if (started < 0)
        via__process_kill(worker, VIA__KILL_CORRUPT);
    return started;
}

// A worker ended before its first call, which nobody will blame a call for.  What was killed for that was
// counted then, so that no other is born meanwhile.
// Whether it has died without ever being of use.  What somebody else kills while it waits has not failed.
static int was_of_no_use(const struct via__process_worker *worker, int started, int status)
{
    int by_others = status >= 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    if (worker->state < VIA__WORKER_READY)
        return 1;
    return worker->state == VIA__WORKER_READY && !worker->has_answered && started <= 0 && !by_others;
}

// What the process itself has said of why it could not begin: a negative status and the text, or 0.
static int read_reason(const struct via__process_worker *worker, struct via__why *why)
{
    struct via__hello hello;
    int fds[VIA__FDS_MAX], count = 0;
    int got = via__fds_receive(worker->control, &hello, sizeof hello, fds, &count, VIA__FDS_NOW);
    if (got > 0)
        via__fds_close(fds, count);
    if (got != sizeof hello || hello.magic != VIA__HELLO_MAGIC || hello.status >= 0)
        return 0;
    hello.text[sizeof hello.text - 1] = '\0';
    return via__why(why, hello.status, "%s", hello.text);
}

static void note_failed_birth(struct via__process_worker *worker, int status)
{
    // Even to begin may take more than that: sanitizers reserve terabytes.
    const char *hint = worker->pool->options.limits.data_bytes ? ": is limits.data_bytes too low?" : "";
    struct via__why why;
    if (worker->killed && worker->killed != VIA__KILL_CORRUPT)
        return;
    int said = read_reason(worker, &why);
    if (said < 0) {
        via__process_birth_failed(worker->pool, said, why.text);
        return;
    }
    if (status >= 0 && WIFSIGNALED(status))
        via__why(&why, 0, "a worker died of signal %d (%s) before it could take calls%s", WTERMSIG(status),
                 strsignal(WTERMSIG(status)), hint);
    else
        via__why(&why, 0, "a worker exited with status %d before it could take calls%s",
                 status >= 0 ? WEXITSTATUS(status) : -1, hint);
    via__process_birth_failed(worker->pool, VIA_ECRASHED, why.text);
}

void via__process_died(struct via__process_worker *worker, int status, const struct via__zygote_event *event)
{
    struct via__process_pool *pool = worker->pool;
    int was_working = worker->state == VIA__WORKER_READY, started = 0;
    if (!worker->is_unkillable) {
        started = count_started(worker);
        empty_window(worker, started, status, event);
    }
    if (was_of_no_use(worker, started, status))
        note_failed_birth(worker, status);
    else if (started > 0)
        pool->birth_failures = 0;
    pool->stats.recycled += worker->state == VIA__WORKER_ENDING && !worker->killed;
    via__process_bury(worker, worker->killed == VIA__KILL_CORRUPT || was_working);
}

// What is behind the running call is taken back as far as the worker confirms it, though it is not likely to
// run again; the rest fails with the call.
void via__process_give_up(struct via__process_worker *worker)
{
    struct via__process_pool *pool = worker->pool;
    worker->is_unkillable = 1;
    pool->zombies++;
    pool->stats.unkillable = pool->zombies;
    int started = count_started(worker);
    via__process_call_back(worker);
    via__acquaintance_taint(worker->known); // it may still write to what its calls are about to give back
    empty_window(worker, started, -1, NULL);
    if (pool->zombies >= (size_t)pool->options.max_workers)
        via__process_break(pool, VIA_EBROKEN, "%zu workers were killed and do not die", pool->zombies);
}
